"""Files as the one lane of a finite run: every row of every file through the rules of a lane, in order.

Delivery: the whole input once a run, nothing is resumed. All files share one lane, so that a row in two
overlapping exports is one event whichever file it stands in, and any number of workers gives the same totals.
A file is a partition, a row's line is its offset.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from millrace.errors import MillraceError, Misconfigured
from millrace.shutdown import draining
from operators.lane import Dead, Lane, LaneOutput
from operators.screen import NO_PROGRESS
from schemas.mapping import MappedBatch, Mapping
from sources.files import FileReader

Longs = npt.NDArray[np.int64]
LANE = "files"
#: Partitions are carried in 16 bits.
MOST_FILES = 1 << 16


@dataclass(frozen=True, slots=True)
class FileInput:
    """A file, directory or pattern, with the mapping of its rows or the contract that they have already."""

    path: str
    mapping: Mapping | None = None
    contract: str | None = None


@dataclass(slots=True)
class FileRows:
    """What became of one file's rows: `read == mapped + rejected + filtered`.

    Args:
        file: Its name.
        read: Rows read.
        mapped: Rows that made records.
        rejected: Rows in the dead letters, since no record could be made.
        filtered: Rows left out on purpose.
        records: Records made, by contract.
    """

    file: str
    read: int = 0
    mapped: int = 0
    rejected: int = 0
    filtered: int = 0
    records: Counter[str] = field(default_factory=Counter)

    def add(self, mapped: MappedBatch) -> None:
        """Take a batch in."""
        self.read += mapped.read
        self.mapped += mapped.mapped
        self.rejected += mapped.rejected
        self.filtered += mapped.filtered
        self.records.update({name: frame.height for name, frame in mapped.frames.items()})


@dataclass(slots=True)
class FileAccount:
    """What a finite run has read, for its summary.

    Args:
        files: One per file; its place in the list is the file's partition.
        fields: Field at fault of each rejected row, by partition and line.
        counts: Running totals of the lane.
        failure: What ended the reading before its end.
        heard: Told the number of rows of each batch, to show progress.
    """

    files: list[FileRows] = field(default_factory=list)
    fields: dict[tuple[int, int], str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    failure: MillraceError | None = None
    heard: Callable[[int], None] = lambda _rows: None

    def partition(self, file: str) -> int:
        """Partition of the file in hand; files are read one after the other.

        Raises:
            Misconfigured: There are more files than partitions.
        """
        if not self.files or self.files[-1].file != file:
            if len(self.files) == MOST_FILES:
                raise Misconfigured(f"{file}: more than {MOST_FILES} files in one run")
            self.files.append(FileRows(file))
        return len(self.files) - 1

    def add(self, partition: int, mapped: MappedBatch) -> None:
        """Take a batch of a file in."""
        self.files[partition].add(mapped)
        for reject in mapped.rejects:
            self.fields[partition, reject.line] = reject.field
        self.heard(mapped.read)


def read_through(inputs: Sequence[FileInput], lane: Lane, account: FileAccount) -> Iterator[LaneOutput]:
    """What the lane makes of each batch of each input; the history is durable when it ends.

    The outputs tell no progress: time does not pass before all files are read, so no window closes early.
    Gaps in a source's numbers are told at the end, when no file is left that could fill them.
    """
    newest = NO_PROGRESS
    for given in inputs:
        for batch in FileReader(given.path, given.mapping, contract=given.contract):
            known = len(account.files)
            partition = account.partition(batch.file)
            newest = newest if len(account.files) == known else NO_PROGRESS
            account.add(partition, batch.mapped)
            output, newest = _take(lane, batch.file, partition, batch.mapped, newest)
            account.counts = output.counts
            yield output
    lane.snapshot()
    yield LaneOutput(lane.name, gaps=lane.missing(), counts=dict(lane.counts))


def _take(lane: Lane, file: str, partition: int, mapped: MappedBatch, newest: int) -> tuple[LaneOutput, int]:
    output = LaneOutput(lane.name)
    for reject in mapped.rejects:
        dead = Dead("", file, partition, reject.line, reject.reason, reject.detail, reject.raw)
        output.dead.append(dead)
    latest = newest
    for contract, frame in mapped.frames.items():
        lane.counts[f"read:{contract}"] += frame.height
        lines = frame["_line"].to_numpy()
        times = frame["event_time"].to_physical().to_numpy()
        logged, reached = stand_in_log_time(times, newest, int(lane.now() * 1e6), lane.config.limits.ahead)
        latest = max(latest, reached)
        lane.accept(
            output,
            contract,
            file,
            frame.drop("_line"),
            partitions=np.full(frame.height, partition, np.int32),
            offsets=lines,
            logged=logged,
        )
    output.gaps.clear()
    output.counts = dict(lane.counts)
    return output, latest


def stand_in_log_time(times: Longs, newest: int, now: int, ahead: int) -> tuple[Longs, int]:
    """When a log would have stamped rows that no log stamped, and the newest event time so far, microseconds.

    A row counts as written when the newest event before it in its file had happened, so that old files are as
    good as new ones while a clock that fell back to 1970 is noticed; what lies ahead of the wall clock was
    written now.

    Args:
        times: Event times in the order of the file, microseconds.
        newest: Newest event time of the file before them.
        now: Wall clock, microseconds.
        ahead: Most that an event may be ahead of it, microseconds.
    """
    if not len(times):
        return times, newest
    future = times > now + ahead
    reached = np.maximum.accumulate(np.maximum(np.where(future, NO_PROGRESS, times), newest))
    return np.where(future, now, reached), int(reached[-1])


class FilePartition(StatefulSourcePartition[LaneOutput, None]):
    """Reads all inputs, a batch at a time."""

    def __init__(self, inputs: Sequence[FileInput], lane: Lane, account: FileAccount) -> None:
        self._outputs = read_through(inputs, lane, account)
        self._account = account

    def next_batch(self) -> list[LaneOutput]:
        """One batch through the lane; a signal or a file that can't be read ends the input early.

        An error is kept for whoever runs the flow: the engine would bury it in a report of its own.
        """
        if draining.is_set():
            raise StopIteration
        try:
            return [next(self._outputs)]
        except MillraceError as error:
            self._account.failure = error
            raise StopIteration from error

    def snapshot(self) -> None:
        """A finite run keeps no state."""
        return


class FileLanes(FixedPartitionedSource[LaneOutput, None]):
    """Source of a finite run.

    Args:
        inputs: What to read, in this order.
        build: Makes the lane's rules by its name.
        account: Told what is read.
    """

    def __init__(self, inputs: Sequence[FileInput], build: Callable[[str], Lane], account: FileAccount) -> None:
        self._inputs, self._build, self._account = inputs, build, account

    def list_parts(self) -> list[str]:
        """One lane."""
        return [LANE]

    def build_part(self, _step_id: str, for_part: str, _resume_state: Any) -> FilePartition:
        """Begin at the first row of the first file."""
        lane = self._build(for_part)
        lane.restore(None)
        return FilePartition(self._inputs, lane, self._account)
