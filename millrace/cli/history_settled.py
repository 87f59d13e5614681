"""Which raw files their flow can never remove again, read from its recovery store.

At its next start a flow goes on from the last snapshot that all its workers finished, and removes files of its lanes
numbered at or above what that snapshot says. The store only moves forward, so what lies below stays.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dataflows.state_store import finished, plain

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class States:
    """What recovery stores and retired generations say.

    Args:
        numbers: By `<generation>-<lane>` the number below which files are final, and in the store if there is one.
        written: The same with what waits in a spool.
        retired: Generations that no flow will ever go on from: all their files are final.
        progress: Newest judged event time by topic, the minimum over its partitions, microseconds.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    retired: frozenset[str] = frozenset()
    progress: dict[str, int] = field(default_factory=dict)

    def settled(self, writer: str) -> int:
        """Number below which the files of `<flow>-<generation>-<lane>` are final."""
        return self._below(writer, self.numbers)

    def kept(self, writer: str) -> int:
        """The same for files in a spool: number below which their flow will not write them anew."""
        return self._below(writer, self.written)

    def _below(self, writer: str, numbers: dict[str, int]) -> int:
        if any(f"-{generation}-" in writer for generation in self.retired):
            return 10**10
        return next((number for name, number in numbers.items() if writer.endswith(f"-{name}")), 0)

    def complete_up_to(self, topic: str) -> datetime | None:
        """Event time that every partition of the topic has reached; None when nobody knows."""
        reached = self.progress.get(topic)
        return None if reached is None else _EPOCH + timedelta(microseconds=reached)


def read_states(stores: Sequence[Path], retired: Sequence[str], patience: float = 10.0) -> States:
    """Read recovery stores; flows may be running on them.

    What lanes had reached counts once an object store has the files of that moment. Where their spool does not
    empty in `patience` seconds, nobody knows what is complete, and `progress` is empty.

    Raises:
        Misconfigured: A folder is no recovery store.
    """
    first = last = _read(stores, retired)
    until = time.monotonic() + patience
    while not all(last.numbers.get(writer, 0) >= number for writer, number in first.written.items()):
        if time.monotonic() > until:
            return replace(last, progress={})
        time.sleep(0.2)
        last = _read(stores, retired)
    return replace(last, progress=first.progress)


def _read(stores: Sequence[Path], retired: Iterable[str]) -> States:
    states = States(retired=frozenset(retired))
    for store in stores:
        for lane in _lane_states(store):
            _add(states, lane)
    return states


def _add(states: States, lane: dict[str, Any]) -> None:
    name, state = lane["name"], lane["state"]
    if state["history"] is not None:
        writer, number = f"{state['history']['generation']}-{name}", int(state["history"]["number"])
        states.written[writer] = number
        states.numbers[writer] = min(number, state["history"].get("uploaded", number))
    for place, reached in state["progress"].items():
        topic = place.rpartition("/")[0]
        if reached >= 0:
            states.progress[topic] = min(states.progress.get(topic, reached), int(reached))


def _lane_states(store: Path) -> list[dict[str, Any]]:
    """The newest finished snapshot of each lane."""
    return [
        {"name": row.key, "state": state["lane"]}
        for row in finished(store, "%.events")
        if "history" in (state := _unpack(row.packed))["lane"]
    ]


def _unpack(packed: bytes) -> dict[str, Any]:
    state = plain(packed)
    return state if isinstance(state, dict) and isinstance(state.get("lane"), dict) else {"lane": {}}
