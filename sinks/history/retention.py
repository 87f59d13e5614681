"""How long each topic is kept, and the removal of what is older: whole plant-days whose files are all final.

Delivery: files of a day that its day file holds go first, then the day file, then the rest, so a row is never read
twice; while it is removed a day may be read in part. A run that is killed is simply run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from millrace.failpoints import hit
from schemas.contracts import contracts
from sinks.history.compact import Settled
from sinks.history.day_file import DayFile, read_footer
from sinks.history.erasure_report import Report, Touched, below_root
from sinks.history.manifest import checksum
from sinks.history.places import Place
from sinks.history.store import arrow_source, remove, sync
from sinks.history.zones import DAY_FILE, DAYS, RawFile, folders, raw_files

#: Topics of which the newest record of a key counts, however old.
_REFERENCE = frozenset(each.topic for each in contracts().values() if each.compacted)


class RetentionRule(BaseModel):
    """How long rows of a topic stay.

    Args:
        days: Days that rows are kept, by their UTC date; None keeps them for ever.
        personal_days: Days after which the names of persons are erased from them; None keeps them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: int | None = Field(default=None, ge=1)
    personal_days: int | None = Field(default=None, ge=1)


class RetentionSettings(BaseModel):
    """Retention of a history.

    Args:
        default: Rule of topics that have none of their own. Its `days` do not count for reference data (compacted
            topics), of which the newest version may be old: name those topics.
        topics: Rules by topic.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: RetentionRule = RetentionRule()
    topics: dict[str, RetentionRule] = {}

    def of(self, topic: str) -> RetentionRule:
        """The rule of a topic."""
        if topic in _REFERENCE and topic not in self.topics:
            return self.default.model_copy(update={"days": None})
        return self.topics.get(topic, self.default)


@dataclass(slots=True)
class Retained:
    """What was removed of a topic, or would be.

    Args:
        topic: The topic.
        days: Plant-days removed.
        files: Their files.
        rows: Their rows.
        not_final: Files of days to be removed that wait because their flow could still remove them, by writer.
    """

    topic: str
    days: int = 0
    files: int = 0
    rows: int = 0
    not_final: dict[str, int] = field(default_factory=dict)


def first_kept(days: int, today: date) -> date:
    """First UTC date that is kept."""
    return today - timedelta(days=days)


def retain(root: Place, topic: str, before: date, settled: Settled, report: Report | None) -> Retained:
    """Remove the plant-days of a topic before a date; call within `only_one`, and write its manifest afterwards.

    Args:
        root: Folder of the history.
        topic: Topic.
        before: UTC date.
        settled: Which files are final.
        report: Takes the proof; None for a dry run.
    """
    done = Retained(topic)
    for folder, day in folders(root, topic).items():
        if day.day < before:
            _day(
                root,
                list(raw_files(root / topic / folder)),
                root / DAYS / topic / folder / DAY_FILE,
                settled,
                done,
                report,
            )
    return done


def _day(
    root: Place, found: Sequence[RawFile], target: Place, settled: Settled, done: Retained, report: Report | None
) -> None:
    day = read_footer(target)
    inside = [each for each in found if day is not None and day.holds(each)]
    others = [each for each in found if each not in inside]
    waiting = [each for each in others if each.number >= settled(each.writer)]
    for each in waiting:
        done.not_final[each.writer] = done.not_final.get(each.writer, 0) + 1
    if waiting or not (found or day):
        return
    paths = [*(each.path for each in inside), *_path(day), *(each.path for each in others)]
    counts = [0 if path in {each.path for each in inside} else _count(path) for path in paths]
    done.days, done.files, done.rows = done.days + 1, done.files + len(paths), done.rows + sum(counts)
    if report is not None:
        for path, rows in zip(paths, counts, strict=True):
            _remove(root, path, rows, report)


def _path(day: DayFile | None) -> list[Place]:
    return [day.path] if day is not None else []


def _count(path: Place) -> int:
    source = arrow_source(path)
    return int(pq.read_metadata(source["where"], filesystem=source["filesystem"]).num_rows)


def _remove(root: Place, path: Place, rows: int, report: Report) -> None:
    report.note(Touched(below_root(root, path), "removed", rows, 0, checksum(path)))
    remove(path)
    sync(path.parent)
    hit("retain.after_remove")
