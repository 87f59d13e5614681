"""How fresh each topic of the history is, as its manifest tells."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl

from sinks.history.manifest import read_manifest
from sinks.history.places import Place
from sinks.history.zones import topics

_INSTANT = pl.Datetime("us", "UTC")
#: Columns with their unit and meaning.
FRESHNESS: dict[str, tuple[pl.DataType, str, str]] = {
    "topic": (pl.String(), "", "Topic."),
    "complete_up_to": (
        _INSTANT,
        "us",
        "Event time that every partition had reached, UTC: earlier events are there, unless late. Null: nobody knows.",
    ),
    "last_event_time": (_INSTANT, "us", "Newest event in a day file, UTC."),
    "rows": (pl.Int64(), "rows", "Rows in day files."),
    "files": (pl.Int64(), "files", "Day files."),
    "waiting_files": (pl.Int64(), "files", "Raw files that are in no day file."),
    "waiting_since": (pl.Date(), "DAY", "First UTC date of them."),
    "as_of": (_INSTANT, "us", "When the topic was compacted last, UTC; null: never."),
}


def freshness(root: Place) -> pl.DataFrame:
    """One row per topic, columns of FRESHNESS.

    Raises:
        Misconfigured: A manifest is not readable.
    """
    rows = [_row(topic, read_manifest(root, topic) or {}) for topic in topics(root)]
    return pl.DataFrame(rows, {name: kind for name, (kind, _, _) in FRESHNESS.items()}, orient="row")


def _row(topic: str, manifest: dict[str, Any]) -> tuple[Any, ...]:
    times = [_instant(manifest.get(name)) for name in ("complete_up_to", "last_event_time", "written_at")]
    since = manifest.get("waiting_since")
    counts = [manifest.get(name) for name in ("rows", "files", "waiting_files")]
    return (topic, times[0], times[1], *counts, since and datetime.fromisoformat(since).date(), times[2])


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
