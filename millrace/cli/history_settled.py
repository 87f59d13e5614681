"""Which raw files their flow can never remove again, read from its recovery store.

At its next start a flow goes on from the last snapshot that all its workers finished, and removes files of its lanes
numbered at or above what that snapshot says. The store only moves forward, so what lies below stays.
"""

from __future__ import annotations

import io
import pickle
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dataflows.unfinished_epochs import PARTITIONS, resume_epoch
from millrace.errors import Misconfigured

ATTEMPTS = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LANES = "SELECT state_key, snap_epoch, ser_change FROM snaps WHERE step_id LIKE '%.events' AND ser_change IS NOT NULL"


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
        if any(f"-{generation}-" in writer for generation in self.retired):
            return 10**10
        return next((number for name, number in self.numbers.items() if writer.endswith(f"-{name}")), 0)

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
    """The newest finished snapshot of each lane.

    Snapshots that are superseded are removed while we look, so a lane that has only younger ones is looked for again.
    """
    parts = sorted(store.glob(PARTITIONS))
    if not parts:
        raise Misconfigured(f"{store}: is no recovery store of a flow")
    newest: dict[str, tuple[int, bytes]] = {}
    for _ in range(ATTEMPTS):
        epoch = resume_epoch(parts)
        found = [row for part in parts for row in _rows(part)]
        newest = {}
        for name, at, packed in sorted(row for row in found if row[1] < epoch):
            newest[name] = (at, packed)
        if newest.keys() == {name for name, _, _ in found}:
            break
    return [
        {"name": name, "state": state["lane"]}
        for name, (_, packed) in sorted(newest.items())
        if "history" in (state := _unpack(packed))["lane"]
    ]


def _rows(part: Path) -> list[tuple[str, int, bytes]]:
    try:
        with closing(sqlite3.connect(f"{part.resolve().as_uri()}?mode=ro", uri=True)) as store:
            return store.execute(_LANES).fetchall()
    except sqlite3.Error as error:
        raise Misconfigured(f"{part}: is no readable recovery store: {error}") from error


class _Inert:
    """Stands for whatever a snapshot holds beside plain values; none of it is needed, none of it is run."""

    def __new__(cls, *_args: object, **_kwargs: object) -> _Inert:
        return super().__new__(cls)

    def __setstate__(self, _state: object) -> None:
        return


class _PlainValues(pickle.Unpickler):
    def find_class(self, _module: str, _name: str) -> Any:
        return _Inert


def _unpack(packed: bytes) -> dict[str, Any]:
    state = _PlainValues(io.BytesIO(packed)).load()
    return state if isinstance(state, dict) and isinstance(state.get("lane"), dict) else {"lane": {}}
