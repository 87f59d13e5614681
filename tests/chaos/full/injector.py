"""Brings one fault after the other about, and measures how long it takes until everything goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from tests.chaos.full.faults import Fault

#: Quiet between two faults, seconds.
GAP_S = (0.5, 2.0)
#: A fault that lasts longer, or something that stands still for longer after its end, fails the run.
PATIENCE_S = 180.0


@dataclass(frozen=True, slots=True)
class Incident:
    """A fault that happened.

    Args:
        name: Row of the table.
        begun: Wall clock, microseconds.
        ended: When everything went on again.
        recovery: Seconds from the fault's end to then.
    """

    name: str
    begun: int
    ended: int
    recovery: float


class NotRecovered(RuntimeError):
    """After a fault had ended something did not go on."""


class Injector:
    """One fault at a time; deaths go on meanwhile.

    Args:
        plan: What to bring about, in this order.
        mark: Returns a question that is answered with True once everything has gone on since it was made.
        rng: Chooses the gaps.
        say: Takes progress lines.
    """

    def __init__(
        self,
        plan: Sequence[Fault],
        mark: Callable[[], Callable[[], bool]],
        rng: Random,
        say: Callable[[str], None],
    ) -> None:
        self._plan, self._mark, self._rng, self._say = list(plan), mark, rng, say
        self.planned = len(self._plan)
        self.incidents: list[Incident] = []
        self.kills = 0
        self._now: Fault | None = None
        self._begun, self._begun_at = 0.0, 0
        self._ended: float | None = None
        self._goes_on: Callable[[], bool] = lambda: True
        self._next = time.monotonic() + rng.uniform(*GAP_S)

    @property
    def over(self) -> bool:
        """All faults are over and got over."""
        return not self._plan and self._now is None

    @property
    def quiet(self) -> bool:
        """No fault is on."""
        return self._now is None

    @property
    def doing(self) -> str:
        """What is on."""
        return "" if self._now is None else f"{self._now.name}{' (over)' if self._ended else ''}"

    def tick(self) -> None:
        """Begin, end or tick off a fault when it is time.

        Raises:
            NotRecovered: Too long after its end something stood still.
        """
        now = time.monotonic()
        if self._now is None:
            if self._plan and now >= self._next:
                self._begin(self._plan.pop(0))
        elif self._ended is None:
            if self._now.is_over(now - self._begun):
                self._end(self._now)
            elif now - self._begun > PATIENCE_S:
                raise NotRecovered(f"{self._now.name}: not over after {PATIENCE_S:.0f} s")
        elif self._goes_on():
            self._tick_off(self._now, now - self._ended)
        elif now - self._ended > PATIENCE_S:
            raise NotRecovered(f"{self._now.name}: {PATIENCE_S:.0f} s after its end not everything goes on")

    def _begin(self, fault: Fault) -> None:
        self._now, self._ended = fault, None
        self._begun, self._begun_at = time.monotonic(), time.time_ns() // 1000
        fault.begin()

    def _end(self, fault: Fault) -> None:
        fault.end()
        self.kills += fault.kills
        self._ended, self._goes_on = time.monotonic(), self._mark()

    def _tick_off(self, fault: Fault, recovery: float) -> None:
        lasted = (self._ended or 0.0) - self._begun
        self._say(f"        {fault.name}: {lasted:.1f} s, recovered after {recovery:.1f} s")
        self.incidents.append(Incident(fault.name, self._begun_at, time.time_ns() // 1000, recovery))
        self._now = None
        self._next = time.monotonic() + self._rng.uniform(*GAP_S)
