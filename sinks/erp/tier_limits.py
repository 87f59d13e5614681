"""What each tier may take of one system: slots, rate and retries. A backlog of one never fills them for another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from millrace.ledger.claims import TIERS
from millrace.ledger.model import Step
from sinks.erp.limits import TokenBucket
from sinks.erp.settings import SystemSettings

#: Longest that a retry budget puts an attempt off, in seconds.
LONGEST_RETRY_WAIT = 300.0


@dataclass
class RetryBudget:
    """Repeated attempts per minute; what goes beyond is put off, never given up.

    Args:
        per_minute: Attempts; as many may come at once after a quiet minute.
        clock: Monotonic seconds.
    """

    per_minute: float
    clock: Callable[[], float]
    _tokens: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens = self.per_minute
        self._at = self.clock()

    def wait(self) -> float:
        """Take one attempt; seconds until it may be made."""
        now, rate = self.clock(), self.per_minute / 60
        self._tokens = min(self.per_minute, self._tokens + (now - self._at) * rate)
        self._at = now
        floor = 1 - LONGEST_RETRY_WAIT * rate
        self._tokens = max(floor, self._tokens) - 1
        return max(0.0, -self._tokens / rate)


class TierLimits:
    """Slots and rate of one system, shared out to the tiers.

    Args:
        settings: The system.
        clock: Monotonic seconds.
    """

    def __init__(self, settings: SystemSettings, clock: Callable[[], float]) -> None:
        self._slots = {tier: _slots(settings, tier) for tier in TIERS}
        self._buckets = {tier: _bucket(settings, tier, clock) for tier in TIERS}
        self._budgets = {tier: RetryBudget(settings.tiers.of(tier).retries_per_minute, clock) for tier in TIERS}

    def rooms(self, running: Iterable[Step], most: int) -> dict[int, int]:
        """By tier: how many steps of it and the less urgent ones may start now, `most` altogether."""
        busy = Counter(step.tier for step in running)
        rooms = {}
        for tier in TIERS:
            free = self._slots[tier] - sum(count for other, count in busy.items() if other >= tier)
            rooms[tier] = max(0, self._buckets[tier].available(min(free, most)))
        return rooms

    def spend(self, steps: Sequence[Step]) -> None:
        """Steps were started: each counts for its tier and for the more urgent ones, whose rate it uses up."""
        for tier in TIERS:
            self._buckets[tier].spend(sum(step.tier >= tier for step in steps))

    def retry_wait(self, tier: int) -> float:
        """Seconds until one more repeated attempt of a tier is within its budget."""
        return self._budgets[min(max(tier, TIERS[0]), TIERS[-1])].wait()


def _slots(settings: SystemSettings, tier: int) -> int:
    return max(1, int(settings.concurrency * settings.tiers.of(tier).share))


def _bucket(settings: SystemSettings, tier: int, clock: Callable[[], float]) -> TokenBucket:
    share = settings.tiers.of(tier).share
    rate = None if settings.rate is None else settings.rate * share
    return TokenBucket(rate, max(1, int(settings.burst * share)), clock)


__all__ = ["LONGEST_RETRY_WAIT", "RetryBudget", "TierLimits"]
