"""What a replay would change as the table `changes.parquet`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from dataflows.replay_changes import Change
from operators.partials import QUANTITY

#: Columns of `changes.parquet`.
SCHEMA: dict[str, pl.DataType] = {
    "document_key": pl.String(),
    "contract": pl.String(),
    "plant": pl.String(),
    "order_id": pl.String(),
    "operation": pl.String(),
    "window_start": pl.String(),
    "change": pl.String(),
    "why": pl.String(),
    "held": pl.String(),
    "detail": pl.String(),
    "ledger_revision": pl.Int64(),
    "replay_revision": pl.Int64(),
    "ledger_reference_version": pl.Int64(),
    "replay_reference_version": pl.Int64(),
    "differences": pl.List(
        pl.Struct({"measure": pl.String(), **dict.fromkeys(("ledger", "replay", "difference"), QUANTITY)})
    ),
}


def frame(changes: Iterable[Change]) -> pl.DataFrame:
    """Changes as a table with the columns of SCHEMA."""
    return pl.DataFrame([_row(change) for change in changes], schema=SCHEMA)


def _row(change: Change) -> dict[str, Any]:
    document, before = change.document, change.before
    return {
        "document_key": document.key,
        "contract": document.kind,
        "plant": document.plant,
        "order_id": document.order_id,
        "operation": document.operation,
        "window_start": document.sort_key.partition("|")[0],
        "change": change.kind,
        "why": change.why.value,
        "held": change.held.value if change.held else None,
        "detail": change.detail,
        "ledger_revision": before.revision if before else None,
        "replay_revision": document.revision,
        "ledger_reference_version": before.reference_version if before else None,
        "replay_reference_version": document.reference_version,
        "differences": change.differences(),
    }


__all__ = ["SCHEMA", "frame"]
