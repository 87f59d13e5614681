"""Logs: structured, one line per batch at most, to standard error."""

from __future__ import annotations

import logging
import os
import sys

import structlog


def configure_logging() -> None:
    """JSON lines, or readable ones on a terminal; level by `MILLRACE_LOG` (info)."""
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
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Standard error is looked up at each line: who embeds a flow may have put another in its place.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
