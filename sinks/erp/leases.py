"""A poster's own view of its leases: what it holds, for how long, and whether there is time left to send."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from millrace.errors import Retriable
from millrace.ledger.clock import ticks
from millrace.ledger.model import Step

Lane = tuple[str, str]  # plant, order
Claim = tuple[str, str, int]  # plant, order, fence


class LeaseEnded(Retriable):
    """The claim on an order does not last long enough to send: nothing was sent."""


@dataclass
class HeldLeases:
    """Leases by the poster's own ticks, counted from before the ledger was asked: they end here first.

    A request is sent only while the lease lasts for another `margin`, the time within which its exchange ends. So
    whoever takes the order over later finds no request of ours that is still to come.

    Args:
        seconds: How long a lease lasts in the ledger.
        margin: Longest time that one exchange takes, in seconds.
        clock: Ticks in seconds.
    """

    seconds: float
    margin: float
    clock: Callable[[], float] = ticks
    _ends: dict[Claim, float] = field(default_factory=dict)

    @property
    def heartbeat_seconds(self) -> float:
        """How often to extend: often enough that one heartbeat may fail before sending has to stop."""
        return max(0.05, (self.seconds - self.margin) / 3)

    def taken(self, steps: Iterable[Step], asked_at: float) -> None:
        """Steps were claimed; the ledger was asked at `asked_at`."""
        self._ends.update({_claim(step): asked_at + self.seconds for step in steps})

    def extended(self, asked_at: float, asked_for: Collection[Lane], kept: Collection[Lane]) -> set[Lane]:
        """The ledger answered a heartbeat. Returns the lanes that were lost; what has ended stays so."""
        lost = set(asked_for) - set(kept)
        now = self.clock()
        for claim, ends in list(self._ends.items()):
            lane = claim[:2]
            if lane in lost or ends <= now:
                del self._ends[claim]
            elif lane in asked_for:
                self._ends[claim] = asked_at + self.seconds
        return lost

    def given_back(self, steps: Iterable[Step]) -> None:
        """Outcomes were written: the lanes are free."""
        for step in steps:
            self._ends.pop(_claim(step), None)

    def lanes(self) -> set[Lane]:
        """What is held, as far as the poster knows."""
        return {claim[:2] for claim in self._ends}

    def may_send(self, step: Step) -> bool:
        """Whether a request that is sent now ends before the lease."""
        ends = self._ends.get(_claim(step))
        return ends is not None and ends - self.clock() > self.margin


def _claim(step: Step) -> Claim:
    return (step.plant, step.order_id, step.fence)


__all__ = ["HeldLeases", "LeaseEnded"]
