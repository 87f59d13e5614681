"""The operators' terminal beside a work centre: reports of pieces and times, entered about once an hour."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random

from sandbox.plant_event import Event, instant
from sandbox.plant_layout import WorkCenter
from sandbox.plant_orders import Job

HOUR = 3_600_000


class Terminal:
    """What people count and write down; an alternative to the controller's count, never added to it.

    Args:
        center: The work centre beside it.
        rng: Random numbers of that work centre.
        emit: Takes each report.
    """

    def __init__(self, center: WorkCenter, rng: Random, emit: Callable[[Event], None]) -> None:
        self._center, self._rng, self._send = center, rng, emit
        self._reports = False
        self._due = 0
        self._good = self._scrap = self._rework = 0
        self._reason: str | None = None
        self._seconds: dict[str, Decimal] = {}

    def begin(self, job: Job, now: int) -> None:
        """A job starts. Operators report on it where its profile says so, and on some others all the same."""
        asked = "OPERATOR" in {job.truth.count_source, job.truth.time_source}
        self._reports = asked or self._rng.random() < 0.1
        self._due = now + self._rng.randrange(HOUR // 2, HOUR)
        self._clear()

    def watch(self, good: int, scrap: int, rework: int, reason: str | None) -> None:
        """Pieces leave the machine; people find a bad one now and then that the controller took for good."""
        overlooked = 1 if good > 1 and self._rng.random() < 0.01 else 0
        self._good += good - overlooked
        self._scrap += scrap + overlooked
        self._rework += rework
        self._reason = reason or self._reason

    def time(self, state: str, seconds: Decimal) -> None:
        """Time goes by in a state of the machine."""
        self._seconds[state] = self._seconds.get(state, Decimal(0)) + seconds

    def report_if_due(self, job: Job, now: int) -> None:
        """The hourly report."""
        if self._reports and now >= self._due:
            self._due = now + self._rng.randrange(HOUR * 3 // 4, HOUR)
            self._report(job, now, completed=False)

    def finish(self, job: Job, now: int, *, completed: bool) -> None:
        """The last report of a job, a little after its end."""
        if self._reports:
            self._report(job, now, completed=completed)

    def _clear(self) -> None:
        self._good = self._scrap = self._rework = 0
        self._reason = None
        self._seconds = {}

    def _report(self, job: Job, now: int, *, completed: bool) -> None:
        """Send what came together since the last report, in the order's unit and in whole minutes."""
        pieces = job.article.pieces((self._good, self._scrap, self._rework), self._center.unit)
        setup, machine = (_minutes(self._seconds.get(state)) for state in ("SETUP", "PRODUCTION"))
        labour = setup + machine + 60 * self._rng.randrange(4)
        job.truth.counts["OPERATOR"].add(pieces, self._reason)
        times = job.truth.times["OPERATOR"]
        times.setup, times.machine, times.labour = (
            times.setup + setup,
            times.machine + machine,
            times.labour + labour,
        )
        fields = {
            "work_center": self._center.name,
            "order_id": job.order_id,
            "operation": job.operation,
            "quantity_yield": pieces.good,
            "quantity_scrap": pieces.scrap,
            "quantity_rework": pieces.rework,
            "scrap_reason": self._reason if pieces.scrap else None,
            "unit": job.article.order_unit,
            "setup_time": setup,
            "machine_time": machine,
            "labour_time": labour,
            "completed": completed,
            "operator": f"P{self._rng.randrange(100, 130)}",
        }
        self._send(Event(instant(now), "OperationReport", self._center.terminal, fields))
        self._clear()


def _minutes(seconds: Decimal | None) -> Decimal:
    """Whole minutes, in seconds."""
    return Decimal(round((seconds or Decimal(0)) / 60) * 60)
