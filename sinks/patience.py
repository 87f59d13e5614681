"""Waiting for a system that is down: as long as it takes, unless the flow is being drained."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import stamina
import structlog

from millrace.health import health
from millrace.shutdown import draining

T = TypeVar("T")
log = structlog.get_logger("millrace.sink")


def patiently(call: Callable[[], T], down: tuple[type[Exception], ...], waits_for: str = "ledger") -> T:
    """Call until it no longer raises one of `down`; the call must be safe to repeat.

    Probes and metrics are told that `waits_for` is waited for, so that an outage is not taken for a stall.
    While the flow is drained the error is raised instead: the epoch stays open and is read again at the next start.
    """
    event = f"{waits_for}_unavailable"

    def again(error: Exception) -> bool:
        if not isinstance(error, down) or draining.is_set():
            return False
        health.waits(waits_for)
        log.warning(event, error=str(error))
        return True

    try:
        for attempt in stamina.retry_context(
            on=again, attempts=None, timeout=None, wait_initial=0.1, wait_max=5.0, wait_jitter=0.5
        ):
            with attempt:
                return call()
    finally:
        health.goes_on(waits_for)
    raise AssertionError("an endless retry has ended")  # pragma: no cover - unlimited attempts return or raise
