"""Personal data taken out of the history: files that name a person are written again without the name.

Rows stay, so no quantity changes. Only files are written again that their flow can never remove again (`Settled`, as
for compaction): a flow that goes on from its last snapshot removes the others and writes them anew, with the name.
Those are counted, and the run is repeated once they are final. A file is read and written a row group at a time, so
memory does not grow with the day.

Delivery: each file is replaced by one rename under its own name, so readers have each row once at every moment. A run
that is killed is simply run again: what it had replaced holds the name no more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from millrace.errors import Misconfigured
from millrace.failpoints import hit
from sinks.history import day_file, personal
from sinks.history.compact import Settled
from sinks.history.copies import local
from sinks.history.day_file import DayFile, read_footer
from sinks.history.erasure_report import Report, Touched, below_root
from sinks.history.manifest import checksum
from sinks.history.pieces import columns_in, same_rows, stored, write_like
from sinks.history.places import Found, Place
from sinks.history.store import draft, look, publish, remove, sync
from sinks.history.zones import DAY_FILE, DAYS, RawFile, folders, raw_files

#: Writes rows that come in their order to a path, in the way of the file at another.
Writer = Callable[[Path, Path, Iterator[pl.DataFrame]], None]


@dataclass(slots=True)
class Erased:
    """What a run found in a topic, and did.

    Args:
        topic: The topic.
        files: Files written again, or that would be.
        rows: Rows that named the person.
        not_final: Files that name the person and wait because their flow could still remove them, by writer.
        running: Files that name the person in the spool of a running flow, by writer.
    """

    topic: str
    files: int = 0
    rows: int = 0
    not_final: dict[str, int] = field(default_factory=dict)
    running: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Erasure:
    """One run over a history.

    Args:
        root: Folder of the history.
        person: As the events name the person; None for everybody.
        settled: Which files are final.
        report: Takes the proof; None for a dry run.
        before: Only days before this UTC date.
    """

    root: Place
    person: str | None
    settled: Settled
    report: Report | None
    before: date = date.max

    def topic(self, name: str) -> Erased:
        """Go through a topic; call within `only_one`, and write its manifest afterwards.

        Raises:
            Misconfigured: A file is no readable Parquet.
        """
        done = Erased(name)
        for folder, day in folders(self.root, name).items():
            if day.day < self.before:
                self._day(self.root / name / folder, self.root / DAYS / name / folder / DAY_FILE, done)
        return done

    def _day(self, raw: Place, target: Place, done: Erased) -> None:
        day = read_footer(target)
        if day is not None:
            self._file(day.found, done, partial(_write_day, day))
        for each in raw_files(raw):
            if day is not None and day.holds(each):
                self._superfluous(each)
            elif each.number < self.settled(each.writer):
                self._file(look(each.path), done, partial(write_raw, each))
            elif named(each.path, self.person):
                done.not_final[each.writer] = done.not_final.get(each.writer, 0) + 1

    def _superfluous(self, raw: RawFile) -> None:
        """What a killed compaction left behind is in the day file already."""
        if self.report is not None:
            self.report.note(Touched(below_root(self.root, raw.path), "removed", 0, 0, checksum(raw.path)))
            remove(raw.path)
            sync(raw.path.parent)

    def _file(self, found: Found | None, done: Erased, write: Writer) -> None:
        if found is None:
            return
        count = named(found.path, self.person)
        if not count:
            return
        done.files += 1
        done.rows += count
        if self.report is not None:
            replace(self.root, found, self.person, count, write, self.report)


def named(path: Place, person: str | None) -> int:
    """Rows of a file that name a person; None stands for everybody. Only columns that can name one are read.

    Raises:
        Misconfigured: It is no readable Parquet.
    """
    columns = personal.concerned(columns_in(path))
    return sum(personal.erase(part, person)[1] for part in stored(path, columns)) if columns else 0


def replace(root: Place, found: Found, person: str | None, changed: int, write: Writer, report: Report) -> None:
    """Put a file without a person in the place of one that names it in `changed` rows, with a note of it before.

    Raises:
        Misconfigured: The new file does not hold the rows that it should.
        Retriable: Somebody replaced the file meanwhile.
    """
    with draft(found.path) as drafted, local(found.path) as source:
        write(drafted, source, _without(source, person))
        sync(drafted)
        if not same_rows(stored(drafted), _without(source, person)):
            raise Misconfigured(f"{drafted}: does not hold the rows that were written")
        rows, before, after = pq.read_metadata(drafted).num_rows, checksum(source), checksum(drafted)
        report.note(Touched(below_root(root, found.path), "replaced", rows, changed, before, after))
        hit("erase.before_publish")
        publish(drafted, found.path, found)
    hit("erase.after_publish")


def _without(source: Path, person: str | None) -> Iterator[pl.DataFrame]:
    return (personal.erase(part, person)[0] for part in stored(source))


def _write_day(day: DayFile, target: Path, _source: Path, rows: Iterator[pl.DataFrame]) -> None:
    day_file.write_again(target, rows, day.path.parent.parent.parent.name, day.taken)


def write_raw(raw: RawFile, target: Path, source: Path, rows: Iterator[pl.DataFrame]) -> None:
    """A raw file keeps what its footer says, and its time: compaction tells by that whether it is another file."""
    write_like(target, source, rows)
    os.utime(target, ns=(raw.written, raw.written))
