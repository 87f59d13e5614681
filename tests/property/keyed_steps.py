"""Stateful steps as the engine drives them: keys, epochs, timers, and what a crash leaves.

The engine writes the state of those keys alone that were touched in an epoch, and makes each key anew from what it
wrote. So does this; a logic is never asked for its state twice without having been touched in between.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from operators.base_streaming import DocumentsLogic, Emit
from operators.clock import Tick

Keyed = tuple[str, Any]


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


class ChangedByRowsAlone(DocumentsLogic[Any]):
    """Naive: writes the state that it was started from again while only time passes."""

    def __init__(self, documents: Any, output: Any, state: dict[str, Any] | None) -> None:
        super().__init__(documents, output, state)
        self._known = state

    def on_batch(self, values: list[Any]) -> Any:
        """Forget the state with rows, and write it anew from then on."""
        if not all(isinstance(value, Tick) for value in values):
            self._known = None
        return super().on_batch(values)

    def snapshot(self) -> dict[str, Any]:
        """As it was read, or anew."""
        return super().snapshot() if self._known is None else self._known


__all__ = ["ChangedByRowsAlone", "KeyedStep", "StepLogic"]
