"""Cumulative totals of one state slot: what is counted per window until the window leaves the state.

Windows only decide when a total is announced. Rows that come after the close raise the total and announce its
next revision; totals of the order's other windows are not touched. State is one cell per window; only cells
that changed are written again in a snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from operators.accumulator import TOTAL
from operators.cells import Cell
from operators.deltas import DELTA, DELTA_KEY, OPERATION_KEY, by_operation, change
from operators.frames import from_bytes, to_bytes
from operators.partials import DOCUMENT_KEY, ROW_KEY
from operators.windows import Window

__all__ = ["DELTA", "DELTA_KEY", "OPERATION_KEY", "TOTAL", "Closed", "Totals", "by_operation"]

#: What a cell stands for: shifts of two plants may start together and end apart.
_CELL = ["plant", "window_start"]
_ORDER = ["plant", "order_id"]
#: Orders that ended, with the watermark (microseconds) at which that was heard.
_ENDED: dict[str, pl.DataType] = {"plant": pl.String(), "order_id": pl.String(), "ended": pl.Int64()}
STATE_VERSION = 2


@dataclass(slots=True)
class Closed:
    """Totals that are due: complete rows per document, and what changed per operation."""

    rows: pl.DataFrame
    deltas: pl.DataFrame

    @classmethod
    def join(cls, closed: Sequence[Closed]) -> Closed:
        """Several as one, in the order in which they were announced: of a document that comes twice the last counts.

        What a slot announces more than once at a time (a window closes, is revised, is touched by its order) meets in
        one batch. Rows are complete each time, so two of them together would be counted twice; changes add up.
        """
        if len(closed) == 1:
            return closed[0]
        rows = pl.concat([each.rows.with_columns(_turn=pl.lit(turn)) for turn, each in enumerate(closed)])
        if sum(_windows(each.rows) for each in closed) > _windows(rows):
            rows = rows.filter(pl.col("_turn") == pl.col("_turn").max().over(list(DOCUMENT_KEY)))
        return cls(rows.drop("_turn"), pl.concat([each.deltas for each in closed]))


class Totals:
    """Totals of the windows that share a state slot.

    Args:
        window: How time is cut.
    """

    def __init__(self, window: Window) -> None:
        self._window = window
        self._cells: dict[tuple[str, int], Cell] = {}
        self._watermark = -(2**62)
        self._ended = pl.DataFrame(schema=_ENDED)

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
        for cell, part in self._split(partials):
            self._before_change(cell, part)
            cell.plain.add(part)

    def contribute(self, contributions: pl.DataFrame) -> None:
        """Replace what timelines contributed before, document by document and part by part (CONTRIBUTION)."""
        for cell, part in self._split(contributions):
            self._before_change(cell, part)
            both = part if cell.contributed is None else pl.concat([cell.contributed, part])
            newest = pl.col("revision").max().over([*DOCUMENT_KEY, "part"])
            # A contribution that comes twice (after a resume) is the same rows at the same revision.
            cell.contributed = both.filter(pl.col("revision") == newest).unique([*ROW_KEY, "part"], keep="last")

    def _split(self, rows: pl.DataFrame) -> list[tuple[Cell, pl.DataFrame]]:
        if not rows.height:
            return []
        same = all((rows[name] == rows[name][0]).all() for name in _CELL)
        parts = [rows] if same else rows.partition_by(_CELL)
        return [(self._cell(part), part) for part in parts]

    def _cell(self, part: pl.DataFrame) -> Cell:
        key = (str(part["plant"][0]), int(part["window_start"].to_physical()[0]))
        end = int(part["window_end"].to_physical().to_numpy().max())
        if key not in self._cells:
            # The tick that would close a window comes once: what begins after it is announced as a revision.
            past = end <= self._watermark
            self._cells[key] = Cell(end, closed=past or self._window.kind == "operation")
        # A shift that a new calendar made longer keeps its key, so it keeps its total.
        self._cells[key].end = max(self._cells[key].end, end)
        return self._cells[key]

    def _before_change(self, cell: Cell, part: pl.DataFrame) -> None:
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

    def _close(self, cell: Cell) -> Closed:
        cell.closed, cell.saved = True, None
        rows = cell.rows()
        return Closed(rows, by_operation(rows))

    def _revise(self, cell: Cell) -> Closed:
        rows = cell.rows()
        touched = pl.concat(cell.touched).unique()
        former = cell.before if cell.before is not None else pl.DataFrame(schema=DELTA)
        operations = touched.select(OPERATION_KEY).unique()
        deltas = change(by_operation(rows), former)
        cell.touched, cell.before, cell.saved = [], None, None
        return Closed(
            rows.join(touched, on=list(DOCUMENT_KEY), how="semi"),
            deltas.join(operations, on=list(OPERATION_KEY), how="semi").select(list(DELTA)),
        )

    def end(self, orders: pl.DataFrame) -> None:
        """These orders (plant, order_id) take no more confirmations: windows over their operations may leave."""
        if self._window.kind != "operation":
            return
        fresh = orders.unique().join(self._ended, on=_ORDER, how="anti").with_columns(ended=pl.lit(self._watermark))
        self._ended = pl.concat([self._ended, fresh.select(list(_ENDED))])

    def _evict(self, frontier: int) -> None:
        if self._window.kind == "operation":
            self._evict_ended(frontier)
            return
        for key in [k for k, c in self._cells.items() if c.closed and not c.touched and c.end <= frontier]:
            del self._cells[key]

    def _evict_ended(self, frontier: int) -> None:
        """A window over an operation has no end in time: it leaves with its order, a horizon after its last event."""
        due = self._ended.filter(pl.col("ended") <= frontier)
        if not due.height or self.dirty:
            return
        rows = pl.concat([pl.DataFrame(schema=TOTAL), *(cell.rows() for cell in self._cells.values())])
        recent = rows.filter(pl.col("last_time").to_physical() > frontier).select(_ORDER).unique()
        gone = due.join(recent, on=_ORDER, how="anti").select(_ORDER)
        for cell in self._cells.values():
            cell.forget(gone)
        self._ended = self._ended.join(gone, on=_ORDER, how="anti")

    def snapshot(self) -> dict[str, Any]:
        """Versioned plain values; a cell that did not change is not serialised again."""
        cells = {key: cell.save() for key, cell in self._cells.items()}
        return {"version": STATE_VERSION, "watermark": self._watermark, "ended": to_bytes(self._ended), "cells": cells}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._watermark = state["watermark"]
        self._ended = from_bytes(state["ended"], _ENDED)
        self._cells = {key: Cell.load(saved) for key, saved in state["cells"].items()}


def _windows(rows: pl.DataFrame) -> int:
    return rows.select(_CELL).n_unique()


def _join(due: Sequence[Closed]) -> Closed | None:
    return Closed.join(due) if due else None
