"""Summary of a run of goods movements on files: counts that reconcile, and what moved."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from dataflows.file_summary import Check, Records
from dataflows.files import SUMMARY

_MOVED = ["plant", "movement", "material", "storage_location", "unit"]


@dataclass(frozen=True, slots=True)
class MovementSummary:
    """A finished run in numbers.

    Args:
        rows: Rows of the files by what became of them.
        records: What became of the records that they made.
        movements: The last version of each movement.
        dead_letters: Their number by kind, reason and field.
        alerts: Alerts by kind.
        checks: Equations between counts that were made apart from each other.
    """

    rows: dict[str, int]
    records: Records
    movements: pl.DataFrame
    dead_letters: list[dict[str, Any]]
    alerts: dict[str, int]
    checks: list[Check]

    @property
    def reconciles(self) -> bool:
        """Every equation holds."""
        return all(check.ok for check in self.checks)

    @property
    def exit_status(self) -> int:
        """0 where every row was accepted, or left out on purpose; 1 where something needs a look."""
        return 0 if self.reconciles and not self.dead_letters else 1

    def moved(self) -> list[dict[str, Any]]:
        """Quantity by movement, material and storage location, in base units as strings."""
        wanted = pl.when("withdrawn").then(0).otherwise("quantity").alias("quantity")
        totals = self.movements.with_columns(pl.col("movement").cast(pl.String), wanted).group_by(_MOVED)
        rows = totals.agg(pl.col("quantity").sum(), pl.len().alias("documents")).sort(_MOVED).to_dicts()
        return [{**row, "quantity": f"{row['quantity'].normalize():f}"} for row in rows]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "reconciles": self.reconciles,
            "rows": self.rows,
            "records": {"MaterialConsumption": {n: getattr(self.records, n) for n in Records.__slots__}},
            "documents": self.movements.height,
            "movements": self.moved(),
            "dead_letters": self.dead_letters,
            "alerts": self.alerts,
            "checks": [{"what": c.what, "expected": c.expected, "found": c.found, "ok": c.ok} for c in self.checks],
        }

    def write(self, folder: Path) -> None:
        """Write it last, under its own name at once: a folder with a summary is complete."""
        partial = folder / f".{SUMMARY}.partial"
        partial.write_text(json.dumps(self.as_json(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        partial.rename(folder / SUMMARY)
