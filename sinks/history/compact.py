"""Compaction: the raw files of a closed plant-day become one sorted file, which replaces the last one by one rename.

Only files are taken that their flow can never remove again: it removes what is numbered at or above its last durable
snapshot, so `Settled` says per writer below which number files are final. What is not final, and what comes late,
waits in the raw zone and is merged by the next pass.

Delivery: exactly once over kills. The footer of the day file says which raw files are in it, so one rename both
publishes the rows and takes those files out of what `sinks.history.reading` reads. A pass that is killed after that
rename leaves them behind; the next pass removes them.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from io import BytesIO
from pathlib import Path

import polars as pl

from millrace.errors import Misconfigured
from millrace.failpoints import hit
from sinks.history.day_file import DayFile, Taken, read_footer, write
from sinks.history.pieces import stored
from sinks.history.places import ObjectPath, Place
from sinks.history.store import draft, make_folder, publish, read_bytes, remove, require, sync
from sinks.history.zones import DAY_FILE, DAYS, RawFile, folders, raw_files

#: By writer (`<flow>-<generation>-<lane>`) the number below which its files are final; 0 for one that is not known.
Settled = Callable[[str], int]


@dataclass(slots=True)
class Compacted:
    """What a pass did to a topic, or would do.

    Args:
        topic: The topic.
        days: Plant-days of which the file was written anew.
        late_days: Those among them that had a file before.
        rows: Rows taken from raw files.
        files_before: Files of those plant-days before, in both zones.
        bytes_before: Their size.
        files_after: Day files afterwards.
        bytes_after: Their size; 0 in a dry run.
        removed: Raw files removed, with those that a killed pass had left behind.
        not_final: Files of closed days that wait because their flow could still remove them, by writer.
    """

    topic: str
    days: int = 0
    late_days: int = 0
    rows: int = 0
    files_before: int = 0
    bytes_before: int = 0
    files_after: int = 0
    bytes_after: int = 0
    removed: int = 0
    not_final: dict[str, int] = field(default_factory=dict)


@contextmanager
def only_one(root: Place) -> Iterator[None]:
    """Hold the lock of the analysts' zone. On an object store the second of two passes fails when it publishes.

    Raises:
        Misconfigured: There is no such history, or another compaction holds the lock.
    """
    require(root, "--root")
    if isinstance(root, ObjectPath):
        yield
        return
    make_folder(root / DAYS, root)
    handle = os.open(root / DAYS / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(handle, root / DAYS)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Misconfigured(f"{folder}: another compaction is running") from error


def compact(root: Place, topic: str, before: date, settled: Settled, *, dry_run: bool = False) -> Compacted:
    """Compact the plant-days of a topic before a date; call within `only_one`.

    Args:
        root: Folder of the history.
        topic: Topic.
        before: UTC date; days from it on are left alone.
        settled: Which files are final.
        dry_run: Count only.

    Raises:
        Misconfigured: A file is no readable Parquet, or was written after its like were compacted.
    """
    done = Compacted(topic)
    for folder, day in folders(root, topic).items():
        if day.day < before:
            _compact_day(root, root / topic / folder, root / DAYS / topic / folder, settled, done, dry_run)
    return done


def _compact_day(root: Place, raw: Place, target: Place, settled: Settled, done: Compacted, dry_run: bool) -> None:
    found = list(raw_files(raw))
    old = read_footer(target / DAY_FILE)
    inside = [each for each in found if old is not None and old.holds(each)]
    pending = set(found).difference(inside)
    final = [each for each in found if each in pending and each.number < settled(each.writer)]
    for each in pending.difference(final):
        done.not_final[each.writer] = done.not_final.get(each.writer, 0) + 1
    if not final and not inside:
        return
    _count(done, final, old)
    if dry_run:
        return
    if final:
        make_folder(target, root)
        rows, size = _publish(target, old, final, settled)
        done.rows += rows
        done.bytes_after += size
    done.removed += _remove([*inside, *final])


def _count(done: Compacted, final: Sequence[RawFile], old: DayFile | None) -> None:
    if not final:
        return
    done.days += 1
    done.late_days += old is not None
    done.files_before += len(final) + (old is not None)
    done.bytes_before += sum(each.size for each in final) + (old.found.size if old else 0)
    done.files_after += 1


def _publish(target: Place, old: DayFile | None, final: Sequence[RawFile], settled: Settled) -> tuple[int, int]:
    """Write the day anew and put it in place of the last one; returns rows that came from raw files, and its size."""
    before = stored(old.path) if old is not None else iter(())
    given = _Given()
    with draft(target / DAY_FILE) as partial:
        frames = given.counted(before, (_frame(each.path) for each in final))
        written = write(partial, frames, target.parent.parent.name, _taken(old, final, settled))
        if not given.raw:  # what a spool has emptied
            partial.unlink()
            return 0, old.found.size if old is not None else 0
        if written != given.raw + given.before:
            raise Misconfigured(
                f"{partial}: holds {written} rows, but {given.raw} and what was there before were written"
            )
        sync(partial)
        size = partial.stat().st_size
        hit("history.before_publish")
        publish(partial, target / DAY_FILE, old.found if old is not None else None)
    hit("history.after_publish")
    return given.raw, size


@dataclass(slots=True)
class _Given:
    """Rows that were handed to a day file: what it had before, and those of raw files."""

    before: int = 0
    raw: int = 0

    def counted(self, before: Iterable[pl.DataFrame], raw: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for frame in before:
            self.before += frame.height
            yield frame
        for frame in raw:
            self.raw += frame.height
            yield frame


def _frame(path: Place) -> pl.DataFrame:
    try:
        return pl.read_parquet(BytesIO(read_bytes(path)), hive_partitioning=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise Misconfigured(f"{path}: is no readable Parquet: {error}") from error


def _taken(old: DayFile | None, final: Sequence[RawFile], settled: Settled) -> dict[str, Taken]:
    taken = dict(old.taken) if old is not None else {}
    for each in final:
        known = taken.get(each.writer, Taken(0, 0))
        taken[each.writer] = Taken(max(known.below, settled(each.writer)), max(known.until, each.written))
    return taken


def _remove(files: Sequence[RawFile]) -> int:
    """Remove raw files whose rows are published."""
    for each in files:
        remove(each.path)
        hit("history.between_removals")
    for folder in {each.path.parent for each in files}:
        sync(folder)
    return len(files)
