"""Summary of a run of replenishment on files: counts that reconcile, stock in the end, and what was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from dataflows.file_summary import FileSummary, plain_quantity


@dataclass(frozen=True, slots=True)
class ReplenishmentSummary(FileSummary):
    """A finished run in numbers; alerts are those that stand in the end.

    Args:
        records: By contract: records made, accepted, duplicates, dead and in the history.
        stock: The newest row of SIGNAL of each place.
        requests: Records of ReplenishmentRequest.
    """

    records: dict[str, dict[str, int]]
    stock: pl.DataFrame
    requests: pl.DataFrame

    def told(self) -> dict[str, Any]:
        """Records, stock and requests; quantities in base units."""
        asked = ["request_number", "crossed_at", "quantity", "unit", "projected", "reorder_point", "delivery_date"]
        return {
            "records": self.records,
            "stock": [_plain(row) for row in self.stock.to_dicts()],
            "requests": [_plain(row) for row in self._standing().select(asked).to_dicts()],
        }

    def _standing(self) -> pl.DataFrame:
        """Requests that were not withdrawn."""
        return self.requests.filter(~pl.col("withdrawn").any().over("document_key"))


def _plain(row: dict[str, Any]) -> dict[str, str | None]:
    """Quantities without the contract's trailing zeros, instants as ISO 8601."""
    return {name: None if value is None else _text(value) for name, value in row.items()}


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return plain_quantity(value)
    return value.isoformat() if isinstance(value, date) else str(value)
