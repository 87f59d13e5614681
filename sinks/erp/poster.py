"""The poster of one ERP system: claims steps, lets the driver work on many orders at a time, writes outcomes.

Guarantee: every step is durably in flight before it is sent, and its outcome is durable before the next step
of its order is claimed. A crash at any point leaves steps in flight, which whoever takes the order over takes for
unknown and asks for. Several replicas may serve one system: a claim is a lease, kept up by a heartbeat; nothing is
sent that might outlast it, and an outcome that comes after it is not written. An outage of the ERP or of the
ledger is waited for, however long it lasts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog

from millrace import failpoints
from millrace.errors import Misconfigured
from millrace.health import health
from millrace.ledger import Ledger, Status
from millrace.ledger.compensation import moves_to_current_period
from millrace.ledger.difference import PostingRules
from millrace.ledger.ledger import LEDGER_DOWN
from millrace.ledger.model import Outcome, Step
from millrace.ledger.short_stock import waits_for_stock
from sinks.erp.connector import Connector, Kind
from sinks.erp.driver import Attempt, Driver
from sinks.erp.leases import HeldLeases
from sinks.erp.limits import Breaker, RejectGuard
from sinks.erp.metrics import PosterMetrics
from sinks.erp.reports import Reports, stopped
from sinks.erp.settings import SystemSettings
from sinks.erp.tier_limits import LONGEST_RETRY_WAIT, TierLimits

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]
log = structlog.get_logger("millrace.post")


@dataclass(slots=True)
class Counts:
    """What a poster has done since its start; `by_kind` counts verdicts, `lost` outcomes that came after a lease."""

    booked: int = 0
    rejected: int = 0
    attempts: int = 0
    lost: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)

    def add(self, attempt: Attempt) -> None:
        """Count an attempt."""
        kind = attempt.verdict.kind.value
        self.attempts += 1
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1
        self.booked += attempt.outcome.status is Status.BOOKED
        self.rejected += attempt.outcome.status is Status.REJECTED


class Poster:
    """Books what is due for one system until told to stop.

    Args:
        ledger: Where work comes from and outcomes go.
        driver: Makes one attempt at one step.
        connector: Tells planning how to round and split.
        settings: The system.
        leases: What this replica holds; the driver asks it before it sends.
        poll_seconds: How often to look for new work when idle.
        clock: Monotonic seconds.
        ledger_retry_seconds: Wait between attempts while the ledger is down.
        rules: What planning must know about the system; without it, what the connector says.
    """

    def __init__(
        self,
        ledger: Ledger,
        driver: Driver,
        connector: Connector,
        settings: SystemSettings,
        *,
        leases: HeldLeases | None = None,
        poll_seconds: float = 0.05,
        clock: Callable[[], float] = time.monotonic,
        ledger_retry_seconds: float = 1.0,
        rules: PostingRules | None = None,
    ) -> None:
        self._ledger = ledger
        self._driver = driver
        self._settings = settings
        self._rules = rules or PostingRules(connector.quantum, connector.split)
        self._poll = poll_seconds
        self._ledger_retry = ledger_retry_seconds
        self._clock = clock
        self._leases = leases or HeldLeases(60 + 2 * settings.answer_timeout, settings.answer_timeout)
        self._tiers = TierLimits(settings, clock)
        self._breaker = Breaker(settings.breaker_threshold, settings.breaker_cool_off, settings.backoff_cap, clock)
        self._guard = RejectGuard(settings.reject_window, settings.reject_share)
        self._metrics = PosterMetrics(settings, self._breaker)
        self._reports = Reports(ledger, settings, clock, self._rules.dependencies)
        self._running: dict[asyncio.Task[Attempt], Step] = {}
        self._stop_reason: str | None = None
        self.counts = Counts()

    async def run(self, stop: asyncio.Event) -> None:
        """Post until `stop` is set, finishing what is in flight.

        Raises:
            Misconfigured: Every posting would fail alike, or most documents are rejected; nothing is lost.
        """
        await self._with_ledger(lambda: self._ledger.recover(self._settings.name))
        heartbeat = asyncio.create_task(self._keep_leases())
        try:
            while not self._stopping(stop):
                await self._round(stop)
            await self._drain()
            self._reports.say_moved()
        finally:
            heartbeat.cancel()
        if heartbeat.done() and not heartbeat.cancelled():
            heartbeat.result()  # what ended it is an error of this program
        await self._raise_stopped()

    async def _round(self, stop: asyncio.Event) -> None:
        health.turned(self._settings.name)
        claimed = await self._claim()
        if not self._running:
            await sleep_or_stop(self._poll, stop)
        elif not claimed:
            await asyncio.wait(self._running, timeout=self._poll, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(0)
        await self._record_finished()
        if self._reports.are_due():
            await self._with_ledger(self._reports.write)

    async def run_once(self) -> int:
        """Claim what may be claimed now, wait for all of it, record it. Returns the number of steps."""
        claimed = await self._claim()
        await self._drain()
        self._reports.say_moved()
        await self._raise_stopped()
        return claimed

    async def _raise_stopped(self) -> None:
        if self._stop_reason is None:
            return
        alert = stopped(self._settings.name, self._stop_reason, self._ledger.now())
        await self._with_ledger(lambda: self._ledger.put_alerts([alert]))
        raise Misconfigured(f"system {self._settings.name!r}: {self._stop_reason}")

    def _stopping(self, stop: asyncio.Event) -> bool:
        return stop.is_set() or self._stop_reason is not None

    async def _claim(self) -> int:
        """Start as many steps as concurrency, tiers, rate limit and breaker allow. Returns how many."""
        free = self._settings.concurrency - len(self._running)
        rooms = self._tiers.rooms(self._running.values(), self._breaker.allowance(free, len(self._running)))
        if not any(rooms.values()):
            return 0
        due = await self._with_ledger(lambda: self._ledger.due_tiers(self._settings.name))
        if not any(rooms[tier] for tier in due):
            return 0
        failpoints.hit("poster.before_mark")
        asked_at = self._leases.clock()
        steps = await self._claim_steps(rooms, due)
        failpoints.hit("poster.after_mark")
        self._leases.taken(steps, asked_at)
        self._tiers.spend(steps)
        self._running.update({asyncio.create_task(self._driver.attempt(step)): step for step in steps})
        self._metrics.started(len(steps), len(self._running))
        return len(steps)

    async def _claim_steps(self, rooms: dict[int, int], due: Sequence[int]) -> list[Step]:
        name = self._settings.name
        try:
            return await asyncio.to_thread(self._ledger.claim, name, rooms, self._rules, due)
        except LEDGER_DOWN as error:
            # The marks may have been written all the same. Nothing of them was sent, but only a look-up may
            # say so.
            log.warning("ledger_unavailable", system=name, error=str(error))
            await self._drain()
            await self._with_ledger(lambda: self._ledger.recover(name))
            return []

    async def _drain(self) -> None:
        if self._running:
            await asyncio.wait(self._running)
        await self._record_finished()

    async def _record_finished(self) -> None:
        """Write the outcomes of all attempts that have ended, in one transaction."""
        finished = [task for task in self._running if task.done()]
        if not finished:
            return
        attempts = [task.result() for task in finished]
        failpoints.hit("poster.before_outcome")
        outcomes = [self._within_budget(attempt.outcome) for attempt in attempts]
        lost = await self._with_ledger(lambda: self._ledger.record_outcomes(outcomes))
        failpoints.hit("poster.after_outcome")
        self._leases.given_back(self._running.pop(task) for task in finished)
        self._report_lost(lost)
        self._metrics.recorded(outcomes, len(lost), len(self._running))
        for attempt in attempts:
            self._learn(attempt)

    def _within_budget(self, outcome: Outcome) -> Outcome:
        """Put a repeated attempt off where its tier has used up its retries."""
        if not outcome.failed or outcome.next_attempt_at is None:
            return outcome
        earliest = self._ledger.now() + int(self._tiers.retry_wait(outcome.step.tier) * 1e6)
        return replace(outcome, next_attempt_at=max(outcome.next_attempt_at, earliest))

    def _report_lost(self, lost: Sequence[Outcome]) -> None:
        """Somebody else has taken these orders over and finds out by itself what became of them."""
        self.counts.lost += len(lost)
        if lost:
            step, outcome = lost[0].step, lost[0].status
            told = {"count": len(lost), "first": step.external_reference, "outcome": outcome}
            log.warning("claim_lost", system=step.system, correlation_id=step.correlation_id, **told)

    async def _keep_leases(self) -> None:
        """Heartbeat: extend what is held, take note of what is lost, and free what waits in vain."""
        settings = self._settings
        waits = (settings.retry_after_cap, settings.backoff_cap, settings.accepted_poll, settings.settle_seconds)
        longest = max(*waits, LONGEST_RETRY_WAIT) + 60
        while True:
            await asyncio.sleep(self._leases.heartbeat_seconds)
            held, asked_at = self._leases.lanes(), self._leases.clock()
            try:
                kept = await asyncio.to_thread(self._ledger.extend_leases, settings.name, held) if held else set()
                await asyncio.to_thread(self._ledger.mend, settings.name, longest)
            except LEDGER_DOWN as error:
                log.warning("heartbeat_missed", system=settings.name, error=str(error))
                continue
            if lost := self._leases.extended(asked_at, held, kept):
                log.warning("leases_lost", system=settings.name, orders=len(lost))

    def _learn(self, attempt: Attempt) -> None:
        """What an answer says about the system rather than about its document."""
        verdict, status = attempt.verdict, attempt.outcome.status
        self.counts.add(attempt)
        if verdict.outage:
            self._note_outage(attempt)
        else:
            self._breaker.succeeded()
        if verdict.retry_after is not None and verdict.reason != "settling":
            self._breaker.pause(min(verdict.retry_after, self._settings.retry_after_cap))
        if moves_to_current_period(attempt.outcome):
            self._reports.moved_to_current_period(attempt.outcome.step)
        elif status in (Status.BOOKED, Status.REJECTED) and not waits_for_stock(attempt.outcome):
            self._guard.add(status is Status.REJECTED)
        if verdict.kind is Kind.MISCONFIGURED:
            self._stop_reason = verdict.detail
        elif self._guard.tripped:
            self._stop_reason = f"most of the latest documents were rejected, the last with: {verdict.detail}"

    def _note_outage(self, attempt: Attempt) -> None:
        was_open = self._breaker.is_open
        self._breaker.failed()
        if self._breaker.is_open and not was_open:
            log.warning("erp_down", system=self._settings.name, detail=attempt.verdict.detail)

    async def _with_ledger(self, call: Callable[[], T]) -> T:
        """A call that may be repeated, made until the ledger answers."""
        while True:
            try:
                answer = await asyncio.to_thread(call)
            except LEDGER_DOWN as error:
                health.waits("ledger")
                log.warning("ledger_unavailable", system=self._settings.name, error=str(error))
                await asyncio.sleep(self._ledger_retry)
            else:
                health.goes_on("ledger")
                return answer


async def sleep_or_stop(seconds: float, stop: asyncio.Event) -> None:
    """Sleep, but no longer than until `stop` is set."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
