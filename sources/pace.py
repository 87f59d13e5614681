"""When the partitions of a source are polled, and how much of a backlog an epoch takes.

All are polled at the same instants, or at once while there is a backlog.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

SHORTEST_S = 0.02
#: An epoch of a backlog is cut so that it takes no longer, unless epochs without one are longer by themselves.
LONGEST_S = 5.0


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

    @property
    def longest(self) -> float:
        """Seconds that an epoch of a backlog may take."""
        return max(self.seconds, LONGEST_S)

    def next_tick(self) -> datetime:
        """The next instant at which to poll."""
        seconds = max(self.seconds, SHORTEST_S)
        return datetime.fromtimestamp((time.time() // seconds + 1) * seconds, UTC)


class Portion:
    """How long a partition with a backlog reads on within an epoch: as much as the flow soon has worked off.

    What was read is judged before the next snapshot and before the end of a drained flow. What that costs differs by
    orders of magnitude, between a record of consumption and the balances of a whole plant, and by what is known so far.
    So an epoch begins with a single poll, and grows for as long as the flow keeps up.

    Args:
        pace: The flow's.
        clock: Seconds.
    """

    def __init__(self, pace: Pace, clock: Callable[[], float] = time.monotonic) -> None:
        self._pace, self._clock = pace, clock
        self._seconds, self._until = 0.0, 0.0
        self._left_at: float | None = None

    def begin(self) -> None:
        """A new portion, by what became of the one before."""
        now = self._clock()
        if self._left_at is not None:
            took = now - self._left_at
            if took > self._pace.longest:
                self._seconds *= self._pace.longest / took
            elif took < self._pace.longest / 2:
                self._seconds = min(max(2 * self._seconds, SHORTEST_S), self._pace.gather)
        self._until = now + self._seconds

    def lasts(self) -> bool:
        """Whether to read on."""
        return self._clock() < self._until

    def end(self, *, backlog: bool) -> None:
        """The partition has read; without a backlog the time to its next turn says nothing."""
        self._left_at = self._clock() if backlog else None
