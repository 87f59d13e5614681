"""A lane: what happens to a batch between the poll and the first exchange between workers.

A lane owns a fixed set of partitions. Decoding, screening, de-duplication, history and partial totals happen
here, with state that is snapshotted together with the offsets, so raw rows never cross between processes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from operators.dedupe import UNVERIFIED, Deduplicator, Gap, Numbering
from operators.lane_output import Dead, Decoder, History, LaneOutput
from operators.lane_verdicts import (
    ANCIENT,
    BEYOND,
    CALENDAR,
    FUTURE,
    OVERSIZED,
    REPEATED,
    dead_letters,
    joined,
)
from operators.routes import adjustments, direct, origin_code, oversized, partial_totals, timeline_rows
from operators.screen import NO_PROGRESS, TimeLimits, screen
from operators.shifts import CalendarBook
from operators.windows import Window
from schemas.batch import RawBatch

__all__ = ["Dead", "Decoder", "History", "Lane", "LaneConfig", "LaneOutput"]

Longs = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]
Codes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class LaneConfig:
    """What a lane needs to know.

    Args:
        contracts: Contract by topic.
        window: How time is cut.
        limits: Limits of event times.
        numbering: How the sources of a contract number their events; the default where a contract is not
            named.
        deduplicate: False only in negative controls.
        most: Most that one event may add, in its unit or in seconds; totals are decimal(18,6) and must not
            overflow.
    """

    contracts: Mapping[str, str]
    window: Window
    limits: TimeLimits = field(default_factory=TimeLimits)
    numbering: Mapping[str, Numbering] = field(default_factory=dict)
    deduplicate: bool = True
    most: Decimal = Decimal(100_000_000)


@dataclass(slots=True)
class _Rows:
    """Rows on their way through a lane; what is per row is filtered together."""

    contract: str
    topic: str
    frame: pl.DataFrame
    partitions: Ints
    logged: Longs
    late: Bools | None = None

    def only(self, kept: Bools) -> _Rows:
        late = self.late[kept] if self.late is not None else None
        frame = self.frame.filter(kept)
        return _Rows(self.contract, self.topic, frame, self.partitions[kept], self.logged[kept], late)


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
    _floors: dict[str, int] = field(default_factory=dict)
    _dedupe: dict[str, Deduplicator] = field(default_factory=dict)

    def process(self, raw: RawBatch) -> LaneOutput:
        """Take one polled batch through all steps.

        Raises:
            Retriable: The registry is down; nothing has changed and the batch may be given again.
        """
        decoded = self.decoders[raw.topic].decode(raw)
        output, contract = LaneOutput(self.name), self.config.contracts[raw.topic]
        self.counts[f"read:{contract}"] += len(raw.values)
        for reject in decoded.rejects:
            row = reject.row
            place = (int(raw.partitions[row]), int(raw.offsets[row]))
            value = raw.values[row] or b""
            letter = Dead(contract, raw.topic, *place, reject.reason, reject.detail, value)
            self._bury(output, [letter])
        rows: Any = slice(None) if decoded.rows is None else decoded.rows
        if decoded.frame.height:
            self.accept(
                output,
                contract,
                raw.topic,
                decoded.frame,
                partitions=raw.partitions[rows],
                offsets=raw.offsets[rows],
                logged=raw.timestamps[rows] * 1000,
            )
        self._close(output)
        return output

    def accept(
        self,
        output: LaneOutput,
        contract: str,
        topic: str,
        frame: pl.DataFrame,
        *,
        partitions: Ints,
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
        self._refuse(frame, reasons)
        codes = self._repeated(output, contract, frame, times, partitions=partitions, reasons=reasons)
        reasons = joined(reasons, codes) if codes.any() else reasons
        frame = frame.with_columns(
            pl.Series("origin", partitions.astype(np.int32) | np.int32(origin_code(contract, 0))),
            pl.Series("offset", offsets),
        )
        rows = _Rows(contract, topic, frame, partitions, logged, late)
        if reasons.any():
            rows = self._sort_out(output, rows, reasons)
        if codes.any():
            self.counts[f"unverified:{contract}"] += int(((codes == UNVERIFIED) & (reasons == 0)).sum())
        self.counts[f"accepted:{contract}"] += rows.frame.height
        if self.history is not None and rows.frame.height:
            self.history.write(contract, rows.frame)
        self._total(output, rows)

    def _screen(self, topic: str, times: Longs, partitions: Ints, logged: Longs) -> tuple[Codes, Bools | None]:
        """Reasons by time per row, and which rows are late additions; moves the partitions' progress."""
        reasons = np.zeros(len(times), np.uint8)
        late: Bools | None = None
        now = int(self.now() * 1_000_000)
        single = not np.ptp(partitions)
        for partition in partitions[:1].tolist() if single else np.unique(partitions).tolist():
            rows: Any = slice(None) if single else np.flatnonzero(partitions == partition)
            place = f"{topic}/{partition}"
            before = self.progress.get(place, NO_PROGRESS)
            found = screen(times[rows], logged[rows], now, before, self.config.limits)
            self.progress[place] = found.progress
            for mask, code in ((found.future, FUTURE), (found.ancient, ANCIENT)):
                if mask is not None:
                    reasons[rows] = np.where(mask, code, reasons[rows])
            if found.late is not None:
                late = np.zeros(len(times), np.bool_) if late is None else late
                late[rows] = found.late
        return reasons, late

    def _refuse(self, frame: pl.DataFrame, reasons: Codes) -> None:
        """Add the reasons that lie in a row itself."""
        unknown = self.calendar.unknown(frame)
        if unknown.any():
            reasons[unknown.to_numpy() & (reasons == 0)] = CALENDAR
        large = oversized(frame, self.config.most)
        if large is not None:
            reasons[large & (reasons == 0)] = OVERSIZED

    def _repeated(
        self,
        output: LaneOutput,
        contract: str,
        frame: pl.DataFrame,
        times: Longs,
        *,
        partitions: Ints,
        reasons: Codes,
    ) -> Codes:
        """Verdict per row; a refused row takes no number, since its source may send it again mended."""
        deduplicator = self._deduplicator(contract)
        if not reasons.any():
            codes, gaps = deduplicator.judge(frame, times, partitions)
        else:
            good = reasons == 0
            codes = np.zeros(len(reasons), np.uint8)
            codes[good], gaps = deduplicator.judge(frame.filter(good), times[good], partitions[good])
        output.gaps.extend(gaps)
        return codes

    def _deduplicator(self, contract: str) -> Deduplicator:
        if contract not in self._dedupe:
            numbering = self.config.numbering.get(contract, Numbering())
            self._dedupe[contract] = Deduplicator(numbering, self.config.deduplicate)
        return self._dedupe[contract]

    def _sort_out(self, output: LaneOutput, rows: _Rows, reasons: Codes) -> _Rows:
        """Take out what was refused or repeated; what remains is accepted."""
        self.counts[f"duplicates:{rows.contract}"] += int((reasons == REPEATED).sum())
        refused = (reasons > 0) & (reasons != REPEATED)
        if refused.any():
            bad = rows.only(refused)
            letters = dead_letters(bad.contract, bad.topic, bad.frame, reasons[refused], bad.logged)
            self._bury(output, letters)
        return rows.only(reasons == 0)

    def _bury(self, output: LaneOutput, letters: Iterable[Dead], after: str = "dead") -> None:
        for letter in letters:
            self.counts[f"{after}:{letter.contract}:{letter.reason}"] += 1
            output.dead.append(letter)

    def _total(self, output: LaneOutput, rows: _Rows) -> None:
        contract, frame = rows.contract, rows.frame
        if rows.late is not None and rows.late.any():
            self.counts[f"late:{contract}"] += int(rows.late.sum())
            self._adjust(output, rows.only(rows.late))
            frame = frame.filter(~rows.late)
        if not frame.height:
            return
        linear = direct(contract, frame)
        plain = frame if linear is None else frame.filter(linear)
        if plain.height:  # states have no quantities to add up
            partials = partial_totals(contract, plain, self.config.window, self.calendar)
            if partials.height:
                output.partials.append(partials)
        if linear is not None and plain.height < frame.height:
            output.timeline.append(timeline_rows(contract, frame.filter(~linear)))

    def _adjust(self, output: LaneOutput, rows: _Rows) -> None:
        """Late additions: linear rows become adjustments, the others can't be attributed any more."""
        linear = direct(rows.contract, rows.frame)
        mask = np.ones(rows.frame.height, np.bool_) if linear is None else linear.to_numpy()
        if mask.any():
            plain = rows.frame.filter(mask)
            late = adjustments(rows.contract, rows.topic, plain, self.config.window, self.calendar)
            if late.height:
                output.late.append(late)
        lost = rows.only(~mask)
        reasons = np.full(lost.frame.height, BEYOND, np.uint8)
        letters = dead_letters(lost.contract, lost.topic, lost.frame, reasons, lost.logged)
        self._bury(output, letters, "dead_after_history")

    def _close(self, output: LaneOutput) -> None:
        output.progress = dict(self.progress)
        output.counts = dict(self.counts)

    def idle_floor(self, place: str, floor: int) -> None:
        """Let a silent partition's progress follow the wall clock from afar, so that state can be dropped.

        Counts from the next snapshot on: what a row is judged by must not change between a row and its
        replay.
        """
        self._floors[place] = floor

    def expect(self, places: Iterable[str]) -> None:
        """Name the partitions (topic/number) that must be heard, or be idle, before time passes."""
        for place in places:
            self.progress.setdefault(place, NO_PROGRESS)

    def heartbeat(self, idle: Mapping[str, int] | None = None) -> LaneOutput:
        """Progress without rows; lanes send one at least once an epoch."""
        output = LaneOutput(self.name, idle=dict(idle or {}))
        self._close(output)
        return output

    def missing(self) -> list[Gap]:
        """Numbers of sources that were skipped and have not arrived so far."""
        return [gap for tracker in self._dedupe.values() for gap in tracker.sequences.missing()]

    def snapshot(self) -> dict[str, Any]:
        """Plain values; makes the history durable first, since the offsets say that it is."""
        for place, floor in self._floors.items():
            self.progress[place] = max(self.progress.get(place, NO_PROGRESS), floor)
        self._floors.clear()
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
