"""Counts of records: what a topic was sent against what was read, given up and stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from sinks.history.places import Place
from sinks.history.reading import plan
from sinks.history.store import scan


@dataclass(frozen=True, slots=True)
class TopicCounts:
    """What a flow says of one topic, and what its history holds.

    Args:
        read: Records read.
        accepted: Of these, accepted.
        duplicates: Of these, recognised as sent before.
        dead_letters: Of these, given up, by reason.
        history_rows: Rows of the raw zone; None where the topic keeps no history.
        history_events: Distinct event ids among them.
    """

    read: int
    accepted: int
    duplicates: int
    dead_letters: Mapping[str, int] = field(default_factory=dict)
    history_rows: int | None = None
    history_events: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One equation between two counts.

    Args:
        subject: Topic or order.
        what: Which of its counts.
        expected: By the plant's truth, or by another count of the same things.
        actual: As found.
    """

    subject: str
    what: str
    expected: int
    actual: int

    @property
    def ok(self) -> bool:
        """Both sides are equal."""
        return self.expected == self.actual


def count_history(root: Place, topic: str) -> tuple[int, int]:
    """Rows and distinct event ids in the history of a topic; (0, 0) where it has no file yet."""
    files = plan(root, topic).files
    if not files:
        return 0, 0
    ids = scan(files, hive_partitioning=False, extra_columns="ignore").select("event_id")
    counted = ids.select(rows=pl.len(), events=pl.col("event_id").n_unique()).collect()
    rows, events = counted.row(0)
    return int(rows), int(events)


def topic_checks(name: str, sent: Mapping[str, Any] | None, counts: TopicCounts) -> Iterable[Check]:
    """What was sent to a topic against what became of it.

    Args:
        name: Subject of the checks.
        sent: `records`, `events`, `duplicates` and `rejects` of the plant's truth; None where it has none.
        counts: As found.
    """
    sent = sent or {"records": 0, "events": 0, "duplicates": 0, "rejects": {}}
    dead = sum(counts.dead_letters.values())
    yield Check(name, "read", sent["records"], counts.read)
    yield Check(name, "accepted", sent["events"], counts.accepted)
    yield Check(name, "duplicates", sent["duplicates"], counts.duplicates)
    yield Check(name, "dead letters", sum(sent["rejects"].values()), dead)
    yield Check(name, "sum", counts.read, counts.accepted + counts.duplicates + dead)
    if counts.history_rows is not None:
        yield Check(name, "history rows", sent["events"], counts.history_rows)
    if counts.history_events is not None:
        yield Check(name, "distinct rows", sent["events"], counts.history_events)
