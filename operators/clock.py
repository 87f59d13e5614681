"""Event time of a whole flow: the minimum over all partitions, moved by data only.

The watermark closes windows; for it a silent partition follows the wall clock, so that a machine that
stands still neither holds the plant nor keeps its last window open; being wrong costs one more revision.
The frontier drops state, and being wrong there would lose a total. So it waits for every partition, and
follows the progress as of the last snapshot: a tick may overtake rows of its own epoch, never those of
the epoch before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from operators.lane import LaneOutput
from operators.screen import NO_PROGRESS


@dataclass(frozen=True, slots=True)
class Tick:
    """Where event time stands; microseconds.

    Args:
        watermark: Windows that end at or before it are due.
        frontier: Windows that end at or before it leave the state.
    """

    watermark: int
    frontier: int


@dataclass(slots=True)
class Clock:
    """Progress of all lanes.

    Args:
        lanes: Lanes that must have been heard before any time passes.
        lateness: Microseconds that the watermark stays behind the slowest partition.
        horizon: Correction horizon, microseconds.
    """

    lanes: Sequence[str]
    lateness: int
    horizon: int
    _progress: dict[str, dict[str, int]] = field(default_factory=dict)
    _idle: dict[str, dict[str, int]] = field(default_factory=dict)
    _settled: dict[str, int] = field(default_factory=dict)
    _last: Tick = Tick(NO_PROGRESS, NO_PROGRESS)

    def heard(self, output: LaneOutput) -> None:
        """Take a lane's progress."""
        self._progress[output.lane] = output.progress
        self._idle[output.lane] = output.idle

    def tick(self) -> Tick:
        """Where event time stands now; it never goes back."""
        if not all(lane in self._progress for lane in self.lanes):
            return self._last
        every = self._every()
        silent = {place: floor for lane in self._idle.values() for place, floor in lane.items()}
        slowest = min((max(at, silent.get(place, at)) for place, at in every.items()), default=NO_PROGRESS)
        settled = min(self._settled.values(), default=NO_PROGRESS)
        self._last = Tick(
            max(self._last.watermark, slowest - self.lateness),
            max(self._last.frontier, settled - self.horizon - self.lateness),
        )
        return self._last

    def _every(self) -> dict[str, int]:
        return {place: at for lane in self._progress.values() for place, at in lane.items()}

    def snapshot(self) -> dict[str, Any]:
        """Plain values; what was heard so far is settled, once all lanes were."""
        if all(lane in self._progress for lane in self.lanes):
            self._settled = self._every()
        return {
            "progress": {lane: dict(places) for lane, places in self._progress.items()},
            "last": (self._last.watermark, self._last.frontier),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot; idle partitions must be declared again."""
        self._progress = {lane: dict(places) for lane, places in state["progress"].items()}
        self._settled = self._every() if all(lane in self._progress for lane in self.lanes) else {}
        self._last = Tick(*state["last"])
