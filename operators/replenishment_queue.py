"""Rows that wait for the instant at which they count: the first multiple of a step at or after their time.

A row that comes after its instant was judged counts from the next one on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from operators.frames import from_bytes, to_bytes
from operators.replenishment_rows import ROWS, effective
from operators.screen import NO_PROGRESS

_AT = "_instant"


class Queue:
    """Rows by instant and kind.

    Args:
        step: Microseconds between instants.
    """

    def __init__(self, step: int) -> None:
        self._step = step
        self.judged = NO_PROGRESS
        self._parts: dict[int, dict[str, list[pl.DataFrame]]] = {}

    def put(self, name: str, rows: pl.DataFrame) -> None:
        """Take rows of a kind."""
        if not rows.height:
            return
        instant = -(-effective(name) // self._step) * self._step
        late = pl.when(instant <= self.judged).then(self.judged).otherwise(instant)
        tagged = rows.with_columns(late.alias(_AT))
        for (at,), part in tagged.partition_by(_AT, as_dict=True, include_key=False).items():
            self._parts.setdefault(int(str(at)), {}).setdefault(name, []).append(part)

    def first(self) -> int | None:
        """The earliest instant of a row."""
        return min(self._parts, default=None)

    def last(self) -> int | None:
        """The latest instant of a row."""
        return max(self._parts, default=None)

    def take(self, until: int) -> dict[str, pl.DataFrame]:
        """Rows by kind that count at an instant, late ones among them; they leave."""
        taken: dict[str, list[pl.DataFrame]] = {}
        for at in sorted(at for at in self._parts if at <= until):
            for name, frames in self._parts.pop(at).items():
                taken.setdefault(name, []).extend(frames)
        return {name: pl.concat(frames) for name, frames in taken.items()}

    def snapshot(self) -> dict[str, Any]:
        """Plain values and Arrow IPC bytes."""
        rows: dict[str, list[pl.DataFrame]] = {}
        for by_name in self._parts.values():
            for name, frames in by_name.items():
                rows.setdefault(name, []).extend(frames)
        return {"judged": self.judged, "rows": {name: to_bytes(pl.concat(frames)) for name, frames in rows.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot."""
        self.judged = state["judged"]
        for name, data in state["rows"].items():
            self.put(name, from_bytes(data, ROWS[name][0]))


__all__ = ["Queue"]
