"""Logs: structured, one line per batch at most, to standard error."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from types import TracebackType

import structlog

from millrace.redact import redact


def configure_logging() -> None:
    """JSON lines, or readable ones on a terminal, without secrets; level by `MILLRACE_LOG` (info)."""
    level = getattr(logging, os.environ.get("MILLRACE_LOG", "info").upper(), logging.INFO)
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
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
    """The last step before a log line is written."""
    return {name: redact.all_in(value) for name, value in event.items()}


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
