"""Metrics of the spool between a flow and the object store of its history."""

from __future__ import annotations

from millrace.metrics.definition import counter, gauge

GROUP = "Flows"

BYTES = gauge(
    GROUP,
    "millrace_history_spool_bytes",
    ("flow", "lane"),
    "bytes",
    "Files of the history that wait on the local disk for the object store.",
)
FILES = gauge(
    GROUP,
    "millrace_history_spool_files",
    ("flow", "lane"),
    "files",
    "The same, in files; while the store is up, a handful.",
)
LIMIT = gauge(
    GROUP,
    "millrace_history_spool_limit_bytes",
    ("flow",),
    "bytes",
    "Bytes that the spools of the process may hold together (`history_spool_mb`); at the limit the flow stops reading.",
)
UPLOADS = counter(
    GROUP, "millrace_history_uploads_total", ("flow",), "files", "Files of the history that the object store has taken."
)
