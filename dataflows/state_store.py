"""What a recovery store holds, read while its flow may run: the newest finished snapshot of each key."""

from __future__ import annotations

import io
import pickle
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflows.unfinished_epochs import PARTITIONS, resume_epoch
from millrace.errors import Misconfigured

ATTEMPTS = 10
_SNAPS = "SELECT step_id, state_key, snap_epoch, ser_change FROM snaps WHERE ser_change IS NOT NULL AND step_id LIKE ?"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """State of one key as of the end of an epoch.

    Args:
        part: File of the store that holds it.
        step: Step, `<flow>.<step>`.
        key: Key of the state, for the step `events` the name of a lane.
        epoch: Epoch that it closed.
        packed: Pickled state.
    """

    part: Path
    step: str
    key: str
    epoch: int
    packed: bytes


def partitions(recovery: Path) -> list[Path]:
    """Files of a store.

    Raises:
        Misconfigured: There are none.
    """
    parts = sorted(recovery.glob(PARTITIONS))
    if not parts:
        raise Misconfigured(f"{recovery}: is no recovery store of a flow")
    return parts


def finished(recovery: Path, step: str = "%") -> list[Snapshot]:
    """The newest snapshot of each key from which the flow would go on, sorted by step and key.

    Snapshots that are superseded are removed while we look, so a key that has only younger ones is looked for again.

    Args:
        recovery: Folder of the store.
        step: Steps to look at, as a pattern of SQL's LIKE.

    Raises:
        Misconfigured: The folder is no recovery store, or cannot be read.
    """
    parts = partitions(recovery)
    newest: dict[tuple[str, str], Snapshot] = {}
    for _ in range(ATTEMPTS):
        epoch = _resume_epoch(parts)
        found = [row for part in parts for row in _rows(part, step)]
        rising = sorted((row for row in found if row.epoch < epoch), key=lambda row: row.epoch)
        newest = {(row.step, row.key): row for row in rising}
        if newest.keys() == {(row.step, row.key) for row in found}:
            break
    return [newest[place] for place in sorted(newest)]


def _resume_epoch(parts: list[Path]) -> int:
    try:
        return resume_epoch(parts)
    except sqlite3.Error as error:
        raise Misconfigured(f"{parts[0].parent}: is no readable recovery store: {error}") from error


def _rows(part: Path, step: str) -> list[Snapshot]:
    try:
        with closing(sqlite3.connect(f"{part.resolve().as_uri()}?mode=ro", uri=True)) as store:
            return [Snapshot(part, *row) for row in store.execute(_SNAPS, (step,))]
    except sqlite3.Error as error:
        raise Misconfigured(f"{part}: is no readable recovery store: {error}") from error


def plain(packed: bytes) -> Any:
    """A state's plain values. Objects in it are left out, and nothing in it is run: stores come from anywhere."""
    return _PlainValues(io.BytesIO(packed)).load()


class _Inert:
    """Stands for whatever a snapshot holds beside plain values; none of it is needed, none of it is run."""

    def __new__(cls, *_args: object, **_kwargs: object) -> _Inert:
        return super().__new__(cls)

    def __call__(self, *_args: object) -> _Inert:
        return self  # as what makes a time zone: a method of a class is fetched first, and called then

    def __setstate__(self, _state: object) -> None:
        return


class _PlainValues(pickle.Unpickler):
    def find_class(self, _module: str, _name: str) -> Any:
        return _Inert


__all__ = ["Snapshot", "finished", "partitions", "plain"]
