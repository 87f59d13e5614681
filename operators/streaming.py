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
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import polars as pl
from bytewax.dataflow import Stream
from bytewax.operators import KeyedStream, StatefulBatchLogic

from millrace.metrics.held import Held
from millrace.shutdown import draining
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

REVISE_AFTER = timedelta(seconds=1)
Emit = tuple[list[Any], bool]
_NO_ORPHANS = pl.DataFrame(schema=TIMELINE)


@dataclass(frozen=True, slots=True)
class Streams:
    """What comes out of a confirmations flow, each item one batch."""

    lanes: Stream[LaneOutput]
    documents: Stream[DocumentsOutput]
    timelines: Stream[TimelineBatch]


class Logic(StatefulBatchLogic[Any, Any, dict[str, Any]]):
    """A step that is moved by its input alone, unless it says otherwise."""

    def on_notify(self) -> Emit:
        """The time asked for has come."""
        return [], False

    def on_eof(self) -> Emit:
        """The input has ended: a finite one is flushed, a drained flow keeps what it holds."""
        return ([] if draining.is_set() else self.flush()), False

    def flush(self) -> list[Any]:
        """What is left to announce at the end of a finite input."""
        return []

    def notify_at(self) -> datetime | None:
        """When to be woken without input."""
        return None


class ClockLogic(Logic):
    """Turns progress into ticks for the keys that are concerned."""

    def __init__(self, clock: Clock, layout: Layout, state: dict[str, Any] | None) -> None:
        self._clock, self._layout = clock, layout
        self._sent = Tick(-(2**62), -(2**62))
        self._new_epoch = True
        if state is not None:
            clock.restore(state["clock"])
            self._sent = Tick(*state["sent"])

    def on_batch(self, values: list[LaneOutput]) -> Emit:
        """One tick per batch at most; at the first input of an epoch the holders may release."""
        for output in values:
            self._clock.heard(output)
        tick = self._clock.tick()
        keys = self._layout.slots_due(self._sent.watermark, tick.watermark)
        if self._new_epoch:
            keys = [*keys, *self._layout.holders()]
        self._new_epoch = False
        if keys:
            self._sent = tick
        return [(key, tick) for key in keys], False

    def snapshot(self) -> dict[str, Any]:
        """Plain values."""
        self._new_epoch = True
        return {"clock": self._clock.snapshot(), "sent": (self._sent.watermark, self._sent.frontier)}


class TimelineLogic(Logic):
    """Timelines of one shard of work centres."""

    def __init__(
        self, config: TimelineConfig, calendar: CalendarBook, hold: bool, state: dict[str, Any] | None
    ) -> None:
        self._config, self._calendar, self._hold = config, calendar, hold
        self._made: Timeline | None = None
        self._saved = state
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
        if rows or not outputs[0].empty:
            self._saved = None
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
        if self._saved is None:
            self._saved = self._timeline.snapshot()
            if self._timeline.pending:
                saved, self._saved = self._saved, None
                return saved
        return self._saved


class TotalsLogic(Logic):
    """Totals of one shard and slot."""

    def __init__(self, layout: Layout, state: dict[str, Any] | None) -> None:
        self._totals = Totals(layout.window)
        self._held = Held()
        self._revise_at: datetime | None = None
        if state is not None:
            self._totals.restore(state)
            self._later()

    def on_batch(self, values: list[Any]) -> Emit:
        """Rows are kept; ticks and changed orders announce."""
        out: list[Any] = []
        for value in values:
            if isinstance(value, Tick):
                out.append(self._totals.tick(value.watermark, value.frontier))
            elif isinstance(value, ReferenceOutput):
                self._totals.end(value.ended)
                out += [value, self._totals.touch(value.touched)]
            elif "part" in value.columns:
                self._totals.contribute(value)
            else:
                self._totals.add(value)
        self._later()
        self._held.count = self._totals.open_windows
        return [o for o in out if o is not None], False

    def _later(self) -> None:
        """Late rows are announced together, a moment later."""
        if self._totals.dirty and self._revise_at is None:
            self._revise_at = datetime.now(UTC) + REVISE_AFTER

    def on_notify(self) -> Emit:
        """Announce revisions."""
        self._revise_at = None
        return _kept([self._totals.revise()]), False

    def flush(self) -> list[Any]:
        """Every window closes."""
        return _kept([self._totals.flush()])

    def notify_at(self) -> datetime | None:
        """When revisions are due."""
        return self._revise_at

    def snapshot(self) -> dict[str, Any]:
        """Versioned plain values."""
        return self._totals.snapshot()


class DocumentsLogic(Logic):
    """Documents of one shard of orders."""

    def __init__(self, config: DocumentConfig, state: dict[str, Any] | None) -> None:
        self._documents = Documents(config)
        if state is not None:
            self._documents.restore(state)

    def on_batch(self, values: list[Any]) -> Emit:
        """All that came together is taken as one."""
        output = DocumentsOutput()
        self._documents.batch(values, output)
        return [] if output.empty else [output], False

    def flush(self) -> list[Any]:
        """What still waits is given up."""
        output = DocumentsOutput()
        self._documents.flush(output)
        return [] if output.empty else [output]

    def snapshot(self) -> dict[str, Any]:
        """Versioned plain values."""
        return self._documents.snapshot()


def _kept(items: Iterable[Any]) -> list[Any]:
    return [item for item in items if item is not None]


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
    heard = op.map("progress", lanes, lambda o: ("clock", LaneOutput(o.lane, progress=o.progress, idle=o.idle)))
    ticks = op.map("ticked", op.stateful_batch("clock", heard, lambda s: ClockLogic(clock, layout, s)), _second)
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
        lambda s: DocumentsLogic(documents, s),
    )
    return Streams(lanes, op.map("made", made, _second), op.map("timelines", timelines, _second))


def _second(pair: tuple[str, Any]) -> Any:
    return pair[1]
