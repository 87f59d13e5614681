"""The poster of one ERP system: claims steps, lets the driver work on many orders at a time, writes outcomes.

Guarantee: every step is durably in flight before it is sent, and its outcome is durable before the next step
of its order is claimed. A crash at any point leaves steps in flight, which the next start takes for unknown
and asks for. An outage of the ERP or of the ledger is waited for, however long it lasts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from millrace import failpoints
from millrace.errors import Misconfigured
from millrace.ledger import Ledger, Status, queries
from millrace.ledger.compensation import moves_to_current_period
from millrace.ledger.difference import PostingRules
from millrace.ledger.ledger import LEDGER_DOWN, now_micros
from millrace.ledger.model import Step
from sinks.erp.connector import Connector, Kind
from sinks.erp.driver import Attempt, Driver
from sinks.erp.limits import Breaker, RejectGuard, TokenBucket
from sinks.erp.settings import SystemSettings

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]
log = structlog.get_logger("millrace.post")


@dataclass(slots=True)
class Counts:
    """What a poster has done since its start; `by_kind` counts verdicts."""

    booked: int = 0
    rejected: int = 0
    attempts: int = 0
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
        self._bucket = TokenBucket(settings.rate, settings.burst, clock)
        self._breaker = Breaker(settings.breaker_threshold, settings.breaker_cool_off, settings.backoff_cap, clock)
        self._guard = RejectGuard(settings.reject_window, settings.reject_share)
        self._running: set[asyncio.Task[Attempt]] = set()
        self._stop_reason: str | None = None
        self._next_report = clock()
        self.counts = Counts()

    async def run(self, stop: asyncio.Event) -> None:
        """Post until `stop` is set, finishing what is in flight.

        Raises:
            Misconfigured: Every posting would fail alike, or most documents are rejected; nothing is lost.
        """
        await self._with_ledger(lambda: self._ledger.recover(self._settings.name))
        while not self._stopping(stop):
            claimed = await self._claim()
            if not self._running:
                await _sleep_or_stop(self._poll, stop)
            elif not claimed:
                await asyncio.wait(self._running, timeout=self._poll, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(0)
            await self._record_finished()
            await self._report_overdue()
        await self._drain()
        if self._stop_reason:
            raise Misconfigured(f"system {self._settings.name!r}: {self._stop_reason}")

    async def run_once(self) -> int:
        """Claim what may be claimed now, wait for all of it, record it. Returns the number of steps."""
        claimed = await self._claim()
        await self._drain()
        if self._stop_reason:
            raise Misconfigured(f"system {self._settings.name!r}: {self._stop_reason}")
        return claimed

    def _stopping(self, stop: asyncio.Event) -> bool:
        return stop.is_set() or self._stop_reason is not None

    async def _claim(self) -> int:
        """Start as many steps as concurrency, rate limit and breaker allow. Returns how many."""
        free = self._settings.concurrency - len(self._running)
        allowed = self._bucket.available(self._breaker.allowance(free, len(self._running)))
        if allowed <= 0 or not await self._with_ledger(lambda: self._ledger.due_tiers(self._settings.name)):
            return 0
        failpoints.hit("poster.before_mark")
        steps = await self._claim_steps(allowed)
        failpoints.hit("poster.after_mark")
        self._bucket.spend(len(steps))
        self._running.update(asyncio.create_task(self._driver.attempt(step)) for step in steps)
        return len(steps)

    async def _claim_steps(self, limit: int) -> list[Step]:
        name = self._settings.name
        try:
            return await asyncio.to_thread(self._ledger.claim, name, limit, self._rules)
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
        outcomes = [attempt.outcome for attempt in attempts]
        await self._with_ledger(lambda: self._ledger.record_outcomes(outcomes))
        failpoints.hit("poster.after_outcome")
        self._running.difference_update(finished)
        for attempt in attempts:
            self._learn(attempt)

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
            log.warning("closed_period", system=self._settings.name, document=attempt.outcome.step.document_key)
        elif status in (Status.BOOKED, Status.REJECTED):
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

    async def _report_overdue(self) -> None:
        """An old posting is an alert, never a reason to give it up."""
        if self._clock() < self._next_report:
            return
        self._next_report = self._clock() + 60
        before = now_micros() - int(self._settings.overdue_after * 1e6)
        name = self._settings.name
        count = await self._with_ledger(
            lambda: self._ledger.ask(lambda connection: queries.overdue(connection, name, before))
        )
        if count:
            log.warning("postings_overdue", system=name, count=count)

    async def _with_ledger(self, call: Callable[[], T]) -> T:
        """A call that may be repeated, made until the ledger answers."""
        while True:
            try:
                return await asyncio.to_thread(call)
            except LEDGER_DOWN as error:
                log.warning("ledger_unavailable", system=self._settings.name, error=str(error))
                await asyncio.sleep(self._ledger_retry)


async def _sleep_or_stop(seconds: float, stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
