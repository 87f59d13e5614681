"""How fresh each topic of the history is: what its manifest tells, and what its raw files and flows tell beyond it.

Before the first compaction there is no manifest; then the raw zone says what waits, and a recovery store up to when it
is complete.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import polars as pl

from sinks.history.manifest import read_manifest
from sinks.history.places import Place
from sinks.history.reading import plan, read
from sinks.history.store import scan
from sinks.history.zones import topics

_INSTANT = pl.Datetime("us", "UTC")
#: Event time that a topic is complete up to, as the flows know it; None: they do not.
Reached = Callable[[str], datetime | None]
FROM_FLOWS, FROM_COMPACTION = "recovery store", "last compaction"
FROM_NOBODY, NO_EVENTS = "nobody: give --recovery", "there are no events yet"
#: Columns with their unit and meaning.
FRESHNESS: dict[str, tuple[pl.DataType, str, str]] = {
    "topic": (pl.String(), "", "Topic; null where the history has none yet."),
    "complete_up_to": (
        _INSTANT,
        "us",
        "Event time that every partition had reached, UTC: earlier events are there, unless late. Null: nobody knows.",
    ),
    "known_from": (
        pl.String(),
        "",
        f"Who knows that: `{FROM_FLOWS}` (of the flows, as of now), `{FROM_COMPACTION}`, `{FROM_NOBODY}`, "
        f"`{NO_EVENTS}`.",
    ),
    "last_event_time": (_INSTANT, "us", "Newest event in either zone, UTC."),
    "rows": (pl.Int64(), "rows", "Rows in day files."),
    "files": (pl.Int64(), "files", "Day files."),
    "waiting_files": (pl.Int64(), "files", "Raw files that are in no day file."),
    "waiting_since": (pl.Date(), "DAY", "First UTC date of them."),
    "as_of": (_INSTANT, "us", "When the topic was compacted last, UTC; null: never."),
}


def _nobody(_topic: str) -> datetime | None:
    return None


def freshness(root: Place, reached: Reached | None = None) -> pl.DataFrame:
    """One row per topic, columns of FRESHNESS; one row that says so where there is no topic yet.

    Args:
        root: Folder of the history.
        reached: What the flows know by topic, as of now.

    Raises:
        Misconfigured: A manifest or a raw file is not readable.
    """
    rows = [_row(root, topic, reached or _nobody) for topic in topics(root)]
    nothing = {**dict.fromkeys(FRESHNESS), "known_from": NO_EVENTS, "rows": 0, "files": 0, "waiting_files": 0}
    return pl.DataFrame(rows or [nothing], {name: kind for name, (kind, _, _) in FRESHNESS.items()})


def _row(root: Place, topic: str, reached: Reached) -> dict[str, Any]:
    manifest = read_manifest(root, topic) or {}
    by_flow, by_compaction = reached(topic), _instant(manifest.get("complete_up_to"))
    known_from = FROM_FLOWS if by_flow else FROM_COMPACTION if by_compaction else FROM_NOBODY
    dates = [date.fromisoformat(path.parent.name.removeprefix("date=")) for path in plan(root, topic).raw]
    newest = [_instant(manifest.get("last_event_time")), _newest(root, topic, max(dates)) if dates else None]
    return {
        "topic": topic,
        "complete_up_to": by_flow or by_compaction,
        "known_from": known_from,
        "last_event_time": max((each for each in newest if each is not None), default=None),
        "rows": manifest.get("rows", 0),
        "files": manifest.get("files", 0),
        "waiting_files": len(dates),
        "waiting_since": min(dates, default=None),
        "as_of": _instant(manifest.get("written_at")),
    }


def _newest(root: Place, topic: str, day: date) -> datetime | None:
    """Newest event of one day, so that a long raw zone costs no more than its last day."""

    def newest(files: list[Place]) -> datetime | None:
        times = [scan([path], hive_partitioning=False).select(pl.col("event_time").max()) for path in files]
        found = pl.concat(times).collect()["event_time"].max() if times else None
        return found if isinstance(found, datetime) else None

    return read(root, topic, newest, lambda each: each.day == day)


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
