"""The rules as Bytewax steps. In this package only `*streaming.py` know the engine.

State is keyed by shard and window slot: the engine writes the whole state of every key touched in an epoch and keeps
a row for every key ever seen, so keys are few, fixed and touched only when their window is.

| step | unit of parallelism | delivery |
|---|---|---|
| clock | one key | exactly-once state |
| timeline | work-centre shard | released one epoch later, from durable state |
| totals | order shard and window slot | exactly-once state, announced at least once |
| documents | order shard | as totals; the revision makes repeats harmless |
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import bytewax.operators as op
import polars as pl
from bytewax.dataflow import Stream
from bytewax.operators import KeyedStream

from millrace.metrics.held import Held
from operators.base_streaming import DocumentsLogic, Emit, Logic, SlotLogic, second, ticked
from operators.clock import Clock, Tick
from operators.documents import DocumentConfig, Documents, DocumentsOutput
from operators.lane import LaneOutput
from operators.layout import Layout
from operators.reference_lane import ReferenceOutput
from operators.shifts import CalendarBook
from operators.timeline import TIMELINE, Timeline, TimelineConfig
from operators.timeline import Output as TimelineOutput
from operators.timeline_batch import TimelineBatch
from operators.totals import Totals

_NO_ORPHANS = pl.DataFrame(schema=TIMELINE)


@dataclass(frozen=True, slots=True)
class Streams:
    """What comes out of a confirmations flow, each item one batch."""

    lanes: Stream[LaneOutput]
    documents: Stream[DocumentsOutput]
    timelines: Stream[TimelineBatch]


class TimelineLogic(Logic):
    """Timelines of one shard of work centres."""

    def __init__(
        self, config: TimelineConfig, calendar: CalendarBook, hold: bool, state: dict[str, Any] | None
    ) -> None:
        self._config, self._calendar, self._hold = config, calendar, hold
        self._made: Timeline | None = None
        if state is not None:
            self._timeline.restore(state)

    @property
    def _timeline(self) -> Timeline:
        if self._made is None:
            self._made = Timeline(self._config, self._calendar, self._hold)
        return self._made

    def on_batch(self, values: list[pl.DataFrame | Tick]) -> Emit:
        """Input of a new epoch proves that the last snapshot is durable, so release comes first."""
        rows = [value for value in values if isinstance(value, pl.DataFrame)]
        if self._made is None and not rows:
            return [], True  # a shard that no work centre uses keeps no state
        outputs = [self._timeline.release()]
        orphans = [self._timeline.add(value) for value in rows]
        ticks = [value for value in values if isinstance(value, Tick)]
        if ticks:
            outputs.append(self._timeline.recompute())
            self._timeline.evict(ticks[-1].frontier)
        return self._batch(outputs, orphans), False

    @staticmethod
    def _batch(outputs: list[TimelineOutput], orphans: list[pl.DataFrame]) -> list[TimelineBatch]:
        made = [output for output in outputs if not output.empty]
        lost = [rows for rows in orphans if rows.height]
        if not made and not lost:
            return []
        return [TimelineBatch(TimelineOutput.joined(made), pl.concat(lost) if lost else _NO_ORPHANS)]

    def flush(self) -> list[Any]:
        """Everything is computed and handed out."""
        if self._made is None:
            return []
        return self._batch([self._timeline.release(), self._timeline.recompute()], [])

    def snapshot(self) -> dict[str, Any]:
        """Versioned plain values."""
        return self._timeline.snapshot()


class TotalsLogic(SlotLogic[Totals]):
    """Totals of one shard and slot."""

    def __init__(self, layout: Layout, state: dict[str, Any] | None) -> None:
        self._held = Held()
        super().__init__(Totals(layout.window), state)

    def on_batch(self, values: list[Any]) -> Emit:
        """Rows are kept; ticks and changed orders announce."""
        emit = super().on_batch(values)
        self._held.count = self._totals.open_windows
        return emit

    def _take(self, value: Any) -> Iterable[Any]:
        if isinstance(value, Tick):
            return [self._totals.tick(value.watermark, value.frontier)]
        if isinstance(value, ReferenceOutput):
            self._totals.end(value.ended)
            return [value, self._totals.touch(value.touched)]
        if "part" in value.columns:
            self._totals.contribute(value)
        else:
            self._totals.add(value)
        return []


def confirmations_flow(
    lanes: Stream[LaneOutput],
    references: Stream[ReferenceOutput],
    layout: Layout,
    clock: Clock,
    timeline: TimelineConfig,
    documents: DocumentConfig,
    hold: bool = True,
) -> Streams:
    """From lanes and reference data to documents.

    Args:
        lanes: Batches as lanes made them.
        references: Orders and materials.
        layout: Shards and slots; part of the state.
        clock: A fresh clock; restored from the snapshot.
        timeline: Policies of jobs, counters and states.
        documents: How documents are made.
        hold: Announce what a crash could make untrue only from durable state; False without recovery.
    """
    ticks = ticked(lanes, clock, layout)
    rows = op.flat_map("timeline_rows", lanes, lambda o: layout.by_work_center(o.timeline))
    timelines: KeyedStream[TimelineBatch] = op.stateful_batch(
        "timeline",
        op.merge("timeline_input", rows, op.filter("timeline_ticks", ticks, layout.is_timeline)),
        lambda s: TimelineLogic(timeline, layout.calendar, hold, s),
    )
    contributed = op.flat_map("contributions", timelines, lambda kv: layout.by_slot([kv[1].output.contributions]))
    partials = op.flat_map("partials", lanes, lambda o: layout.by_slot(o.partials))
    touches = op.flat_map("touches", references, layout.touches)
    totals = op.stateful_batch(
        "totals",
        op.merge("totals_input", partials, contributed, touches, op.filter("slot_ticks", ticks, layout.is_slot)),
        lambda s: TotalsLogic(layout, s),
    )
    due = op.map("due", totals, lambda kv: (layout.shard_of(kv[0]), kv[1]))
    late = op.flat_map("late", lanes, lambda o: layout.adjustments(o.late))
    orders = op.flat_map("orders", references, layout.references)
    made = op.stateful_batch(
        "documents",
        op.merge("documents_input", due, late, orders, op.filter("shard_ticks", ticks, layout.is_shard)),
        lambda s: DocumentsLogic(Documents(documents), DocumentsOutput, s),
    )
    return Streams(lanes, op.map("made", made, second), op.map("timelines", timelines, second))
