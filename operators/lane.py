"""A lane: what happens to a batch between the poll and the first exchange between workers.

A lane owns a fixed set of partitions. Decoding, screening, de-duplication, history and partial totals happen here,
with state that is snapshotted together with the offsets, so raw rows never cross between processes.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from operators.dedupe import DUPLICATE, EXPIRED, NEW, REUSED, Deduplicator, Gap, Numbering
from operators.routes import direct, origin_code, partial_totals, timeline_rows
from operators.screen import NO_PROGRESS, TimeLimits, screen
from operators.shifts import CalendarBook
from operators.windows import Window
from schemas.batch import DecodedBatch, RawBatch, Reject

Longs = npt.NDArray[np.int64]
STATE_VERSION = 1


class Decoder(Protocol):
    """Turns wire bytes of one topic into rows of its contract."""

    def decode(self, raw: RawBatch) -> DecodedBatch:
        """Every record ends in the frame or in the rejects; an outage of the registry raises Retriable."""
        ...


class History(Protocol):
    """Keeps accepted rows; `sync` makes durable what was written and returns what `restore` needs."""

    def write(self, contract: str, frame: pl.DataFrame) -> None:
        """Take accepted rows with their origin columns."""
        ...

    def sync(self) -> dict[str, Any]:
        """Make everything written durable."""
        ...

    def restore(self, state: dict[str, Any] | None) -> None:
        """Undo what was written after the snapshot; None starts a new generation that deletes nothing."""
        ...


@dataclass(frozen=True, slots=True)
class LaneConfig:
    """What a lane needs to know.

    Args:
        contracts: Contract by topic.
        window: How time is cut.
        limits: Limits of event times.
        numbering: How the sources of a contract number their events; the default where a contract is not named.
        deduplicate: False only in negative controls.
    """

    contracts: Mapping[str, str]
    window: Window
    limits: TimeLimits = field(default_factory=TimeLimits)
    numbering: Mapping[str, Numbering] = field(default_factory=dict)
    deduplicate: bool = True


@dataclass(frozen=True, slots=True)
class Dead:
    """A record that was given up at a lane, with its origin."""

    contract: str
    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    payload: bytes


@dataclass(slots=True)
class LaneOutput:
    """What a lane made of a batch.

    Args:
        lane: Name of the lane.
        partials: Rows of PARTIAL.
        timeline: Rows of TIMELINE.
        late: Linear rows beyond the correction horizon, one adjustment each: rows of PARTIAL.
        dead: Records given up.
        gaps: Numbers skipped by a source.
        progress: Newest event time by topic/partition, microseconds.
        idle: Partitions that had nothing for a while, with the time that their silence stands for, microseconds.
        counts: Running totals of this lane since its first start.
    """

    lane: str
    partials: list[pl.DataFrame] = field(default_factory=list)
    timeline: list[pl.DataFrame] = field(default_factory=list)
    late: list[pl.DataFrame] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    progress: dict[str, int] = field(default_factory=dict)
    idle: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Lane:
    """The rules of one lane and their state; knows neither engine nor broker."""

    name: str
    config: LaneConfig
    decoders: Mapping[str, Decoder]
    calendar: CalendarBook
    history: History | None = None
    now: Callable[[], float] = time.time
    progress: dict[str, int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    _dedupe: dict[str, Deduplicator] = field(default_factory=dict)

    def process(self, raw: RawBatch) -> LaneOutput:
        """Take one polled batch through all steps.

        Raises:
            Retriable: The registry is down; nothing has changed and the batch may be given again.
        """
        decoded = self.decoders[raw.topic].decode(raw)
        partitions, offsets, logged = raw.partitions, raw.offsets, raw.timestamps
        if decoded.rows is not None:
            partitions, offsets, logged = (a[decoded.rows] for a in (partitions, offsets, logged))
        output = LaneOutput(self.name)
        contract = self.config.contracts[raw.topic]
        self.counts[f"read:{contract}"] += len(raw.values)
        for reject in decoded.rejects:
            self._bury_raw(output, contract, raw, reject)
        if decoded.frame.height:
            self.accept(output, contract, raw.topic, decoded.frame, partitions, offsets, logged * 1000)
        self._close(output)
        return output

    def accept(
        self,
        output: LaneOutput,
        contract: str,
        topic: str,
        frame: pl.DataFrame,
        partitions: npt.NDArray[np.int32],
        offsets: Longs,
        logged: Longs,
    ) -> None:
        """Screen, de-duplicate, keep and total rows that were decoded.

        Args:
            output: Takes what comes out.
            contract: Contract of the rows.
            topic: Topic or file they were read from.
            frame: Columns of the contract.
            partitions: Partition per row.
            offsets: Offset per row.
            logged: Record timestamp per row, microseconds.
        """
        times = frame["event_time"].to_physical().to_numpy()
        reasons, late = self._screen(topic, times, partitions, logged)
        unknown = self.calendar.unknown(frame)
        if unknown.any():
            reasons[unknown.to_numpy() & (reasons == 0)] = _CALENDAR
        dedupe = self._deduplicator(contract)
        clock = np.where(reasons > 0, NO_PROGRESS, times) if reasons.any() else times
        codes, gaps = dedupe.judge(frame, clock, max(self.progress.values(), default=NO_PROGRESS))
        output.gaps.extend(gaps)
        reasons = np.where(codes == NEW, reasons, codes + np.uint8(_CODES)).astype(np.uint8)
        frame = frame.with_columns(
            pl.Series("origin", _origins(contract, partitions), pl.Int32), pl.Series("offset", offsets, pl.Int64)
        )
        if reasons.any():
            frame, late = self._sort_out(output, contract, topic, frame, reasons, late, partitions, logged)
        self.counts[f"accepted:{contract}"] += frame.height
        if self.history is not None and frame.height:
            self.history.write(contract, frame)
        self._total(output, contract, topic, frame, late)

    def _screen(
        self, topic: str, times: Longs, partitions: npt.NDArray[np.int32], logged: Longs
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None]:
        reasons = np.zeros(len(times), np.uint8)
        late: npt.NDArray[np.bool_] | None = None
        now = int(self.now() * 1_000_000)
        single = len(partitions) > 0 and partitions[0] == partitions[-1] and not np.ptp(partitions)
        for partition in partitions[:1].tolist() if single else np.unique(partitions).tolist():
            rows: Any = slice(None) if single else np.flatnonzero(partitions == partition)
            place = f"{topic}/{partition}"
            found = screen(
                times[rows], logged[rows], now, self.progress.get(place, NO_PROGRESS), self.config.limits
            )
            self.progress[place] = found.progress
            for mask, code in ((found.future, _FUTURE), (found.ancient, _ANCIENT)):
                if mask is not None:
                    reasons[rows] = np.where(mask, code, reasons[rows])
            if found.late is not None:
                late = np.zeros(len(times), np.bool_) if late is None else late
                late[rows] = found.late
        return reasons, late

    def _deduplicator(self, contract: str) -> Deduplicator:
        if contract not in self._dedupe:
            numbering = self.config.numbering.get(contract, Numbering())
            self._dedupe[contract] = Deduplicator(numbering, self.config.deduplicate)
        return self._dedupe[contract]

    def _sort_out(
        self,
        output: LaneOutput,
        contract: str,
        topic: str,
        frame: pl.DataFrame,
        reasons: npt.NDArray[np.uint8],
        late: npt.NDArray[np.bool_] | None,
        partitions: npt.NDArray[np.int32],
        logged: Longs,
    ) -> tuple[pl.DataFrame, npt.NDArray[np.bool_] | None]:
        """Take out what was refused or repeated; what remains is accepted."""
        self.counts[f"duplicates:{contract}"] += int((reasons == _CODES + DUPLICATE).sum())
        for row in np.flatnonzero((reasons > 0) & (reasons != _CODES + DUPLICATE)).tolist():
            record = frame.row(row, named=True)
            offset = record.pop("offset")
            record.pop("origin")
            reason, detail = _REASONS[int(reasons[row])]
            detail = detail.format(**record, logged=np.datetime64(int(logged[row]), "us"))
            payload = json.dumps(record, default=str).encode()
            self._bury(output, Dead(contract, topic, int(partitions[row]), offset, reason, detail, payload))
        good = reasons == 0
        return frame.filter(good), late[good] if late is not None else None

    def _bury_raw(self, output: LaneOutput, contract: str, raw: RawBatch, reject: Reject) -> None:
        row = reject.row
        place = (int(raw.partitions[row]), int(raw.offsets[row]))
        value = raw.values[row] or b""
        self._bury(output, Dead(contract, raw.topic, *place, reject.reason, reject.detail, value))

    def _bury(self, output: LaneOutput, dead: Dead) -> None:
        self.counts[f"dead:{dead.contract}:{dead.reason}"] += 1
        output.dead.append(dead)

    def _total(
        self,
        output: LaneOutput,
        contract: str,
        topic: str,
        frame: pl.DataFrame,
        late: npt.NDArray[np.bool_] | None,
    ) -> None:
        if late is not None and late.any():
            self.counts[f"late:{contract}"] += int(late.sum())
            self._adjust(output, contract, topic, frame.filter(late))
            frame = frame.filter(~late)
        if not frame.height:
            return
        linear = direct(contract, frame)
        rows = frame if linear is None else frame.filter(linear)
        if rows.height:
            output.partials.append(partial_totals(contract, rows, self.config.window, self.calendar))
        if linear is not None and rows.height < frame.height:
            output.timeline.append(timeline_rows(contract, frame.filter(~linear)))

    def _adjust(self, output: LaneOutput, contract: str, topic: str, frame: pl.DataFrame) -> None:
        """Late additions: linear rows become adjustments, the others can't be attributed any more."""
        linear = direct(contract, frame)
        rows = frame if linear is None else frame.filter(linear)
        for row in rows.iter_slices(1):
            output.late.append(partial_totals(contract, row, self.config.window, self.calendar))
        if linear is None:
            return
        for record in frame.filter(~linear).to_dicts():
            partition, offset = record.pop("origin") & 0xFFFF, record.pop("offset")
            payload = json.dumps(record, default=str).encode()
            dead = Dead(contract, topic, partition, offset, "beyond_horizon", _BEYOND, payload)
            self.counts[f"dead_after_history:{contract}:beyond_horizon"] += 1
            output.dead.append(dead)

    def _close(self, output: LaneOutput) -> None:
        output.progress = dict(self.progress)
        output.counts = dict(self.counts)

    def idle_floor(self, place: str, floor: int) -> None:
        """Let a silent partition's progress follow the wall clock from afar, so that state can be dropped."""
        if self.progress.get(place, NO_PROGRESS) > NO_PROGRESS:
            self.progress[place] = max(self.progress[place], floor)

    def expect(self, places: Iterable[str]) -> None:
        """Name the partitions (topic/number) that must be heard, or be idle, before time passes."""
        for place in places:
            self.progress.setdefault(place, NO_PROGRESS)

    def heartbeat(self, idle: Mapping[str, int] | None = None) -> LaneOutput:
        """Progress without rows; lanes send one at least once an epoch."""
        output = LaneOutput(self.name, idle=dict(idle or {}))
        self._close(output)
        return output

    def snapshot(self) -> dict[str, Any]:
        """Plain values; makes the history durable first, since the offsets say that it is."""
        return {
            "version": STATE_VERSION,
            "history": self.history.sync() if self.history is not None else None,
            "progress": dict(self.progress),
            "counts": dict(self.counts),
            "dedupe": {contract: tracker.snapshot() for contract, tracker in self._dedupe.items()},
        }

    def restore(self, state: dict[str, Any] | None) -> None:
        """Go on from a snapshot; None is a fresh start."""
        if self.history is not None:
            self.history.restore(state["history"] if state else None)
        if state is None:
            return
        self.progress = dict(state["progress"])
        self.counts = Counter(state["counts"])
        for contract, saved in state["dedupe"].items():
            self._deduplicator(contract).restore(saved)


def _origins(contract: str, partitions: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    return partitions.astype(np.int32) | np.int32(origin_code(contract, 0))


_FUTURE, _ANCIENT, _CALENDAR, _CODES = 1, 2, 3, 10
_BEYOND = "older than the correction horizon, and its order depends on events that have left the state"
_REASONS: dict[int, tuple[str, str]] = {
    _FUTURE: ("future_event_time", "event_time {event_time} is ahead of the log's time {logged}"),
    _ANCIENT: ("ancient_event_time", "event_time {event_time} is too long before the log's time {logged}"),
    _CALENDAR: ("calendar_unknown", "plant {plant} has no ShiftCalendar and settings name no default"),
    _CODES + REUSED: (
        "sequence_reused",
        "source {source} numbered a new event {sequence}, which it had used: declare a numbering scope",
    ),
    _CODES + EXPIRED: (
        "sequence_expired",
        "number {sequence} of source {source} lies in a gap that was given up",
    ),
}
