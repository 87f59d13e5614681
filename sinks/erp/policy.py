"""How to go on, sorted once for all connectors: by exception, by HTTP status, and how long to wait."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import UTC, datetime

from millrace.errors import Misconfigured
from millrace.redact import redact
from sinks.erp.auth import TokenUnavailable
from sinks.erp.connector import Answer, Kind, Verdict
from sinks.erp.retry_after import retry_after
from sinks.erp.wire import NotReachable

#: Characters of what an ERP says that are kept.
_LONGEST_DETAIL = 2000


def backoff(failures: int, base: float, cap: float, chance: float) -> float:
    """Seconds before the next attempt after `failures` in a row: exponential, capped, the upper half random.

    Args:
        failures: Failures so far, from 1.
        base: Seconds after the first.
        cap: Upper bound in seconds.
        chance: Random number in [0, 1).
    """
    ceiling = min(cap, base * 2.0 ** min(failures - 1, 60))
    return ceiling * (0.5 + 0.5 * chance)


def of_exception(error: Exception) -> Verdict:
    """What a failed exchange means."""
    detail = f"{type(error).__name__}: {error}"
    if isinstance(error, Misconfigured):
        return Verdict(Kind.MISCONFIGURED, reason="credentials", detail=str(error))
    if isinstance(error, TokenUnavailable):
        return Verdict(Kind.RETRY, None, "no_token", str(error), retry_after=error.retry_after, outage=True)
    if is_certificate_error(error):  # an expired one is renewed one day; until then nothing is sent
        return Verdict(Kind.RETRY, reason="certificate", detail=detail, outage=True)
    if isinstance(error, NotReachable):
        return Verdict(Kind.RETRY, reason="not_reachable", detail=detail, outage=True)
    return Verdict(Kind.UNKNOWN, reason="no_answer", detail=detail, outage=True)


def is_certificate_error(error: BaseException | None) -> bool:
    """Whether the other side's certificate was not accepted, which is before anything is sent."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def presentable(verdict: Verdict) -> Verdict:
    """The verdict as it may be stored, logged and shown: an answer may repeat credentials, and at any length."""

    def bounded(text: str | None, most: int) -> str | None:
        return None if text is None else redact(text)[:most]

    return replace(
        verdict,
        erp_document=bounded(verdict.erp_document, 200),
        reason=bounded(verdict.reason, 100),
        detail=bounded(verdict.detail, _LONGEST_DETAIL) or "",
    )


def of_status(answer: Answer, now: datetime | None = None) -> Verdict | None:
    """What the HTTP status alone says; None where the connector has to read the answer.

    A 5xx or 408 may come from a gateway that gave up while the ERP went on to book, so it is not simply sent
    again.
    """
    status = answer.status
    if status == 429:
        wait = retry_after(answer, now or datetime.now(UTC))
        return Verdict(Kind.RETRY, reason="throttled", detail="HTTP 429", retry_after=wait)
    if status == 408 or status >= 500:
        wait = retry_after(answer, now or datetime.now(UTC))
        detail = f"HTTP {status}"
        return Verdict(Kind.UNKNOWN, reason="outage", detail=detail, retry_after=wait, outage=True)
    if status == 401:
        return Verdict(Kind.MISCONFIGURED, reason="credentials", detail="HTTP 401: credentials refused")
    if status < 200 or 300 <= status < 400:
        where = answer.headers.get("location", "")
        return Verdict(Kind.MISCONFIGURED, reason="redirect", detail=f"HTTP {status} to {where!r}")
    return None
