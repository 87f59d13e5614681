"""What a run looks like from outside, and when it goes on again after a fault."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from millrace.ledger.ledger import LEDGER_DOWN
from tests.chaos.outside import Outside

_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at the ledger.

    Args:
        sent: Records that the broker took.
        read: Records that the flow has counted as read.
        booked: Postings that the ERPs have confirmed.
        unfinished: Documents that are still to be booked.
    """

    sent: int
    read: int
    booked: int
    unfinished: int

    def goes_on_since(self, before: Seen) -> bool:
        """The flow has read on and a poster has booked on, as far as there was anything to do."""
        reads = self.read > before.read or self.read == self.sent
        return reads and (self.booked > before.booked or not self.unfinished)


class Watch:
    """Looks at the ledger every now and then; a ledger that is down shows nothing new.

    Args:
        outside: Asks the ledger.
    """

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._looked = 0.0
        self.seen = Seen(0, 0, 0, 0)

    def look(self) -> Seen | None:
        """What there is to see now; None when the ledger is down or it was looked at just before."""
        if time.monotonic() - self._looked < _EVERY_S:
            return None
        self._looked = time.monotonic()
        try:
            outside = self._outside
            self.seen = Seen(outside.sent(), outside.read(), outside.booked(), outside.unfinished())
        except LEDGER_DOWN:
            return None
        return self.seen

    def mark(self) -> Callable[[], bool]:
        """A question: has everything gone on since now?"""
        before: list[Seen] = []

        def goes_on() -> bool:
            now = self.look()
            if now is None:
                return False
            if not before:
                before.append(now)
            return now.goes_on_since(before[0])

        return goes_on


class Stopwatch:
    """How long a killed process needs until it says that it has started again.

    Args:
        kind: Row of the table.
        deaths: Deaths so far by process.
        awake: Seconds since a process has started; 0 before it says so.
    """

    def __init__(self, kind: str, deaths: Callable[[], int], awake: Callable[[], float]) -> None:
        self.kind, self._deaths, self._awake = kind, deaths, awake
        self._counted = 0
        self._died: float | None = None
        self.seconds: list[float] = []

    def tick(self) -> None:
        """Call often."""
        if self._deaths() > self._counted:
            self._counted = self._deaths()
            self._died = self._died or time.monotonic()
        elif self._died is not None and self._awake() > 0:
            self.seconds.append(time.monotonic() - self._died)
            self._died = None
