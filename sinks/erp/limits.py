"""What protects an ERP from us: rate limit, circuit breaker, and a stop when most documents are rejected."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

Clock = Callable[[], float]


@dataclass
class TokenBucket:
    """Requests per second with a burst.

    Args:
        rate: Tokens per second; None means no limit.
        burst: Most tokens that are saved up.
        clock: Monotonic seconds.
    """

    rate: float | None
    burst: int
    clock: Clock
    _tokens: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens = float(self.burst)
        self._at = self.clock()

    def available(self, wanted: int) -> int:
        """How many of the wanted requests may start now."""
        if self.rate is None:
            return wanted
        now = self.clock()
        self._tokens = min(float(self.burst), self._tokens + (now - self._at) * self.rate)
        self._at = now
        return min(wanted, int(self._tokens))

    def spend(self, requests: int) -> None:
        """Requests were started."""
        if self.rate is not None:
            self._tokens -= requests


@dataclass
class Breaker:
    """Stops calling a system that does not answer, then lets single probes through until one succeeds.

    Args:
        threshold: Outages in a row that open it.
        cool_off: Seconds before the first probe; doubles with each probe that fails.
        cool_off_cap: Upper bound of that.
        clock: Monotonic seconds.
    """

    threshold: int
    cool_off: float
    cool_off_cap: float
    clock: Clock
    _outages: int = 0
    _until: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the system is taken to be down."""
        return self._outages >= self.threshold

    def allowance(self, wanted: int, running: int) -> int:
        """How many of the wanted requests may start while `running` are under way."""
        if self.clock() < self._until:
            return 0
        if self.is_open:
            return 1 if running == 0 else 0
        return wanted

    def succeeded(self) -> None:
        """The system answered, whatever it said."""
        self._outages = 0

    def failed(self) -> None:
        """The system did not answer."""
        self._outages += 1
        if self.is_open:
            doubled = self.cool_off * 2.0 ** min(self._outages - self.threshold, 60)
            self._until = self.clock() + min(self.cool_off_cap, doubled)

    def pause(self, seconds: float) -> None:
        """The system asked to be left alone for a while (429 with Retry-After)."""
        self._until = max(self._until, self.clock() + seconds)


@dataclass
class RejectGuard:
    """Tells when most of the recent documents were rejected: then something else than the documents is wrong.

    Args:
        window: Number of latest documents that are looked at; fewer decide nothing.
        share: Share of rejections above which to stop.
    """

    window: int
    share: float
    _latest: deque[bool] = field(init=False)

    def __post_init__(self) -> None:
        self._latest = deque(maxlen=self.window)

    def add(self, rejected: bool) -> None:
        """A document was rejected or booked."""
        self._latest.append(rejected)

    @property
    def tripped(self) -> bool:
        """Whether to stop."""
        return len(self._latest) == self.window and sum(self._latest) > self.share * self.window
