"""How a life of a process ends: killed at a random moment, or at the n-th hit of a named fail point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from millrace.failpoints import VARIABLE

#: Share of the deaths that are to happen at a fail point.
AT_POINT = 0.7


@dataclass(frozen=True, slots=True)
class Dying:
    """How one kind of process may die.

    Args:
        points: Fail points that it meets, each with the most hits that may pass before it kills.
        awake: What its log says when it has started.
        moments: Bounds of a random moment, seconds after that.
        patience: Seconds after that when it is killed from outside, its fail point not met.
    """

    points: Mapping[str, int]
    awake: bytes
    moments: tuple[float, float]
    patience: float


FLOW = Dying(
    points={
        "lane.before_snapshot": 8,
        "lane.after_snapshot": 8,
        "reference.before_snapshot": 8,
        "history.before_rename": 15,
        "history.after_rename": 15,
        "history.before_remove": 1,
        "ledger.before_write": 15,
        "ledger.between_writes": 15,
        "ledger.after_write": 15,
    },
    awake=b"flow_started",
    # From before it has resumed until after several snapshots.
    moments=(0.0, 6.0),
    patience=12.0,
)
POSTER = Dying(
    points={
        "poster.before_mark": 4,
        "poster.after_mark": 4,
        "poster.before_answer": 10,
        "poster.after_answer": 10,
        "poster.before_outcome": 4,
        "poster.after_outcome": 4,
    },
    awake=b"poster_started",
    moments=(0.0, 8.0),
    patience=12.0,
)
MOVEMENTS = Dying(points={}, awake=b"movements_started", moments=(0.0, 8.0), patience=12.0)
ERP = Dying(
    points={"erp.before_booking": 15, "erp.after_booking": 15},
    awake=b"",
    moments=(4.0, 20.0),
    patience=25.0,
)


@dataclass(frozen=True, slots=True)
class Fate:
    """The end of one life.

    Args:
        after: Seconds after it is awake when it is killed from outside.
        point: Fail point that may kill it earlier.
        hits: At which hit.
    """

    after: float
    point: str | None = None
    hits: int = 1

    @property
    def env(self) -> dict[str, str]:
        """What the process is started with."""
        return {VARIABLE: f"{self.point}@{self.hits}"} if self.point else {}


class Fates:
    """Deals out exactly so many deaths and counts how each came about.

    While `is_ahead` says so none is dealt; who lives without a fate may be given one later (`deal_late`).

    Args:
        kills: How many.
        rng: Chooses.
    """

    def __init__(self, kills: int, rng: Random) -> None:
        self.kills, self._rng = kills, rng
        self._dealt = 0
        self._tried: Counter[str] = Counter()
        self.is_ahead: Callable[[], bool] = lambda: False
        self.at_random = 0
        self.at_points: Counter[str] = Counter()
        self.by_process: Counter[str] = Counter()

    @property
    def done(self) -> int:
        """Deaths so far."""
        return self.by_process.total()

    @property
    def over(self) -> bool:
        """All have died who were to die."""
        return self.done == self.kills

    def deal(self, dying: Dying) -> Fate | None:
        """The next fate; None when no more are to be dealt."""
        if self._dealt == self.kills or self.is_ahead():
            return None
        self._dealt += 1
        if not dying.points or self._rng.random() >= AT_POINT:
            return Fate(self._rng.uniform(*dying.moments))
        point = self._least_tried(list(dying.points))
        return Fate(dying.patience, point, self._rng.randint(1, dying.points[point]))

    def deal_late(self, dying: Dying, awake: float) -> Fate | None:
        """A random moment for a life that goes on for so many seconds already."""
        if self._dealt == self.kills or self.is_ahead():
            return None
        self._dealt += 1
        return Fate(awake + self._rng.uniform(*dying.moments))

    def _least_tried(self, points: list[str]) -> str:
        """One of those that came up least so far, so that few kills meet many points."""
        fewest = min(self._tried[point] for point in points)
        point = self._rng.choice([point for point in points if self._tried[point] == fewest])
        self._tried[point] += 1
        return point

    def take_back(self) -> None:
        """A fate that was dealt did not come about; it is dealt again."""
        self._dealt -= 1

    def died(self, process: str, point: str | None) -> None:
        """Count a death."""
        self.by_process[process] += 1
        if point is None:
            self.at_random += 1
        else:
            self.at_points[point] += 1
