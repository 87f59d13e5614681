"""Steps that every flow has: the clock, totals by slot, documents by shard of orders."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

import bytewax.operators as op
from bytewax.dataflow import Stream
from bytewax.operators import KeyedStream, StatefulBatchLogic

from millrace.shutdown import draining
from operators.clock import Clock, Tick
from operators.lane import LaneOutput
from operators.layout import Layout

REVISE_AFTER = timedelta(seconds=1)
Emit = tuple[list[Any], bool]


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


class SlotTotals(Protocol):
    """Totals of one shard and slot, whatever they add up."""

    @property
    def dirty(self) -> bool:
        """Whether something announced has changed since."""

    def revise(self) -> Any:
        """What is to be announced again; None for nothing."""

    def flush(self) -> Any:
        """What closes at the end of a finite input; None for nothing."""

    def snapshot(self) -> dict[str, Any]:
        """Versioned plain values."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `snapshot` gave."""


Totals = TypeVar("Totals", bound=SlotTotals)


class SlotLogic(Logic, Generic[Totals]):
    """Totals of one shard and slot; late rows are announced together, a moment later."""

    def __init__(self, totals: Totals, state: dict[str, Any] | None) -> None:
        self._totals = totals
        self._revise_at: datetime | None = None
        if state is not None:
            self._totals.restore(state)
            self._later()

    def on_batch(self, values: list[Any]) -> Emit:
        """Rows are kept; ticks and changed reference data announce."""
        out = [each for value in values for each in self._take(value)]
        self._later()
        return kept(out), False

    def _take(self, value: Any) -> Iterable[Any]:
        """What one value of the input leads to; None for nothing."""
        raise NotImplementedError

    def _later(self) -> None:
        if self._totals.dirty and self._revise_at is None:
            self._revise_at = datetime.now(UTC) + REVISE_AFTER

    def on_notify(self) -> Emit:
        """Announce revisions."""
        self._revise_at = None
        return kept([self._totals.revise()]), False

    def flush(self) -> list[Any]:
        """Every window closes."""
        return kept([self._totals.flush()])

    def notify_at(self) -> datetime | None:
        """When revisions are due."""
        return self._revise_at

    def snapshot(self) -> dict[str, Any]:
        """Versioned plain values."""
        return self._totals.snapshot()


class Announcement(Protocol):
    """What a batch led to."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to announce."""


Output = TypeVar("Output", bound=Announcement)
Told_contra = TypeVar("Told_contra", bound=Announcement, contravariant=True)


class ShardDocuments(Protocol[Told_contra]):
    """Documents of one shard of orders, whatever they book."""

    def batch(self, values: list[Any], output: Told_contra) -> None:
        """Take what came together."""

    def flush(self, output: Told_contra) -> None:
        """Give up what still waits."""

    def snapshot(self) -> dict[str, Any]:
        """Versioned plain values."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `snapshot` gave."""


class DocumentsLogic(Logic, Generic[Output]):
    """Documents of one shard of orders."""

    def __init__(
        self, documents: ShardDocuments[Output], output: Callable[[], Output], state: dict[str, Any] | None
    ) -> None:
        self._documents, self._output = documents, output
        if state is not None:
            self._documents.restore(state)

    def on_batch(self, values: list[Any]) -> Emit:
        """All that came together is taken as one."""
        output = self._output()
        self._documents.batch(values, output)
        return [] if output.empty else [output], False

    def flush(self) -> list[Any]:
        """What still waits is given up."""
        output = self._output()
        self._documents.flush(output)
        return [] if output.empty else [output]

    def snapshot(self) -> dict[str, Any]:
        """Versioned plain values."""
        return self._documents.snapshot()


def ticked(lanes: Stream[LaneOutput], clock: Clock, layout: Layout) -> KeyedStream[Tick]:
    """The steps `progress`, `clock` and `ticked`: what lanes tell of time, as ticks by the key that they concern."""
    heard = op.map("progress", lanes, lambda o: ("clock", LaneOutput(o.lane, progress=o.progress, idle=o.idle)))
    return op.map("ticked", op.stateful_batch("clock", heard, lambda s: ClockLogic(clock, layout, s)), second)


def kept(items: Iterable[Any]) -> list[Any]:
    """Without None."""
    return [item for item in items if item is not None]


def second(pair: tuple[str, Any]) -> Any:
    """A keyed item without its key."""
    return pair[1]
