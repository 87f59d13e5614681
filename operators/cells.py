"""One window of a plant in the state: its rows, and how they are saved and loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from operators.accumulator import TOTAL, Accumulator
from operators.deltas import DELTA
from operators.frames import from_bytes, to_bytes
from operators.partials import CONTRIBUTION, DOCUMENT_KEY, MAXIMA, MINIMA, PARTIAL, ROW_KEY, SUMS, aggregations


@dataclass(slots=True)
class Cell:
    """One window of a plant: plain rows add up, contributions replace each other."""

    end: int
    plain: Accumulator = field(default_factory=Accumulator)
    contributed: pl.DataFrame | None = None
    closed: bool = False
    touched: list[pl.DataFrame] = field(default_factory=list)
    before: pl.DataFrame | None = None
    saved: dict[str, Any] | None = None

    def rows(self) -> pl.DataFrame:
        """All rows of the window, merged."""
        plain = self.plain.rows()
        return plain if self.contributed is None else pl.concat([plain, merge([_contribution_rows(self.contributed)])])

    def forget(self, orders: pl.DataFrame) -> None:
        """Drop the rows of these orders (plant, order_id)."""
        key = ["plant", "order_id"]
        self.plain = Accumulator.of(self.plain.rows().join(orders, on=key, how="anti"))
        if self.contributed is not None:
            self.contributed = self.contributed.join(orders, on=key, how="anti")
        self.saved = None

    def save(self) -> dict[str, Any]:
        """Plain values; what did not change since is not serialised again."""
        if self.saved is None:
            self.saved = {
                "end": self.end,
                "closed": self.closed,
                "plain": self.plain.save(),
                "contributed": None if self.contributed is None else to_bytes(self.contributed),
                "before": None if self.before is None else to_bytes(self.before),
                "touched": [to_bytes(part) for part in self.touched],
            }
        return self.saved

    @classmethod
    def load(cls, saved: dict[str, Any]) -> Cell:
        """A cell as it was saved."""
        cell = cls(saved["end"], closed=saved["closed"], saved=saved)
        cell.plain = Accumulator.load(saved["plain"])
        if saved["contributed"] is not None:
            cell.contributed = from_bytes(saved["contributed"], CONTRIBUTION)
        if saved["before"] is not None:
            cell.before = from_bytes(saved["before"], DELTA)
        keys = {name: PARTIAL[name] for name in DOCUMENT_KEY}
        cell.touched = [from_bytes(part, keys) for part in saved["touched"]]
        return cell


def merge(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Add rows of TOTAL up: one row per ROW_KEY."""
    rows = pl.concat(frames) if len(frames) > 1 else frames[0]
    measures = aggregations([*SUMS, *MAXIMA, *MINIMA])
    return rows.group_by(list(ROW_KEY)).agg(*measures, pl.col("revises").sum()).select(list(TOTAL))


def _contribution_rows(contributed: pl.DataFrame) -> pl.DataFrame:
    first = pl.int_range(pl.len()).over([*DOCUMENT_KEY, "part"]) == 0
    revises = pl.when(first).then("revision").otherwise(0).alias("revises")
    return contributed.with_columns(revises).select(list(TOTAL))
