"""Sends the simulated plant's records to the broker, faster than real time, in the order of their arrival."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter

from millrace.errors import MillraceError
from sandbox.demo_outlet import Outlet
from sandbox.plant import Emission, Plant
from sandbox.plant_layout import TOPICS

STEP_S = 0.05
CYCLES = TOPICS["MachineCycle"]
#: Simulated seconds that one second takes once the plant's day is over.
EVENING = 300.0


class Feed(threading.Thread):
    """The plant's way to the broker; a thread, so that nothing else of the demo holds it up.

    `opening` sends what the ERP tells before the day begins, `start` begins the day. `sent` counts by topic
    what the broker took, `hours` are those with cycles, `reached` is how many seconds of the day are over,
    `failed` is what ended it.

    Args:
        plant: The day.
        bootstrap: Address of the broker.
        seconds: Wall-clock seconds that the day takes.
        more: Further records of the day.
    """

    def __init__(self, plant: Plant, bootstrap: str, seconds: float, more: Sequence[Emission] = ()) -> None:
        super().__init__(name="feed", daemon=True)
        self._emissions: Sequence[Emission] = sorted([*plant.stream(), *more], key=attrgetter("at"))
        self._times = [emission.at for emission in self._emissions]
        self._start, self._seconds = plant.start, seconds
        self.plant_seconds = max((self._times[-1] - plant.start).total_seconds(), 1.0)
        self._outlet = Outlet(bootstrap)
        self._next, self._begun = 0, 0.0
        self._halt = threading.Event()
        self.hours: set[int] = set()
        self.reached = 0.0
        self.failed: str | None = None

    @property
    def sent(self) -> Counter[str]:
        """Records that the broker took, by topic."""
        return self._outlet.sent

    @property
    def error(self) -> str | None:
        """What went wrong; None for nothing."""
        return self.failed or self._outlet.error

    @property
    def done(self) -> bool:
        """Everything was taken by the broker."""
        return self._next == len(self._emissions) and not self.is_alive()

    def clock(self) -> datetime:
        """The plant's present; after its day time goes by more slowly."""
        if not self._begun:
            return self._start
        passed = time.monotonic() - self._begun
        day = min(passed / self._seconds, 1.0) * self.plant_seconds
        return self._start + timedelta(seconds=day + max(passed - self._seconds, 0.0) * EVENING)

    def opening(self) -> None:
        """Send everything that arrives before the day begins, and wait for the broker."""
        self._send(bisect_left(self._times, self._start))
        self._outlet.flush()

    def run(self) -> None:
        """Send the day; an error is kept for the main thread."""
        self._begun = time.monotonic()
        try:
            while self._next < len(self._emissions) and not self._halt.wait(STEP_S):
                passed = (time.monotonic() - self._begun) / self._seconds
                self.reached = min(passed, 1.0) * self.plant_seconds
                until = datetime.fromtimestamp(self._start.timestamp() + self.reached, UTC)
                self._send(bisect_right(self._times, until) if passed < 1 else len(self._times))
            self._outlet.flush()
        except (MillraceError, BufferError) as error:
            self.failed = str(error)

    def halt(self) -> None:
        """Send nothing more."""
        self._halt.set()

    def _send(self, until: int) -> None:
        due, self._next = self._emissions[self._next : until], until
        for emission in due:
            if emission.topic == CYCLES and emission.fault is None and isinstance(emission.body, Mapping):
                self.hours.add(int(emission.body["event_time"].timestamp()) // 3600)
        self._outlet.send(due)
