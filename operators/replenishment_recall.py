"""Rows that found no room to wait for their material, taken back once it has come.

Their dead letters hold them. A place is taken back as a whole or not at all: when letters of all its rows are there
and each can be converted. The rows enter the state in the step in which the place leaves what is missing, so they count
once over any number of kills; the letters are resolved when that state is durable.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from operators.replenishment_rows import ROWS

#: Payloads of the letters of places by `missing_key`; None stands for one that a person gave up for good.
Recall = Callable[[Collection[str]], Mapping[str, Sequence[bytes | None]]]


def taken_back(payloads: Sequence[bytes | None]) -> dict[str, pl.DataFrame]:
    """Rows by kind from the payloads of letters, but for what was given up for good."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for payload in payloads:
        if payload is not None:
            told = json.loads(payload)
            schema = ROWS[told["rows"]][0]
            rows.setdefault(told["rows"], []).append({n: _value(told[n], kind) for n, kind in schema.items()})
    return {name: pl.DataFrame(found, schema=ROWS[name][0]) for name, found in rows.items()}


def _value(text: Any, kind: pl.DataType) -> Any:
    if text is None:
        return None
    if isinstance(kind, pl.Decimal):
        return Decimal(str(text))
    if isinstance(kind, pl.Datetime):
        return datetime.fromisoformat(text)
    return date.fromisoformat(text) if isinstance(kind, pl.Date) else text


__all__ = ["Recall", "taken_back"]
