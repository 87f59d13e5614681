"""Cumulative totals of one state slot: what is counted per window until the window leaves the state.

Windows only decide when a total is announced. Rows that come after the close raise the total and announce its
next revision; totals of the order's other windows are not touched. State is one cell per window; only cells
that changed are written again in a snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import polars as pl

from operators.frames import from_bytes, to_bytes
from operators.partials import (
    CONTRIBUTION,
    DOCUMENT_KEY,
    MACHINE,
    MAXIMA,
    MINIMA,
    PARTIAL,
    REPORT,
    ROW_KEY,
    SUMS,
    aggregations,
)
from operators.windows import Window

#: A row of a total. `revises` adds up to the document's revision: events of plain rows, and for what a
#: timeline contributed the timeline's own revision, once per document and part.
TOTAL: dict[str, pl.DataType] = {**PARTIAL, "revises": pl.Int64()}
#: What a cell stands for: shifts of two plants may start together and end apart.
_CELL = ["plant", "window_start"]
OPERATION_KEY = ("plant", "order_id", "operation")
#: Counts are added up per unit: the order's unit, in which an operation is complete, is not known here.
DELTA_KEY = (*OPERATION_KEY, "unit")
#: How the totals of an operation changed by what is announced.
DELTA: dict[str, pl.DataType] = {
    **{name: PARTIAL[name] for name in DELTA_KEY},
    "machine": PARTIAL["quantity_yield"],
    "report": PARTIAL["quantity_yield"],
    "revises": pl.Int64(),
    "completions": pl.Int64(),
    "last_time": PARTIAL["last_time"],
    "posting_date": PARTIAL["posting_date"],
}
STATE_VERSION = 1


@dataclass(slots=True)
class Closed:
    """Totals that are due: complete rows per document, and what changed per operation."""

    rows: pl.DataFrame
    deltas: pl.DataFrame

    @classmethod
    def join(cls, closed: Sequence[Closed]) -> Closed:
        """Several as one."""
        if len(closed) == 1:
            return closed[0]
        return cls(pl.concat([c.rows for c in closed]), pl.concat([c.deltas for c in closed]))


@dataclass(slots=True)
class _Cell:
    """One window of a plant: plain rows add up, contributions replace each other."""

    end: int
    plain: list[pl.DataFrame] = field(default_factory=list)
    piled: int = 0
    contributed: pl.DataFrame | None = None
    closed: bool = False
    touched: list[pl.DataFrame] = field(default_factory=list)
    before: pl.DataFrame | None = None
    saved: dict[str, Any] | None = None

    def rows(self) -> pl.DataFrame:
        """All rows of the window, merged."""
        if len(self.plain) > 1:
            self.plain = [_merge(self.plain)]
        parts = list(self.plain)
        if self.contributed is not None:
            parts.append(_merge([_contribution_rows(self.contributed)]))
        return pl.concat(parts) if parts else pl.DataFrame(schema=TOTAL)


class Totals:
    """Totals of the windows that share a state slot.

    Args:
        window: How time is cut.
        merge_at: Plain rows that a cell piles up at least before they are merged.
    """

    def __init__(self, window: Window, merge_at: int = 20_000) -> None:
        self._window = window
        self._merge_at = merge_at
        self._cells: dict[tuple[str, int], _Cell] = {}
        self._watermark = -(2**62)

    @property
    def open_windows(self) -> int:
        """Windows not yet closed."""
        return sum(not cell.closed for cell in self._cells.values())

    @property
    def dirty(self) -> bool:
        """Whether closed windows changed since they were announced."""
        return any(cell.touched for cell in self._cells.values())

    def add(self, partials: pl.DataFrame) -> None:
        """Add rows of PARTIAL."""
        rows = partials.with_columns(pl.col("events").alias("revises"))
        for cell, part in self._split(rows):
            self._before_change(cell, part)
            cell.plain.append(part)
            cell.piled += part.height
            # Merging when as much has piled up as was merged before bounds both memory and work per row.
            if cell.piled > max(self._merge_at, cell.plain[0].height):
                cell.plain, cell.piled = [_merge(cell.plain)], 0

    def contribute(self, contributions: pl.DataFrame) -> None:
        """Replace what timelines contributed before, document by document and part by part (CONTRIBUTION)."""
        for cell, part in self._split(contributions):
            self._before_change(cell, part)
            both = part if cell.contributed is None else pl.concat([cell.contributed, part])
            newest = pl.col("revision").max().over([*DOCUMENT_KEY, "part"])
            # A contribution that comes twice (after a resume) is the same rows at the same revision.
            cell.contributed = both.filter(pl.col("revision") == newest).unique([*ROW_KEY, "part"], keep="last")

    def _split(self, rows: pl.DataFrame) -> list[tuple[_Cell, pl.DataFrame]]:
        if not rows.height:
            return []
        same = all((rows[name] == rows[name][0]).all() for name in _CELL)
        parts = [rows] if same else rows.partition_by(_CELL)
        return [(self._cell(part), part) for part in parts]

    def _cell(self, part: pl.DataFrame) -> _Cell:
        key = (str(part["plant"][0]), int(part["window_start"].to_physical()[0]))
        end = int(part["window_end"].to_physical().to_numpy().max())
        if key not in self._cells:
            # The tick that would close a window comes once: what begins after it is announced as a revision.
            past = end <= self._watermark
            self._cells[key] = _Cell(end, closed=past or self._window.kind == "operation")
        # A shift that a new calendar made longer keeps its key, so it keeps its total.
        self._cells[key].end = max(self._cells[key].end, end)
        return self._cells[key]

    def _before_change(self, cell: _Cell, part: pl.DataFrame) -> None:
        cell.saved = None
        if cell.closed:
            if cell.before is None:
                cell.before = by_operation(cell.rows())
            cell.touched.append(part.select(list(DOCUMENT_KEY)).unique())

    def tick(self, watermark: int, frontier: int) -> Closed | None:
        """What is due at a watermark; windows that end at or before `frontier` leave. Microseconds."""
        self._watermark = max(self._watermark, watermark)
        cells = list(self._cells.values())
        due = [self._close(cell) for cell in cells if not cell.closed and cell.end <= watermark]
        due += [self._revise(cell) for cell in cells if cell.touched]
        self._evict(frontier)
        return _join(due)

    def revise(self) -> Closed | None:
        """Next revisions of what was announced already."""
        return _join([self._revise(cell) for cell in self._cells.values() if cell.touched])

    def flush(self) -> Closed | None:
        """Everything, at the end of a finite input."""
        due = [self._close(cell) for cell in self._cells.values() if not cell.closed]
        return _join(due + [self._revise(cell) for cell in self._cells.values() if cell.touched])

    def touch(self, orders: pl.DataFrame) -> Closed | None:
        """Announce once more what is announced already of these orders (plant, order_id)."""
        found = [
            Closed(cell.rows().join(orders, on=["plant", "order_id"], how="semi"), pl.DataFrame(schema=DELTA))
            for cell in self._cells.values()
            if cell.closed
        ]
        return _join([closed for closed in found if closed.rows.height])

    def _close(self, cell: _Cell) -> Closed:
        cell.closed, cell.saved = True, None
        rows = cell.rows()
        return Closed(rows, by_operation(rows))

    def _revise(self, cell: _Cell) -> Closed:
        rows = cell.rows()
        touched = pl.concat(cell.touched).unique()
        former = cell.before if cell.before is not None else pl.DataFrame(schema=DELTA)
        change = pl.concat([by_operation(rows), former.with_columns(_negated())])
        operations = touched.select(OPERATION_KEY).unique()
        deltas = change.group_by(DELTA_KEY).agg(_delta_sums())
        cell.touched, cell.before, cell.saved = [], None, None
        return Closed(
            rows.join(touched, on=list(DOCUMENT_KEY), how="semi"),
            deltas.join(operations, on=list(OPERATION_KEY), how="semi").select(list(DELTA)),
        )

    def _evict(self, frontier: int) -> None:
        if self._window.kind == "operation":
            return
        for key in [k for k, c in self._cells.items() if c.closed and not c.touched and c.end <= frontier]:
            del self._cells[key]

    def snapshot(self) -> dict[str, Any]:
        """Versioned plain values; a cell that did not change is not serialised again."""
        cells = {key: _save(cell) for key, cell in self._cells.items()}
        return {"version": STATE_VERSION, "watermark": self._watermark, "cells": cells}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._watermark = state["watermark"]
        self._cells = {key: _load(saved) for key, saved in state["cells"].items()}


def _merge(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    rows = pl.concat(frames) if len(frames) > 1 else frames[0]
    measures = aggregations([*SUMS, *MAXIMA, *MINIMA])
    return rows.group_by(list(ROW_KEY)).agg(*measures, pl.col("revises").sum()).select(list(TOTAL))


def _contribution_rows(contributed: pl.DataFrame) -> pl.DataFrame:
    first = pl.int_range(pl.len()).over([*DOCUMENT_KEY, "part"]) == 0
    revises = pl.when(first).then("revision").otherwise(0).alias("revises")
    return contributed.with_columns(revises).select(list(TOTAL))


def _delta_sums() -> list[pl.Expr]:
    quantity = DELTA["machine"]
    return [
        pl.col("machine").sum().cast(quantity),
        pl.col("report").sum().cast(quantity),
        pl.col("revises").sum(),
        pl.col("completions").sum(),
        pl.col("last_time").max(),
        pl.col("posting_date").max(),
    ]


def _negated() -> list[pl.Expr]:
    names = ("machine", "report", "revises", "completions")
    return [(-pl.col(name)).cast(DELTA[name]).alias(name) for name in names]


def by_operation(rows: pl.DataFrame) -> pl.DataFrame:
    """Totals per operation and unit, by the alternative counts."""
    quantity = DELTA["machine"]
    nothing = pl.lit(Decimal(0), dtype=quantity)
    yields = [
        pl.when(pl.col("kind") == kind).then("quantity_yield").otherwise(nothing).alias(name)
        for name, kind in (("machine", MACHINE), ("report", REPORT))
    ]
    return (
        rows.with_columns(yields)
        .group_by(DELTA_KEY)
        .agg(
            pl.col("machine").sum().cast(quantity),
            pl.col("report").sum().cast(quantity),
            pl.col("revises").sum(),
            pl.col("completed").sum().cast(pl.Int64).alias("completions"),
            pl.col("last_time").max(),
            pl.col("posting_date").max(),
        )
    )


def _join(due: Sequence[Closed]) -> Closed | None:
    return Closed.join(due) if due else None


def _save(cell: _Cell) -> dict[str, Any]:
    if cell.saved is None:
        plain = _merge(cell.plain) if cell.plain else None
        cell.plain = [plain] if plain is not None else []
        cell.saved = {
            "end": cell.end,
            "closed": cell.closed,
            "plain": None if plain is None else to_bytes(plain),
            "contributed": None if cell.contributed is None else to_bytes(cell.contributed),
            "before": None if cell.before is None else to_bytes(cell.before),
            "touched": [to_bytes(part) for part in cell.touched],
        }
    return cell.saved


def _load(saved: dict[str, Any]) -> _Cell:
    cell = _Cell(saved["end"], closed=saved["closed"], saved=saved)
    if saved["plain"] is not None:
        cell.plain = [from_bytes(saved["plain"], TOTAL)]
    if saved["contributed"] is not None:
        cell.contributed = from_bytes(saved["contributed"], CONTRIBUTION)
    if saved["before"] is not None:
        cell.before = from_bytes(saved["before"], DELTA)
    keys = {name: PARTIAL[name] for name in DOCUMENT_KEY}
    cell.touched = [from_bytes(part, keys) for part in saved["touched"]]
    return cell
