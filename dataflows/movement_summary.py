"""Summary of a run of goods movements on files: counts that reconcile, and what moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from dataflows.file_summary import FileSummary, Records, plain_quantity

_MOVED = ["plant", "movement", "material", "storage_location", "unit"]


@dataclass(frozen=True, slots=True)
class MovementSummary(FileSummary):
    """A finished run in numbers.

    Args:
        records: What became of the records that they made.
        movements: The last version of each movement.
    """

    records: Records
    movements: pl.DataFrame

    def moved(self) -> list[dict[str, Any]]:
        """Quantity by movement, material and storage location, in base units as strings."""
        wanted = pl.when("withdrawn").then(0).otherwise("quantity").alias("quantity")
        totals = self.movements.with_columns(pl.col("movement").cast(pl.String), wanted).group_by(_MOVED)
        rows = totals.agg(pl.col("quantity").sum(), pl.len().alias("documents")).sort(_MOVED).to_dicts()
        return [{**row, "quantity": plain_quantity(row["quantity"])} for row in rows]

    def told(self) -> dict[str, Any]:
        """Records and what moved."""
        return {
            "records": {"MaterialConsumption": {n: getattr(self.records, n) for n in Records.__slots__}},
            "documents": self.movements.height,
            "movements": self.moved(),
        }
