"""One simulated work centre: setup, cycles, stops, breaks, and how its controller tells of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from random import Random

from sandbox.plant_event import Event, Record, instant, milliseconds
from sandbox.plant_layout import REGISTER, SCRAP_REASONS, STOP_REASONS, Counter, WorkCenter
from sandbox.plant_orders import Job
from sandbox.plant_terminal import Terminal

MINUTE = 60_000


@dataclass(frozen=True, slots=True)
class Day:
    """The simulated day.

    Args:
        start: Begin.
        end: When every machine is switched off, whatever it is doing.
        breaks: Starts of the shift breaks.
        scale: Events per machine hour, as a multiple of the plain plant's.
        pace: Share of the usual minutes that setups and stops take (shorter days have shorter ones).
    """

    start: datetime
    end: datetime
    breaks: Sequence[datetime]
    scale: float
    pace: float


class Machine:
    """A work centre that performs one job after another until the simulated day ends.

    It keeps the truth while it goes: each stretch of time and each piece is added to the job that it
    belongs to at the moment it happens.

    Args:
        center: What it is and how it counts.
        day: When it runs.
        rng: Its own random numbers, so that one machine's day does not depend on another's.
        emit: Takes each event; times of one machine rise strictly.
    """

    def __init__(self, center: WorkCenter, day: Day, rng: Random, emit: Callable[[Event], None]) -> None:
        self.center, self.rng, self._send = center, rng, emit
        self.now, self.end = milliseconds(day.start), milliseconds(day.end)
        self._breaks = [milliseconds(time) for time in day.breaks]
        self._pace = day.pace
        self._interval = center.interval_s * 1000 / day.scale
        self._job: Job | None = None
        self._state = "OFF"
        self._good, self._scrap, self._rework = self._first_reading(), 0, 0
        self._made = 0
        self._after_reset = False
        self._next_stop = self._next_down = 0
        self._terminal = Terminal(center, rng, emit)

    @property
    def time(self) -> datetime:
        """Its present."""
        return instant(self.now)

    @property
    def closing(self) -> bool:
        """Too late in the day to begin a job."""
        return self.now > self.end - 20 * MINUTE * self._pace

    def idle_until(self, time: datetime) -> None:
        """Wait, without a job, until the order's previous operation is done."""
        self._pass(max(0, milliseconds(time) - self.now))

    def perform(self, job: Job) -> None:
        """Set up, produce until the job's quantity is made or the day ends, and tell of the end."""
        self._pass(self._between(0.5, 2))
        self._begin(job)
        self._pass(self._between(6, 18))
        self._tell_state("PRODUCTION")
        self._next_stop = self.now + self._between(5, 20)
        self._next_down = self.now + self._between(40, 200)
        while self._made < job.make and self.now < self.end - 2 * MINUTE:
            self._step(job)
        self._finish(job, done=self._made >= job.make)

    def switch_off(self) -> None:
        """The last event of the day."""
        self._pass(max(0, self.end - self.now))
        self._tell_state("OFF")

    # -- life of a job

    def _begin(self, job: Job) -> None:
        self._made = 0
        if self.center.counter is Counter.RESET:
            self._reset()
        if self.center.knows_orders:
            self._tell_state("SETUP", "START", job)
        else:
            self._tell_state("SETUP")
            self._pass(self.rng.randrange(400, 4000))
            self._tell_job("START", job)
        self._job = job
        self._terminal.begin(job, self.now)
        if self.center.counter is not Counter.DELTA:
            self._tell_cycle(0, 0, 0, None)

    def _finish(self, job: Job, *, done: bool) -> None:
        """END where the quantity is made, else PAUSE: the job goes on another day."""
        self._pass(self.rng.randrange(1500, 9000))
        completed = done and not job.truth.auto_final
        job.truth.completed |= completed
        self._leave(job, "END" if done else "PAUSE", completed=completed)
        self._terminal.finish(job, self.now + self.rng.randrange(20_000, 50_000), completed=completed)

    def _leave(self, job: Job, event: str, *, completed: bool = False) -> None:
        if self.center.knows_orders:
            self._tell_state("PLANNED_DOWN", event, job, completed=completed)
            self._job = None
            return
        self._tell_job(event, job, completed=completed)
        self._job = None
        self._pass(self.rng.randrange(400, 4000))
        self._tell_state("PLANNED_DOWN")

    def _take_break(self, job: Job) -> None:
        self._breaks.pop(0)
        self._leave(job, "PAUSE")
        self._pass(30 * MINUTE + self.rng.randrange(MINUTE))
        if self.center.knows_orders:
            self._tell_state("PRODUCTION", "RESUME", job)
        else:
            self._tell_state("PRODUCTION")
            self._pass(self.rng.randrange(400, 4000))
            self._tell_job("RESUME", job)
        self._job = job

    # -- producing

    def _step(self, job: Job) -> None:
        """One cycle, or what interrupts it."""
        while self._breaks and self._breaks[0] < self.now - 30 * MINUTE:
            self._breaks.pop(0)
        if self._breaks and self._breaks[0] <= self.now:
            self._take_break(job)
        elif self.now >= self._next_stop:
            self._interrupt("DELAY", self.rng.randrange(4_000, 45_000))
            self._next_stop = self.now + self._between(5, 25)
        elif self.now >= self._next_down:
            self._interrupt("DOWN", self._between(2, 14))
            self._next_down = self.now + self._between(60, 240)
            if self.center.counter is Counter.RESET:
                self._reset()
        else:
            self._pass(round(self._interval * self.rng.uniform(0.8, 1.2)))
            self._cycle(job)
        self._terminal.report_if_due(job, self.now)

    def _interrupt(self, state: str, duration: int) -> None:
        self._tell_state(state, reason=self.rng.choice(STOP_REASONS))
        self._pass(duration)
        self._tell_state("PRODUCTION")

    def _cycle(self, job: Job) -> None:
        """Make pieces; the first reading after a reset shows few: it is never above the one before."""
        good, scrap, rework, reason = self.rng.choice((1, 2, 2, 3)), 0, 0, None
        if not self._after_reset:
            scrap = self.rng.choices((0, 1, 2), (95, 4, 1))[0]
            rework = self.rng.choices((0, 1), (98, 2))[0]
            reason = self.rng.choice(SCRAP_REASONS) if scrap else None
        self._after_reset = False
        self._made += good
        self._terminal.watch(good, scrap, rework, reason)
        pieces = job.article.pieces((good, scrap, rework), self.center.unit)
        job.truth.counts["MACHINE"].add(pieces, reason)
        self._tell_cycle(good, scrap, rework, reason)

    def _first_reading(self) -> int:
        """A register close to its end, so that it rolls over within the day."""
        return REGISTER - self.rng.randrange(300, 900) if self.center.counter is Counter.ROLLOVER else 0

    def _reset(self) -> None:
        """Power loss: every counter at zero. Left out where too little was counted to see it in a reading."""
        if self._good > 50:
            self._good = self._scrap = self._rework = 0
            self._after_reset = True

    # -- time and telling

    def _between(self, low: float, high: float) -> int:
        """Minutes, drawn, as milliseconds."""
        return round(self.rng.uniform(low, high) * MINUTE * self._pace)

    def _pass(self, duration: int) -> None:
        """Let time go by and add it to the job that runs."""
        self.now += duration
        if self._job is None:
            return
        seconds = Decimal(duration) / 1000
        self._terminal.time(self._state, seconds)
        times = self._job.truth.times["MACHINE"]
        if self._state == "PRODUCTION":
            times.machine += seconds
        elif self._state == "SETUP":
            times.setup += seconds

    def _emit(self, contract: str, source: str, fields: Record) -> None:
        self._pass(1)
        fields["work_center"] = self.center.name
        self._send(Event(self.time, contract, source, fields))

    def _tell_state(
        self,
        state: str,
        job_event: str = "NONE",
        job: Job | None = None,
        *,
        completed: bool = False,
        reason: str | None = None,
    ) -> None:
        self._emit("MachineState", self.center.name, _state(state, job_event, job, completed, reason))
        self._state = state

    def _tell_job(self, job_event: str, job: Job, *, completed: bool = False) -> None:
        self._emit("MachineState", self.center.mes, _state("UNCHANGED", job_event, job, completed, None))

    def _tell_cycle(self, good: int, scrap: int, rework: int, reason: str | None) -> None:
        delta = self.center.counter is Counter.DELTA
        if not delta:
            self._good, self._scrap, self._rework = (
                self._good + good,
                self._scrap + scrap,
                self._rework + rework,
            )
            if self.center.counter is Counter.ROLLOVER:
                self._good %= REGISTER
            good, scrap, rework = self._good, self._scrap, self._rework
        named = self._job if self.center.knows_orders else None
        fields = {
            "order_id": named and named.order_id,
            "operation": named and named.operation,
            "counting": "DELTA" if delta else "CUMULATIVE",
            "counter": None,
            "reading_event": None,
            "quantity_good": Decimal(good),
            "quantity_scrap": Decimal(scrap),
            "quantity_rework": Decimal(rework),
            "scrap_reason": reason,
            "unit": self.center.unit,
        }
        self._emit("MachineCycle", self.center.name, fields)


def _state(state: str, job_event: str, job: Job | None, completed: bool, reason: str | None) -> Record:
    return {
        "state": state,
        "job_event": job_event,
        "order_id": job and job.order_id,
        "operation": job and job.operation,
        "completed": completed,
        "reason": reason,
    }
