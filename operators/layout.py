"""How state is laid out: shards of orders, slots of windows, shards of work centres.

A layout is part of a flow's state: keys and step ids name rows of the recovery store. Changing it needs a new
state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from operators.hashing import shards
from operators.reference_lane import ReferenceOutput
from operators.screen import NO_PROGRESS
from operators.shifts import DAY, CalendarBook
from operators.windows import Window, slot_column

Keyed = tuple[str, Any]
FAR = 2**62


@dataclass(frozen=True, slots=True)
class Layout:
    """Keys of the state.

    Args:
        window: How time is cut.
        calendar: Shifts per plant; says when a window may have ended.
        shards: Buckets of (plant, order).
        ring: Slots per shard; a slot is reused, and may hold several windows.
        work_center_shards: Buckets of (plant, work centre).
    """

    window: Window
    calendar: CalendarBook
    shards: int = 16
    ring: int = 32
    work_center_shards: int = 64
    _ends: dict[str, tuple[int, int]] = field(default_factory=dict)

    def by_slot(self, frames: Iterable[pl.DataFrame]) -> list[Keyed]:
        """Rows with the columns of a document key, per shard and slot."""
        keyed: list[Keyed] = []
        for frame in frames:
            if not frame.height:
                continue
            shard = shards(frame, ["plant", "order_id"], self.shards)
            slot = frame.select(slot_column(self.window, self.ring)).to_series().to_numpy()
            for number, rows in split(frame, shard * self.ring + np.resize(slot, len(shard))):
                keyed.append((f"{number // self.ring:03d}:{number % self.ring:03d}", rows))
        return keyed

    def by_work_center(self, frames: Iterable[pl.DataFrame]) -> list[Keyed]:
        """Timeline rows per shard of work centres."""
        keyed: list[Keyed] = []
        for frame in frames:
            place = shards(frame, ["plant", "work_center"], self.work_center_shards)
            keyed += [(f"w{number:03d}", rows) for number, rows in split(frame, place)]
        return keyed

    def adjustments(self, frames: Sequence[pl.DataFrame]) -> list[Keyed]:
        """Late additions (PARTIAL with `adjustment`) per order shard."""
        keyed: list[Keyed] = []
        for frame in frames:
            keyed += [(self._shard_key(number), rows) for number, rows in split(frame, self._shards(frame))]
        return keyed

    def _shards(self, frame: pl.DataFrame) -> npt.NDArray[np.int64]:
        return shards(frame, ["plant", "order_id"], self.shards)

    def references(self, output: ReferenceOutput) -> list[Keyed]:
        """Orders to their shard, materials to every shard."""
        keyed: list[Keyed] = []
        if output.orders.height:
            for number, rows in split(output.orders, self._shards(output.orders)):
                keyed.append((self._shard_key(number), ReferenceOutput(rows)))
        if output.materials:
            everyone = ReferenceOutput(materials=output.materials)
            keyed += [(self._shard_key(number), everyone) for number in range(self.shards)]
        return keyed

    def touches(self, output: ReferenceOutput) -> list[Keyed]:
        """Orders whose profile changed, to every slot of their shard: what was announced must be again.

        Windows over operations live in one slot, and leave it when they hear that their order has ended.
        """
        whole = self.window.kind == "operation"
        concerned = pl.concat([output.touched, output.ended]) if whole else output.touched
        if not concerned.height:
            return []
        orders = output.orders.join(concerned, on=["plant", "order_id"], how="semi")
        return [
            (
                f"{number:03d}:{slot:03d}",
                ReferenceOutput(rows, touched=output.touched.join(rows, on=["plant", "order_id"], how="semi")),
            )
            for number, rows in split(orders, self._shards(orders))
            for slot in ([0] if whole else range(self.ring))
        ]

    def slots_due(self, before: int, now: int) -> list[str]:
        """Slots in which a window may have ended between two watermarks (microseconds)."""
        if now <= before:
            return []
        slots = self._slots_between(before, now)
        return [f"{shard:03d}:{slot:03d}" for shard in range(self.shards) for slot in slots]

    def _slots_between(self, before: int, now: int) -> Sequence[int]:
        if self.window.kind == "operation":
            return [0]
        if self.window.kind == "duration":
            first, last = before // self.window.micros, now // self.window.micros
            return [index % self.ring for index in range(max(first, last - self.ring), last)]
        return range(self.ring) if self._next_end(before) <= now else []

    def _next_end(self, after: int) -> int:
        """Next instant at which a shift or day of any plant changes, microseconds; kept until it passes."""
        if after <= NO_PROGRESS:
            return after
        since, until = self._ends.get("", (0, -1))
        if not since <= after < until:
            # The plant "" stands for those that have no calendar but the default.
            plants = pl.DataFrame({"plant": ["", *{record["plant"] for record in self.calendar.records()}]})
            known = plants.filter(~self.calendar.unknown(plants))["plant"]
            cuts = [self.calendar.boundaries(plant, after + 1, after + 3 * DAY) for plant in known]
            until = min((int(found[0]) for found in cuts if len(found)), default=FAR)
            self._ends[""] = (after, until)
        return until

    def holders(self) -> list[str]:
        """Keys that hold documents back until they are durable."""
        timelines = [f"w{number:03d}" for number in range(self.work_center_shards)]
        return timelines + [self._shard_key(number) for number in range(self.shards)]

    def shard_of(self, slot_key: str) -> str:
        """Key of the order shard that a slot belongs to."""
        return "s" + slot_key.partition(":")[0]

    @staticmethod
    def _shard_key(number: int) -> str:
        return f"s{number:03d}"

    @staticmethod
    def is_timeline(keyed: Keyed) -> bool:
        """Whether a key is a shard of work centres."""
        return keyed[0][0] == "w"

    @staticmethod
    def is_shard(keyed: Keyed) -> bool:
        """Whether a key is a shard of orders."""
        return keyed[0][0] == "s"

    @staticmethod
    def is_slot(keyed: Keyed) -> bool:
        """Whether a key is a slot."""
        return keyed[0][0].isdigit()


def split(frame: pl.DataFrame, place: npt.NDArray[np.int64]) -> list[tuple[int, pl.DataFrame]]:
    """Rows by place, a number from 0 on: one gather of the frame, then slices, since a gather each would cost most."""
    if not len(place):
        return []
    if (place == place[0]).all():
        return [(int(place[0]), frame)]
    order = np.argsort(place.astype(np.uint16) if place.max() < 1 << 16 else place, kind="stable")
    ordered = place[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]).tolist()
    rows = frame[order]
    ends = [*starts[1:], frame.height]
    return [(int(ordered[at]), rows.slice(at, end - at)) for at, end in zip(starts, ends, strict=True)]
