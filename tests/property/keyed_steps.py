"""Stateful steps as the engine drives them: keys, epochs, timers, and what a crash leaves.

The engine writes the state of those keys alone that were touched in an epoch, and makes each key anew from what it
wrote. So does this; a logic is never asked for its state twice without having been touched in between.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from operators.base_streaming import DocumentsLogic, Emit
from operators.clock import Tick
from operators.lane import LaneOutput
from operators.layout import Keyed, Layout
from operators.replenishment_arrivals import Arrived


class StepLogic(Protocol):
    """What the engine calls of `StatefulBatchLogic`."""

    def on_batch(self, values: list[Any]) -> Emit: ...

    def on_notify(self) -> Emit: ...

    def on_eof(self) -> Emit: ...

    def notify_at(self) -> Any: ...

    def snapshot(self) -> Any: ...


class KeyedStep:
    """One step in one life.

    Args:
        build: Makes the logic of a key from its state, or from None.
        store: What is durable of each key; outlives this life.
    """

    def __init__(self, build: Callable[[Any], StepLogic], store: dict[str, bytes]) -> None:
        self._build, self._store = build, store
        self._logics = {key: build(pickle.loads(state)) for key, state in store.items()}  # noqa: S301 - our own
        self._touched: set[str] = set()

    def take(self, keyed: Iterable[Keyed]) -> list[Keyed]:
        """Each key gets what is for it as one batch."""
        by_key: dict[str, list[Any]] = {}
        for key, value in keyed:
            by_key.setdefault(key, []).append(value)
        return [each for key, values in by_key.items() for each in self._emitted(key, self._of(key).on_batch(values))]

    def fire(self) -> list[Keyed]:
        """All timers that are set run off."""
        due = [key for key, logic in self._logics.items() if logic.notify_at() is not None]
        return [each for key in due for each in self._emitted(key, self._logics[key].on_notify())]

    def end(self) -> list[Keyed]:
        """The input ends."""
        return [each for key in list(self._logics) for each in self._emitted(key, self._logics[key].on_eof())]

    def _of(self, key: str) -> StepLogic:
        if key not in self._logics:
            self._logics[key] = self._build(None)
        return self._logics[key]

    def _emitted(self, key: str, emit: Emit) -> list[Keyed]:
        values, gone = emit
        self._touched.add(key)
        if gone:
            del self._logics[key]
        return [(key, value) for value in values]

    def snapshot(self) -> None:
        """The end of an epoch: what was touched is written."""
        for key in self._touched:
            if key in self._logics:
                self._store[key] = pickle.dumps(self._logics[key].snapshot())
            else:
                self._store.pop(key, None)
        self._touched = set()


@dataclass(frozen=True, slots=True)
class SlotSteps:
    """The steps of a flow that has slots, in one life: clock, totals by slot, documents by shard."""

    layout: Layout
    clock: KeyedStep
    totals: KeyedStep
    documents: KeyedStep

    def take(
        self,
        chance: random.Random,
        outputs: Sequence[LaneOutput],
        to_slots: Sequence[Keyed] = (),
        to_shards: Sequence[Keyed] = (),
        *,
        fires: bool = False,
        closed: Callable[[Any], Any] = lambda value: value,
    ) -> list[Any]:
        """What sources gave goes through the steps; what comes to a step by different ways comes in any order.

        Args:
            chance: Says in which.
            outputs: Of lanes.
            to_slots: What reference data has to tell slots.
            to_shards: What it has to tell shards.
            fires: All timers of slots run off.
            closed: What a shard is told of what a slot announces.
        """
        heard = [LaneOutput(each.lane, progress=each.progress, idle=each.idle) for each in outputs]
        ticks: list[Keyed] = [pair for _, pair in self.clock.take([("clock", each) for each in heard])]
        rows = [keyed for each in outputs for keyed in self.layout.by_slot(each.partials)]
        late = [keyed for each in outputs for keyed in self.layout.adjustments(each.late)]
        slot_ticks, shard_ticks = (list(filter(mine, ticks)) for mine in (Layout.is_slot, Layout.is_shard))
        due: list[Keyed] = []
        for values in chance.sample([rows, to_slots, slot_ticks], 3):
            due += self.totals.take(values)
        due += self.totals.fire() if fires else []
        announced = [(self.layout.shard_of(key), closed(value)) for key, value in due]
        found: list[Any] = []
        for keyed in chance.sample([announced, [*late, *to_shards], shard_ticks], 3):
            found += [output for _, output in self.documents.take(keyed)]
        return found

    def snapshot(self) -> None:
        """The end of an epoch."""
        for step in (self.clock, self.totals, self.documents):
            step.snapshot()


class WrittenAgain:
    """Naive, as the first base of a logic: writes the state that it was started from again while only time passes."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._known = more["state"] if "state" in more else arguments[-1]

    def on_batch(self, values: list[Any]) -> Any:
        """Forget the state with rows, and write it anew from then on."""
        if not all(map(_is_time, values)):
            self._known = None
        return super().on_batch(values)  # type: ignore[misc]

    def snapshot(self) -> Any:
        """As it was read, or anew."""
        return super().snapshot() if self._known is None else self._known  # type: ignore[misc]


def _is_time(value: Any) -> bool:
    if isinstance(value, Arrived):
        return not value.rows and not value.materials
    return isinstance(value, Tick)


class ChangedByRowsAlone(WrittenAgain, DocumentsLogic[Any]):
    """Documents that are so naive."""


__all__ = ["ChangedByRowsAlone", "KeyedStep", "SlotSteps", "StepLogic", "WrittenAgain"]
