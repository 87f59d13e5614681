"""What has come to a shard of stock, until an instant can be judged.

The engine writes the whole state of a key that was touched in an epoch. Stock is large (movements of hours, balances
of all places) and what a moment brings is small: so rows wait here, under a key of their own, and stock is touched only
when the watermark has passed an instant, once a minute and not with every poll.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from operators.frames import from_bytes
from operators.replenishment_rows import ROWS
from operators.saved_rows import SavedRows, stream
from operators.screen import NO_PROGRESS

STATE_VERSION = 1
#: Rows that may wait here: of a plant so busy all of them are written in a moment anyway.
MOST = 200_000


@dataclass(slots=True)
class Arrived:
    """What stock takes together: materials, then rows by kind, then the time.

    Args:
        materials: Records of Material.
        rows: As lanes gave them out.
        watermark: Microseconds; `NO_PROGRESS` where no time has passed.
    """

    materials: list[Mapping[str, Any]] = field(default_factory=list)
    rows: list[tuple[str, pl.DataFrame]] = field(default_factory=list)
    watermark: int = NO_PROGRESS


class Arrivals:
    """Materials and rows of one shard.

    Args:
        step: Microseconds between instants.
    """

    def __init__(self, step: int) -> None:
        self._step = step
        self._materials: list[Mapping[str, Any]] = []
        self._rows: dict[str, list[SavedRows]] = {}
        self._waiting = 0
        self._watermark = NO_PROGRESS
        self._handed = NO_PROGRESS
        self._owes, self._releases = False, False

    def material(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Take records of Material."""
        self._materials += records

    def take(self, name: str, rows: pl.DataFrame) -> None:
        """Take rows of a kind."""
        self._rows.setdefault(name, []).append(SavedRows(rows))
        self._waiting += rows.height

    def tick(self, watermark: int) -> Arrived | None:
        """Hand everything on where an instant can be judged; None where nothing is to be done.

        The epoch after that stock hears the time once more: what it announced was held until its state is durable.
        """
        self._watermark = max(self._watermark, watermark)
        if self._watermark // self._step > self._handed // self._step or self._waiting > MOST:
            return self.given()
        if self._releases:
            self._releases = False
            return Arrived(watermark=self._watermark)
        return None

    def given(self) -> Arrived:
        """Everything; it leaves."""
        rows = [(name, part.rows) for name, parts in self._rows.items() for part in parts]
        arrived = Arrived(self._materials, rows, self._watermark)
        self._materials, self._rows, self._waiting = [], {}, 0
        self._handed, self._owes, self._releases = self._watermark, True, False
        return arrived

    def snapshot(self) -> dict[str, Any]:
        """Versioned plain values and Arrow IPC bytes; only rows that are new are serialised."""
        self._owes, self._releases = False, self._owes or self._releases
        return {
            "version": STATE_VERSION,
            "materials": [dict(record) for record in self._materials],
            "rows": {name: stream(parts) for name, parts in self._rows.items()},
            "watermark": self._watermark,
            "handed": self._handed,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot; stock may hold what it announced before, or have stopped between two instants.

        So the first tick of a life hands on: what stock then judges is announced in the epoch after, not only after the
        next instant.
        """
        self._materials = list(state["materials"])
        for name, data in state["rows"].items():
            self.take(name, from_bytes(data, ROWS[name][0]))
        self._watermark, self._handed = state["watermark"], NO_PROGRESS
        self._releases = True


__all__ = ["Arrivals", "Arrived"]
