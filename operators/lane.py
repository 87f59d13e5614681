"""A lane: what happens to a batch between the poll and the first exchange between workers.

A lane owns a fixed set of partitions. Decoding, screening, de-duplication, history and partial totals happen
here, with state that is snapshotted together with the offsets, so raw rows never cross between processes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from operators.dedupe import UNVERIFIED, Deduplicator, Gap, Numbering
from operators.lane_config import LaneConfig
from operators.lane_output import Dead, Decoder, History, LaneOutput
from operators.lane_rows import Codes, Ints, Longs, Rows
from operators.lane_screening import refuse_by_content, refuse_by_time
from operators.lane_sorting import bury, sort_out
from operators.lane_verdicts import joined
from operators.routes import origin_code
from operators.screen import NO_PROGRESS
from operators.shifts import CalendarBook
from schemas.batch import DecodedBatch, RawBatch, Reject
from schemas.mapping import MappedJson

__all__ = ["Dead", "Decoder", "Lane", "LaneConfig", "LaneOutput"]

STATE_VERSION = 1


@dataclass(slots=True)
class Lane:
    """The rules of one lane and their state; knows neither engine nor broker."""

    name: str
    config: LaneConfig
    decoders: Mapping[str, Decoder]
    calendar: CalendarBook
    history: History | None = None
    mapped: Mapping[str, MappedJson] = field(default_factory=dict)
    now: Callable[[], float] = time.time
    progress: dict[str, int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    _floors: dict[str, int] = field(default_factory=dict)
    _contexts: dict[str, Any] = field(default_factory=dict)
    _dedupe: dict[str, Deduplicator] = field(default_factory=dict)

    def process(self, raw: RawBatch) -> LaneOutput:
        """Take one polled batch through all steps.

        Raises:
            Retriable: The registry is down, or the history has no room; nothing has changed and the batch may be
                given again.
        """
        if self.history is not None:
            self.history.admit()
        if raw.topic in self.mapped:
            return self._process_mapped(raw)
        decoded = self.decoders[raw.topic].decode(raw)
        output, contract = LaneOutput(self.name), self.config.contracts[raw.topic]
        self.counts[f"read:{contract}"] += len(raw.values)
        bury(output, self.counts, [_refused(contract, raw, reject) for reject in decoded.rejects])
        self._accept_decoded(output, contract, raw, decoded)
        self._close(output)
        return output

    def _process_mapped(self, raw: RawBatch) -> LaneOutput:
        """A topic of foreign JSON: a record may make rows of several contracts, or be left out on purpose."""
        output, name = LaneOutput(self.name), raw.topic
        records = self.mapped[name].decode(raw, self._contexts.get(name))
        self._contexts[name] = records.state
        self.counts[f"read:{name}"] += len(raw.values)
        self.counts[f"filtered:{name}"] += records.filtered
        bury(output, self.counts, [_refused(name, raw, reject) for reject in records.rejects])
        for contract, decoded in records.batches.items():
            self.counts[f"read:{contract}"] += decoded.frame.height
            self._accept_decoded(output, contract, raw, decoded)
        self._close(output)
        return output

    def _accept_decoded(self, output: LaneOutput, contract: str, raw: RawBatch, decoded: DecodedBatch) -> None:
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
        now, limits = int(self.now() * 1_000_000), self.config.limits
        reasons, late = refuse_by_time(topic, times, partitions, logged, progress=self.progress, now=now, limits=limits)
        refuse_by_content(frame, reasons, self.calendar, self.config.most, limits)
        codes = self._repeated(output, contract, frame, times, partitions=partitions, reasons=reasons)
        reasons = joined(reasons, codes) if codes.any() else reasons
        frame = frame.with_columns(
            pl.Series("origin", partitions.astype(np.int32) | np.int32(origin_code(contract, 0))),
            pl.Series("offset", offsets),
        )
        rows = Rows(contract, topic, frame, partitions, logged, late)
        if reasons.any():
            rows = sort_out(output, self.counts, rows, reasons)
        if codes.any():
            self.counts[f"unverified:{contract}"] += int(((codes == UNVERIFIED) & (reasons == 0)).sum())
        self.counts[f"accepted:{contract}"] += rows.frame.height
        if self.history is not None and rows.frame.height:
            self.history.write(contract, rows.frame)
        self.config.route(output, self.counts, rows, self.config.window, self.calendar)

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
        if self.history is not None:
            output.notices = self.history.notices()
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
            "contexts": dict(self._contexts),
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
        self._contexts = dict(state["contexts"])
        for contract, saved in state["dedupe"].items():
            self._deduplicator(contract).restore(saved)


def _refused(name: str, raw: RawBatch, reject: Reject) -> Dead:
    """A record that can't be read, with its place and bytes."""
    place = (int(raw.partitions[reject.row]), int(raw.offsets[reject.row]))
    return Dead(name, raw.topic, *place, reject.reason, reject.detail, raw.values[reject.row] or b"")
