"""Personal data taken out of a spool: files that wait for an object store and name a person are written again.

Only what a stopped flow has left is touched, under the lock of its writer: a thread that uploads at the same moment
could put the old content into the store after this has said that the name is gone. Files of a running flow are
counted, and so are those that a flow will write again because its last snapshot does not know them.

Delivery: each file is replaced by one rename under its own name and number, so the flow that goes on uploads each row
once. A run that is killed is simply run again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from millrace.errors import Misconfigured
from sinks.history.compact import Settled
from sinks.history.erase import Erased, named, replace, write_raw
from sinks.history.erasure_report import Report
from sinks.history.places import Place
from sinks.history.spool_lock import lock
from sinks.history.store import look
from sinks.history.zones import RawFile, folders, raw_files, topics


def erase_spool(root: Place, spool: Path, person: str, written: Settled, report: Report | None) -> list[Erased]:
    """Go through a spool, before the history is gone through: what leaves the spool meanwhile is found there.

    Args:
        root: Root of the history, which keeps the proof.
        spool: Folder of the spool.
        person: As the events name the person.
        written: By writer the number below which its flow will not write files anew.
        report: Takes the proof; None for a dry run.

    Raises:
        Misconfigured: There is no such folder, or a file is no readable Parquet.
    """
    if not spool.is_dir():
        raise Misconfigured(f"--spool: there is no folder {str(spool)!r}")
    return [_topic(root, spool, topic, person, written, report) for topic in topics(spool)]


def _topic(root: Place, spool: Path, topic: str, person: str, written: Settled, report: Report | None) -> Erased:
    done = Erased(str(spool / topic))
    writers: dict[str, list[RawFile]] = {}
    for folder in folders(spool, topic):
        for each in raw_files(spool / topic / folder):
            writers.setdefault(each.writer, []).append(each)

    def rewrite(each: RawFile) -> None:
        found = look(each.path)
        count = named(each.path, person)
        if found is None or not count:
            return
        done.files, done.rows = done.files + 1, done.rows + count
        if report is not None:
            replace(root, found, person, count, partial(write_raw, each), report)

    for writer, files in writers.items():
        _held(spool, writer, files, person, done, written(writer), rewrite)
    return done


def _held(
    spool: Path,
    writer: str,
    files: list[RawFile],
    person: str,
    done: Erased,
    below: int,
    rewrite: Callable[[RawFile], None],
) -> None:
    """Files of one writer, under its lock if its flow does not run."""
    handle = lock(spool, writer)
    try:
        for each in files:
            if handle is not None and each.number < below:
                rewrite(each)
            elif _names(each, person):
                told = done.running if handle is None else done.not_final
                told[writer] = told.get(writer, 0) + 1
    finally:
        if handle is not None:
            os.close(handle)


def _names(each: RawFile, person: str) -> bool:
    """Whether a file names the person; what was uploaded and removed meanwhile is found in the store."""
    try:
        return named(each.path, person) > 0
    except Misconfigured:
        if look(each.path) is None:
            return False
        raise
