"""Waiting for a system that is down: as long as it takes, unless the flow is being drained."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import stamina

from millrace.shutdown import draining

T = TypeVar("T")


def patiently(call: Callable[[], T], down: tuple[type[Exception], ...]) -> T:
    """Call until it no longer raises one of `down`; the call must be safe to repeat.

    While the flow is drained the error is raised instead: the epoch stays open and is read again at the next start.
    """

    def again(error: Exception) -> bool:
        return isinstance(error, down) and not draining.is_set()

    for attempt in stamina.retry_context(
        on=again, attempts=None, timeout=None, wait_initial=0.1, wait_max=5.0, wait_jitter=0.5
    ):
        with attempt:
            return call()
    raise AssertionError("an endless retry has ended")  # pragma: no cover - unlimited attempts return or raise
