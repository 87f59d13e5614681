"""Rows that wait for the instant at which they count: the first multiple of a step at or after their time.

A row that comes after its instant was judged counts from the next one on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from operators.frames import from_bytes
from operators.layout import split
from operators.replenishment_rows import ROWS, effective
from operators.saved_rows import SavedRows, stream
from operators.screen import NO_PROGRESS

#: Runs of rows of one instant that are cut out as they are: so many lanes with a few instants each.
_MOST_SLICES = 64


class Queue:
    """Rows by instant and kind.

    Args:
        step: Microseconds between instants.
    """

    def __init__(self, step: int) -> None:
        self._step = step
        self.judged = NO_PROGRESS
        self._parts: dict[int, dict[str, list[SavedRows]]] = {}

    def put(self, name: str, rows: pl.DataFrame) -> None:
        """Take rows of a kind."""
        if not rows.height:
            return
        instant = -(-effective(name) // self._step) * self._step
        late = pl.when(instant <= self.judged).then(self.judged).otherwise(instant)
        for at, part in _by_instant(rows, rows.select(late.alias("at"))["at"].to_numpy()):
            self._parts.setdefault(at, {}).setdefault(name, []).append(SavedRows(part))

    def first(self) -> int | None:
        """The earliest instant of a row."""
        return min(self._parts, default=None)

    def last(self) -> int | None:
        """The latest instant of a row."""
        return max(self._parts, default=None)

    def frames(self) -> list[pl.DataFrame]:
        """All rows that wait."""
        return [part.rows for by_name in self._parts.values() for parts in by_name.values() for part in parts]

    def take(self, until: int) -> dict[str, SavedRows]:
        """Rows by kind that count at an instant, late ones among them; they leave."""
        due = [self._parts.pop(at) for at in sorted(at for at in self._parts if at <= until)]
        return {name: SavedRows.together(parts) for name, parts in _by_name(due).items()}

    def snapshot(self) -> dict[str, Any]:
        """Plain values and Arrow IPC bytes; rows wait over many snapshots, so only new ones are serialised."""
        rows = {name: stream(parts) for name, parts in _by_name(self._parts.values()).items()}
        return {"judged": self.judged, "rows": rows}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot."""
        self.judged = state["judged"]
        for name, data in state["rows"].items():
            self.put(name, from_bytes(data, ROWS[name][0]))


def _by_instant(rows: pl.DataFrame, at: npt.NDArray[np.int64]) -> Iterator[tuple[int, pl.DataFrame]]:
    """Rows by their instant: slices where rows come in order, as each lane reads them, else one gather."""
    begins = np.flatnonzero(np.r_[True, at[1:] != at[:-1]])
    if len(begins) <= _MOST_SLICES:
        for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), rows.height], strict=True):
            yield int(at[begin]), rows.slice(begin, end - begin)
        return
    instants, place = np.unique(at, return_inverse=True)
    for number, part in split(rows, place):
        yield int(instants[number]), part


def _by_name(parts: Iterable[Mapping[str, list[SavedRows]]]) -> dict[str, list[SavedRows]]:
    found: dict[str, list[SavedRows]] = {}
    for by_name in parts:
        for name, rows in by_name.items():
            found.setdefault(name, []).extend(rows)
    return found


__all__ = ["Queue"]
