"""Moves where a flow reads on, by an edit of its snapshots between two runs.

Offsets and the memory of a lane (numbers seen, progress, position of the history) are one snapshot; only the offsets in
it change. So the move happens exactly once, is there after any crash, and needs nothing that a source would have to
remember to ignore at its second start.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dataflows.state_change import back_up, write_down
from dataflows.state_report import offsets_in
from dataflows.state_store import Snapshot, finished, plain
from dataflows.unfinished_epochs import forget_unfinished
from millrace.errors import Misconfigured
from millrace.failpoints import hit

Place = tuple[str, int]
_UPDATE = "UPDATE snaps SET ser_change = ? WHERE step_id = ? AND state_key = ? AND snap_epoch = ?"


@dataclass(frozen=True, slots=True)
class Move:
    """One partition.

    Args:
        topic: Topic.
        partition: Partition.
        lane: Lane that reads it.
        before: Offset that the flow would read next.
        after: Offset that it will read next.
    """

    topic: str
    partition: int
    lane: str
    before: int
    after: int

    @property
    def again(self) -> int:
        """Records that are read once more."""
        return max(0, self.before - self.after)

    @property
    def skipped(self) -> int:
        """Records that are never read."""
        return max(0, self.after - self.before)


def known_offsets(recovery: Path) -> dict[Place, int]:
    """Next offset of each partition that the flow has read from."""
    return {place: at for row in _lanes(recovery) for place, at in offsets_in(plain(row.packed)).items()}


def plan(recovery: Path, wanted: Mapping[Place, int], logged: Mapping[Place, tuple[int, int]]) -> list[Move]:
    """What would move; partitions that stand there already are left out.

    Args:
        recovery: Folder of the store.
        wanted: Next offset by place.
        logged: Bounds of the log by place; those not named are not checked.

    Raises:
        Misconfigured: The flow has no offset of a place, or the log does not hold one that is wanted.
    """
    moves = []
    lanes = {place: (row.key, at) for row in _lanes(recovery) for place, at in offsets_in(plain(row.packed)).items()}
    for place, after in sorted(wanted.items()):
        if place not in lanes:
            known = ", ".join(f"{topic}/{partition}" for topic, partition in sorted(lanes)) or "none"
            raise Misconfigured(f"{place[0]}/{place[1]}: the state has no offset of it; it has: {known}")
        low, high = logged.get(place, (0, after))
        if not low <= after <= high:
            raise Misconfigured(f"{place[0]}/{place[1]}: the log has offsets {low} to {high}, not {after}")
        lane, before = lanes[place]
        if before != after:
            moves.append(Move(*place, lane, before, after))
    return moves


def move(recovery: Path, moves: list[Move], reason: str) -> Path:
    """Write the moves; a copy of the former state stays in `backups`. Call it while no process of the flow runs.

    Each file of the store changes in one transaction. After a crash between two of them call it again: what has
    moved stays where it is.

    Returns:
        Folder of the copy.
    """
    copy = back_up(recovery, "move-offsets")
    told = [{"place": f"{each.topic}/{each.partition}", "from": each.before, "to": each.after} for each in moves]
    write_down(recovery, "move-offsets", reason, copy, moves=told)
    forget_unfinished(recovery)  # else the engine could go on from an epoch that knows the former offsets
    rows = {row.key: row for row in _lanes(recovery)}
    by_part: dict[Path, list[tuple[Snapshot, bytes]]] = {}
    for lane in sorted({each.lane for each in moves}):
        changed = _moved(rows[lane].packed, [each for each in moves if each.lane == lane])
        by_part.setdefault(rows[lane].part, []).append((rows[lane], changed))
    for part, changes in by_part.items():
        _write(part, changes)
        hit("state.between_lanes")
    return copy


def _moved(packed: bytes, moves: list[Move]) -> bytes:
    state = pickle.loads(packed)  # noqa: S301 - as the engine itself does when the flow starts
    positions = {**state["positions"], **{(each.topic, each.partition): each.after for each in moves}}
    return pickle.dumps({**state, "positions": positions})


def _write(part: Path, changes: list[tuple[Snapshot, bytes]]) -> None:
    with closing(sqlite3.connect(part)) as store, store:
        for row, packed in changes:
            count = store.execute(_UPDATE, (packed, row.step, row.key, row.epoch)).rowcount
            if count != 1:
                raise Misconfigured(f"{part}: the snapshot of {row.key} was changed meanwhile; nothing is moved there")


def _lanes(recovery: Path) -> list[Snapshot]:
    return finished(recovery, "%.events")


__all__ = ["Move", "Place", "known_offsets", "move", "plan"]
