"""The plant's day at the pace of the test: as much of it is sent as deaths have happened."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from datetime import timedelta

from millrace.errors import MillraceError
from sandbox.demo_feed import STEP_S, Feed
from sandbox.plant import Plant


class PacedFeed(Feed):
    """Sends the share of the day that `share` says, on a thread of its own.

    Args:
        plant: The day.
        bootstrap: Address of the broker.
        share: From 0 to 1.
    """

    def __init__(self, plant: Plant, bootstrap: str, share: Callable[[], float]) -> None:
        super().__init__(plant, bootstrap, seconds=1.0)
        self._share = share

    def run(self) -> None:
        """Send the day; an error is kept for the main thread."""
        try:
            while self._next < len(self._emissions) and not self._halt.wait(STEP_S):
                share = self._share()
                self.reached = share * self.plant_seconds
                until = self._start + timedelta(seconds=self.reached)
                self._send(bisect_right(self._times, until) if share < 1 else len(self._times))
            self._outlet.flush()
        except (MillraceError, BufferError) as error:
            self.failed = str(error)
