"""One attempt at one step: send it, or ask what became of it. The same for every connector.

Guarantee: a step that may have been booked is never sent again before the ERP has answered that it holds
nothing under the step's reference, at a time when it can no longer be busy with the earlier request.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import InvalidOperation

from millrace.errors import Misconfigured, Rejected
from millrace.ledger.ledger import now_micros
from millrace.ledger.model import Action, Outcome, Status, Step
from sinks.erp import chain, policy
from sinks.erp.auth import TokenUnavailable
from sinks.erp.channel import Channel
from sinks.erp.connector import Answer, Connector, Kind, Next, Request, Verdict
from sinks.erp.description import described
from sinks.erp.leases import LeaseEnded
from sinks.erp.settings import SystemSettings
from sinks.erp.wire import BrokenExchange

_STATUS = {
    Kind.BOOKED: Status.BOOKED,
    Kind.ACCEPTED: Status.ACCEPTED,
    Kind.RETRY: Status.PENDING,
    Kind.RENEW: Status.PENDING,
    Kind.ABSENT: Status.PENDING,
    Kind.UNKNOWN: Status.UNKNOWN,
    Kind.CONTINUE: Status.UNKNOWN,
    Kind.REJECTED: Status.REJECTED,
    Kind.MISCONFIGURED: Status.PENDING,
}
_NO_ANSWER = (BrokenExchange, TimeoutError, OSError, TokenUnavailable, Misconfigured)
#: What reading an answer of the wrong shape runs into.
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of an attempt: what the ledger writes, and what the poster goes by."""

    outcome: Outcome
    verdict: Verdict


class Driver:
    """Books steps through a connector.

    Args:
        connector: Builds requests and reads answers.
        channel: Carries them.
        settings: The system.
        clock: Microseconds UTC, the ledger's clock.
        chance: Random numbers in [0, 1) for the backoff.
        may_send: Whether the claim on a step lasts long enough to send it.
        lookup_before_resend: Off only in the negative control that shows what the look-up is good for.
    """

    def __init__(
        self,
        connector: Connector,
        channel: Channel,
        settings: SystemSettings,
        *,
        clock: Callable[[], int] = now_micros,
        chance: Callable[[], float] = random.random,
        may_send: Callable[[Step], bool] = lambda step: True,  # noqa: ARG005
        lookup_before_resend: bool = True,
    ) -> None:
        self._connector = connector
        self._channel = channel
        self._settings = settings
        self._clock = clock
        self._chance = chance
        self._may_send = may_send
        self._lookup_before_resend = lookup_before_resend
        self._session: Mapping[str, str] | None = None
        self._session_lock = asyncio.Lock()
        self._described = False
        #: When a request really left, by external reference: a token or session may have taken its time before.
        self._left_at: dict[str, int] = {}

    async def attempt(self, step: Step) -> Attempt:
        """Work on a claimed step once. Never raises for what an ERP or a network can do."""
        asked = step.status is not Status.PENDING and self._lookup_before_resend
        first = await (self._look_up(step) if asked else self._send(step))
        verdict = policy.presentable(await chain.follow(first, lambda following: self._post(step, following)))
        outcome = self._outcome(step, verdict)
        if outcome.status is not Status.UNKNOWN:
            self._left_at.pop(step.external_reference, None)
        return Attempt(outcome, verdict)

    async def _send(self, step: Step) -> Verdict:
        if refused := await self._describe():
            return refused
        try:
            request = self._request(step if step.sent_at else replace(step, sent_at=self._clock()))
        except Rejected as error:
            return Verdict(Kind.REJECTED, reason=error.reason, detail=error.detail)
        if request is None:
            return Verdict(Kind.REJECTED, reason="no_reversal", detail="the ERP offers no reversal")
        first = Next(request, lambda answer: self._connector.classify(step, answer))
        verdict = await self._post(step, first)
        return await self._post(step, first) if verdict.kind is Kind.RENEW else verdict

    async def _describe(self) -> Verdict | None:
        """Let the connector know what the service takes; None where it does, else why nothing was sent."""
        if self._described:
            return None
        async with self._session_lock:
            if not self._described:  # no other task was faster
                told = await described(self._connector, self._exchange, self._settings.name)
                if isinstance(told, Verdict):
                    return _nothing_was_sent(told)
                self._connector, self._described = told, True
            return None

    def _request(self, step: Step) -> Request | None:
        try:
            build = self._connector.build if step.action is Action.BOOK else self._connector.reverse
            return build(step)
        except (ValueError, KeyError, TypeError, InvalidOperation) as error:
            raise Rejected("cannot_be_built", f"{type(error).__name__}: {error}") from error

    async def _post(self, step: Step, following: Next) -> Verdict:
        """One exchange in an open session; a session that ran out is forgotten, the next call renews it."""
        session = self._session
        if session is None:
            opened = await self._open_session()
            if isinstance(opened, Verdict):
                return opened
            session = opened
        request, only_asks = following.request, following.request.method == "GET"
        sending = (lambda: None) if only_asks else (lambda: self._leaves(step))
        verdict = await self._exchange(request, session, following.read, sending)
        if verdict.kind is Kind.RENEW and self._session is session:
            self._session = None
        return _nothing_was_sent(verdict) if only_asks else verdict

    def _leaves(self, step: Step) -> None:
        """Called at the last moment before a request of the step is sent."""
        if not self._may_send(step):
            raise LeaseEnded("not sent: the claim on the order ends too soon")
        self._left_at[step.external_reference] = self._clock()

    async def _open_session(self) -> Mapping[str, str] | Verdict:
        async with self._session_lock:
            if self._session is not None:  # another task was faster
                return self._session
            request = self._connector.session()
            if request is None:
                self._session = {}
                return self._session
            headers: list[Mapping[str, str]] = []
            verdict = await self._exchange(request, {}, lambda answer: self._read_session(answer, headers))
            if not headers:
                return _nothing_was_sent(verdict)
            self._session = headers[0]
            return self._session

    def _read_session(self, answer: Answer, into: list[Mapping[str, str]]) -> Verdict:
        if answer.status in (403, 404):
            detail = f"HTTP {answer.status} when opening a session: service, permission or address is wrong"
            return Verdict(Kind.MISCONFIGURED, reason=f"http_{answer.status}", detail=detail)
        headers = self._connector.session_headers(answer)
        if headers is None:
            return Verdict(Kind.RETRY, reason="no_session", detail="answer opens no session", outage=True)
        into.append(headers)
        return Verdict(Kind.ABSENT)

    async def _look_up(self, step: Step) -> Verdict:
        request = self._connector.lookup(step)
        if request is None:
            detail = "the ERP cannot be asked whether it has booked this: a person has to look"
            return Verdict(Kind.UNKNOWN, reason="cannot_be_asked", detail=detail)
        verdict = await self._exchange(request, {}, lambda answer: self._read_lookup(step, answer))
        if verdict.kind is Kind.RETRY:  # the question was not put: what became of the step is as unknown as before
            return Verdict(Kind.UNKNOWN, None, verdict.reason, verdict.detail, verdict.retry_after, verdict.outage)
        if verdict.kind is Kind.ABSENT and (wait := self._unsettled_seconds(step)) > 0:
            detail = "not found, but the request may still be under way"
            return Verdict(Kind.UNKNOWN, reason="settling", detail=detail, retry_after=wait)
        return verdict

    def _read_lookup(self, step: Step, answer: Answer) -> Verdict:
        if answer.status in (403, 404):
            detail = f"HTTP {answer.status} on look-up: service, permission or address is wrong"
            return Verdict(Kind.MISCONFIGURED, reason=f"http_{answer.status}", detail=detail)
        if answer.status >= 400:
            detail = f"HTTP {answer.status} on look-up"
            return Verdict(Kind.UNKNOWN, reason="lookup_refused", detail=detail)
        return self._connector.read_lookup(step, answer)

    def _unsettled_seconds(self, step: Step) -> float:
        """Seconds until a look-up that finds nothing may be believed."""
        left_at = max(step.sent_at or 0, self._left_at.get(step.external_reference, 0))
        since = (self._clock() - left_at) / 1e6
        return self._settings.settle_seconds - since

    async def _exchange(
        self,
        request: Request,
        session: Mapping[str, str],
        read: Callable[[Answer], Verdict],
        sending: Callable[[], None] = lambda: None,
    ) -> Verdict:
        try:
            answer = await self._channel.exchange(request, session, sending)
        except Rejected as error:
            return Verdict(Kind.REJECTED, reason=error.reason, detail=error.detail)
        except LeaseEnded as error:
            return Verdict(Kind.RETRY, reason="lease_ended", detail=str(error))
        except _NO_ANSWER as error:
            return policy.of_exception(error)
        try:
            return policy.of_status(answer) or read(answer)
        except _UNREADABLE as error:
            return Verdict(Kind.UNKNOWN, reason="unreadable", detail=f"{type(error).__name__}: {error}")

    def _outcome(self, step: Step, verdict: Verdict) -> Outcome:
        status = _STATUS[verdict.kind]
        if verdict.reason == "cannot_be_asked":
            status = Status.PARKED
        if verdict.kind is Kind.MISCONFIGURED and step.status is not Status.PENDING:
            status = step.status  # a refused look-up has proved nothing
        if verdict.begun and status is Status.PENDING:
            status = Status.UNKNOWN
        wait, failed = self._wait(step, verdict)
        return Outcome(
            step,
            status,
            erp_document=verdict.erp_document,
            reason=verdict.reason,
            detail=verdict.detail,
            next_attempt_at=None if wait is None else self._clock() + int(wait * 1e6),
            failed=failed,
        )

    def _wait(self, step: Step, verdict: Verdict) -> tuple[float | None, bool]:
        """Seconds to wait, and whether the attempt counts as a failure for the next backoff."""
        if verdict.kind is Kind.ACCEPTED:
            return self._settings.accepted_poll if verdict.wait is None else verdict.wait, False
        if verdict.kind in (Kind.BOOKED, Kind.ABSENT, Kind.REJECTED, Kind.MISCONFIGURED):
            return None, False
        if verdict.retry_after is not None:
            return min(verdict.retry_after, self._settings.retry_after_cap), True
        settings = self._settings
        return policy.backoff(step.failures + 1, settings.backoff_base, settings.backoff_cap, self._chance()), True


def _nothing_was_sent(verdict: Verdict) -> Verdict:
    """Whatever became of a request that opens a session or only asks, it has booked nothing."""
    if verdict.kind is Kind.UNKNOWN:
        return replace(verdict, kind=Kind.RETRY)
    return verdict
