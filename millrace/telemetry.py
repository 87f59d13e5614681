"""Logs: structured, one line per batch at most, to standard error. docs/logs.md tells how to read them."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import TracebackType

import stamina.instrumentation
import structlog

from millrace.redact import redact

#: What comes again and again while another system is down is told once in so many seconds.
REPEAT_AFTER_S = 60.0
REPEATING = frozenset({f"{system}_unavailable" for system in ("ledger", "broker", "registry", "disk", "object_store")})
#: Characters of one text in a line; other systems' words may be of any length.
LONGEST = 2_000
_about: dict[str, object] = {}


def speak_as(**fields: object) -> None:
    """What every line of this process says from now on, such as the flow's name and the process's number."""
    _about.update(fields)


def configure_logging() -> None:
    """JSON lines, or readable ones on a terminal, without secrets.

    `MILLRACE_LOG` is the least level (info); `MILLRACE_LOG_FORMAT` is `json` or `text`, else the terminal decides.
    """
    level = getattr(logging, os.environ.get("MILLRACE_LOG", "info").upper(), logging.INFO)
    wanted = os.environ.get("MILLRACE_LOG_FORMAT", "text" if sys.stderr.isatty() else "json")
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if wanted == "text" else structlog.processors.JSONRenderer()
    )
    stamina.instrumentation.set_on_retry_hooks([])  # a wait is told by who waits, in our words
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            once_in_a_while(),
            with_context,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            without_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Standard error is looked up at each line: who embeds a flow may have put another in its place.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    _redact_what_nobody_caught()


def without_secrets(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The last step before a log line is written: no secrets, no texts without end."""
    return {name: _cut(redact.all_in(value)) for name, value in event.items()}


def with_context(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Whose line it is, and what its cause was tagged with; null where it is about many or the cause had no tag."""
    return {**_about, "correlation_id": None, **event}


def once_in_a_while(clock: Callable[[], float] = time.monotonic) -> structlog.typing.Processor:
    """A step that drops a repeating line until a while has passed, and then says how many were dropped."""
    told: dict[tuple[object, object], tuple[float, int]] = {}

    def step(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if event["event"] not in REPEATING:
            return event
        key, now = (event["event"], event.get("system")), clock()
        at, dropped = told.get(key, (-REPEAT_AFTER_S, 0))
        if now - at < REPEAT_AFTER_S:
            told[key] = (at, dropped + 1)
            raise structlog.DropEvent
        told[key] = (now, 0)
        return {**event, "repeated": dropped} if dropped else event

    return step


def _cut(value: object) -> object:
    return value[:LONGEST] if isinstance(value, str) else value


def _redact_what_nobody_caught() -> None:
    """Tracebacks of the process, of threads' and of other packages' loggers hold the texts of errors."""

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))

    sys.excepthook = show
    threading.excepthook = lambda args: show(args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback)
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Redacting())


class _Redacting(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
