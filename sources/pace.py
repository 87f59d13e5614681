"""When the partitions of a source are polled: all at the same instants, or at once while there is a backlog."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

SHORTEST_S = 0.02


@dataclass(frozen=True, slots=True)
class Pace:
    """The rhythm of a flow's epochs.

    Each activation of a source ends an epoch for all of its partitions. So they wake together, at multiples of the
    wall clock, in every process of a cluster: an epoch can't end before all have begun it.

    Args:
        seconds: Between two polls of a source that has read everything.
    """

    seconds: float

    @property
    def gather(self) -> float:
        """Seconds for which a partition with a backlog may read on within an epoch."""
        return max(self.seconds, SHORTEST_S) / 2

    def next_tick(self) -> datetime:
        """The next instant at which to poll."""
        seconds = max(self.seconds, SHORTEST_S)
        return datetime.fromtimestamp((time.time() // seconds + 1) * seconds, UTC)
