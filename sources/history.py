"""The history as the one lane of a finite run: accepted rows once more, day by day, in the order of event time.

Rows of the history were screened and de-duplicated when they were accepted, so neither is done again: the same set of
events goes through the same rules. Time passes as they are read, so that windows close and leave the state as in the
plant: what is in memory follows the open windows and one piece of a day, however long the history is.

Delivery: exactly once into the state of the run; a run that was killed goes on after the last piece that its recovery
store knows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from millrace.errors import MillraceError
from millrace.failpoints import hit
from millrace.shutdown import draining
from operators.lane import Lane, LaneOutput
from operators.lane_rows import Rows
from operators.lane_screening import refuse_by_content
from operators.lane_sorting import sort_out

LANE = "history"
DAY = 86_400_000_000
#: Rows of one batch, about, and pieces of a day that has fewer. Timelines are computed anew with each of them.
BATCH_ROWS, PIECES = 400_000, 4
#: Turns before the first row, in which the lane of reference data is emptied: no total need wait for its order.
TURNS_BEFORE = 4
#: Turns after days without rows, so that what was open before them leaves the state as it did in the plant.
TURNS_BETWEEN = 2
#: Rows that are read at once, about.
LOADED_ROWS = 2_000_000
#: Rows by contract with first <= event_time < until, microseconds; columns of the contract, `origin` and `offset`.
Load = Callable[[int, int], Mapping[str, pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class HistoryDay:
    """One UTC day of all topics.

    Args:
        start: Its first microsecond.
        rows: Rows in it.
    """

    start: int
    rows: int

    @property
    def pieces(self) -> int:
        """Batches that it is cut into, of equal length in event time."""
        return max(PIECES, math.ceil(self.rows / BATCH_ROWS))

    @property
    def loads(self) -> int:
        """Times that it is read, a part of its pieces each."""
        return math.ceil(self.pieces / max(1, int(self.pieces * LOADED_ROWS / max(self.rows, 1))))


@dataclass(slots=True)
class HistoryAccount:
    """What a run has read.

    Args:
        rows: Rows that went through the rules.
        before: Those of them that went through before it was interrupted.
        seconds: How long it has taken since.
        first: Lowest event time among them, microseconds.
        last: Highest event time among them, microseconds.
        failure: What ended the reading before its end.
        heard: Told how many of the rows of the days are behind, to show progress.
    """

    rows: int = 0
    before: int = 0
    seconds: float = 0.0
    first: int = 2**62
    last: int = -(2**62)
    failure: MillraceError | None = None
    heard: Callable[[int], None] = lambda _rows: None

    def add(self, frame: pl.DataFrame) -> None:
        """Take rows in."""
        times = frame["event_time"].to_physical()
        self.rows += frame.height
        self.first = min(self.first, int(times[0]))
        self.last = max(self.last, int(times[-1]))

    def plain(self) -> dict[str, Any]:
        """What goes on from one life to the next."""
        return {name: getattr(self, name) for name in ("rows", "before", "seconds", "first", "last")}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a day: its number among all, its bounds in microseconds, and the bounds of what is read with it."""

    number: int
    first: int
    until: int
    load: tuple[int, int]
    rows: int


def pieces(days: Sequence[HistoryDay]) -> list[Piece]:
    """All days cut into pieces."""
    found: list[Piece] = []
    for day in days:
        count, per_load = day.pieces, math.ceil(day.pieces / day.loads)
        at = [day.start + number * DAY // count for number in range(count + 1)]
        for number in range(count):
            begin = number // per_load * per_load
            load = (at[begin], at[min(begin + per_load, count)])
            found.append(Piece(len(found), at[number], at[number + 1], load, day.rows // count))
    return found


class HistoryPartition(StatefulSourcePartition[LaneOutput, dict[str, Any]]):
    """Reads one piece after the other."""

    def __init__(
        self,
        todo: Sequence[Piece],
        load: Load,
        lane: Lane,
        late: Mapping[str, pl.DataFrame],
        account: HistoryAccount,
        at: int,
        behind: bool,
    ) -> None:
        self._behind = behind
        self._todo, self._load, self._lane, self._late, self._account = todo, load, lane, late, account
        self._at, self._turns = at, TURNS_BEFORE
        self._read_until = -(2**62)
        self._loaded: tuple[tuple[int, int], Mapping[str, pl.DataFrame]] | None = None
        account.heard(sum(piece.rows for piece in todo[:at]))

    def next_batch(self) -> list[LaneOutput]:
        """One piece through the rules; an error is kept for whoever runs the flow."""
        if draining.is_set() or self._at == len(self._todo):
            raise StopIteration
        if self._turns:
            self._turns -= 1
            return self._waited()
        try:
            output = self._take(self._todo[self._at])
        except MillraceError as error:
            self._account.failure = error
            raise StopIteration from error
        self._at += 1
        if self._at < len(self._todo) and self._todo[self._at].first > self._read_until:
            self._turns = TURNS_BETWEEN
        hit("replay.after_batch")
        return [output]

    def _waited(self) -> list[LaneOutput]:
        """Time has passed without rows; before the first of them it stands still."""
        if not self._lane.progress:
            return []
        self._pass(self._todo[self._at].first)
        return [self._lane.heartbeat()]

    def _pass(self, until: int) -> None:
        self._lane.progress = {f"{LANE}/0": until}

    def _take(self, piece: Piece) -> LaneOutput:
        if self._loaded is None or self._loaded[0] != piece.load:
            self._loaded = (piece.load, self._load(*piece.load))
        output = LaneOutput(self._lane.name)
        for contract, frame in self._loaded[1].items():
            rows = _between(frame, piece.first, piece.until)
            if rows.height:
                self._account.add(rows)
                _through_rules(self._lane, output, contract, rows, self._late.get(contract))
        self._read_until = piece.until
        self._pass(piece.first if self._behind else piece.until)
        output.progress, output.counts = dict(self._lane.progress), dict(self._lane.counts)
        self._account.heard(piece.rows)
        return output

    def snapshot(self) -> dict[str, Any]:
        """Pieces behind, and the state of the lane."""
        return {"at": self._at, "lane": self._lane.snapshot(), "account": self._account.plain()}


def _between(frame: pl.DataFrame, first: int, until: int) -> pl.DataFrame:
    times = frame["event_time"].to_physical().to_numpy()
    begin, end = np.searchsorted(times, [first, until])
    return frame[int(begin) : int(end)]


def _through_rules(
    lane: Lane, output: LaneOutput, contract: str, frame: pl.DataFrame, late: pl.DataFrame | None
) -> None:
    """What a lane does with rows once they are accepted; only what their content refuses now is given up."""
    lane.counts[f"read:{contract}"] += frame.height
    for rows in _by_topic(contract, frame, late):
        times = rows.frame["event_time"].to_physical().to_numpy()
        reasons = np.zeros(len(times), np.uint8)
        refuse_by_content(rows.frame, reasons, lane.calendar, lane.config.most, lane.config.limits)
        kept = sort_out(output, lane.counts, rows, reasons) if reasons.any() else rows
        if not kept.frame.height:
            continue
        lane.counts[f"accepted:{contract}"] += kept.frame.height
        if lane.history is not None:
            lane.history.write(contract, kept.frame)
        lane.config.route(output, lane.counts, kept, lane.config.window, lane.calendar)


def _by_topic(contract: str, frame: pl.DataFrame, late: pl.DataFrame | None) -> list[Rows]:
    """Rows with the topic they came from where that matters: for those that are adjustments of their own."""
    if late is None or not late.height:
        return [_rows(contract, contract, frame, late=False)]
    topics = _topics_of_late(frame, late)
    parts = [_rows(contract, contract, frame.filter(topics.is_null()), late=False)]
    for topic in topics.drop_nulls().unique(maintain_order=True).to_list():
        rows = frame.filter((topics == topic).fill_null(value=False))
        parts.append(_rows(contract, topic, rows, late=True))
    return [rows for rows in parts if rows.frame.height]


def _topics_of_late(frame: pl.DataFrame, late: pl.DataFrame) -> pl.Series:
    """By row the topic of the late addition that it is; null of all others."""
    place = ["plant", "partition", "offset"]
    rows = frame.select("plant", "offset", "event_time", (pl.col("origin") % 65536).alias("partition"))
    timed = late.filter(pl.col("event_time").is_not_null()).unique([*place, "event_time"], maintain_order=True)
    former = late.filter(pl.col("event_time").is_null()).unique(place, maintain_order=True).drop("event_time")
    found = rows.join(timed, on=[*place, "event_time"], how="left", maintain_order="left")
    found = found.join(former, on=place, how="left", maintain_order="left", suffix="_former")
    return found.select(pl.coalesce("topic", "topic_former"))["topic"]


def _rows(contract: str, topic: str, frame: pl.DataFrame, *, late: bool) -> Rows:
    partitions = (frame["origin"] % 65536).to_numpy().astype(np.int32)
    times = frame["event_time"].to_physical().to_numpy()
    return Rows(contract, topic, frame, partitions, times, np.ones(len(times), np.bool_) if late else None)


@dataclass(slots=True)
class HistoryLanes(FixedPartitionedSource[LaneOutput, dict[str, Any]]):
    """Source of a replay.

    Args:
        days: Days to read, in order.
        load: Reads rows.
        build: Makes the lane's rules by its name.
        late: By contract `plant`, `topic`, `partition`, `offset` and, where it is known, `event_time` of rows that are
            adjustments of their own.
        account: Told what is read.
        behind: A piece's time passes with the piece after it, so that no tick overtakes rows on their way to another
            worker. A total mends that with its next revision; a decision does not.
    """

    days: Sequence[HistoryDay]
    load: Load
    build: Callable[[str], Lane]
    late: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    account: HistoryAccount = field(default_factory=HistoryAccount)
    behind: bool = False

    def list_parts(self) -> list[str]:
        """One lane."""
        return [LANE]

    def build_part(self, _step_id: str, for_part: str, resume_state: dict[str, Any] | None) -> HistoryPartition:
        """Begin at the first piece, or go on after the last."""
        lane = self.build(for_part)
        lane.restore(resume_state["lane"] if resume_state else None)
        at = 0
        if resume_state is not None:
            at, known = resume_state["at"], resume_state["account"]
            self.account.rows = self.account.before = known["rows"]
            self.account.first, self.account.last = known["first"], known["last"]
        return HistoryPartition(pieces(self.days), self.load, lane, self.late, self.account, at, self.behind)


__all__ = ["LANE", "HistoryAccount", "HistoryDay", "HistoryLanes"]
