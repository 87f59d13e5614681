"""What a recovery store is for and what it holds, told to a person; reads only, also while the flow runs."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from dataflows.state import store_bytes
from dataflows.state_change import changes_of, layout_of
from dataflows.state_store import Snapshot, finished, partitions, plain
from dataflows.unfinished_epochs import resume_epoch

#: What a step of documents keeps back, by the name in its snapshot.
HELD = {
    "held": "held until their state is durable",
    "waiting": "totals that wait for an order, a unit or an operation's end",
    "open": "movements that may still change",
    "stuck": "movements without unit or bill of material",
}


@dataclass(frozen=True, slots=True)
class StepSize:
    """How much a step keeps.

    Args:
        keys: Keys with a state.
        bytes: Their newest snapshots together.
    """

    keys: int
    bytes: int


@dataclass(frozen=True, slots=True)
class StateReport:
    """A recovery store.

    Args:
        recovery: Folder.
        flow: Name of the flow.
        steps_version: Version of the steps that keep state.
        state: Identity of the state; stands in the names of history files.
        layout: Settings that the state is laid out for.
        epoch: Epoch at which the flow goes on.
        workers: Workers of the last run; 0 where there was none.
        store_bytes: Bytes of its files.
        offsets: Next offset by `topic/partition`.
        steps: Size by step.
        held: Rows that are kept back, by the names of `HELD`.
        changes: What `millrace state` did to it, oldest first.
    """

    recovery: Path
    flow: str
    steps_version: int
    state: str
    layout: dict[str, Any]
    epoch: int
    workers: int
    store_bytes: int
    offsets: dict[str, int]
    steps: dict[str, StepSize]
    held: dict[str, int]
    changes: list[dict[str, Any]]


def inspect(recovery: Path) -> StateReport:
    """Read a store.

    Raises:
        Misconfigured: The folder is no recovery store, or cannot be read.
    """
    described = layout_of(recovery)
    found = finished(recovery)
    values = {row: plain(row.packed) for row in found}
    parts = partitions(recovery)
    return StateReport(
        recovery=recovery,
        flow=str(described.pop("flow", "")),
        steps_version=int(described.pop("steps", 0)),
        state=str(described.pop("state", "")),
        layout=described,
        epoch=resume_epoch(parts),
        workers=_workers(parts),
        store_bytes=store_bytes(recovery),
        offsets=_offsets(values),
        steps=_sizes(found),
        held=_held(values),
        changes=changes_of(recovery),
    )


def offsets_in(state: Any) -> dict[tuple[str, int], int]:
    """Positions in the snapshot of a lane; none in other states."""
    positions = state.get("positions") if isinstance(state, Mapping) else None
    return dict(positions) if isinstance(positions, Mapping) else {}


def _offsets(values: Mapping[Snapshot, Any]) -> dict[str, int]:
    known = {place: at for state in values.values() for place, at in offsets_in(state).items()}
    return {f"{topic}/{partition}": known[topic, partition] for topic, partition in sorted(known)}


def _sizes(found: list[Snapshot]) -> dict[str, StepSize]:
    sizes: dict[str, StepSize] = {}
    for row in found:
        before = sizes.get(row.step, StepSize(0, 0))
        sizes[row.step] = StepSize(before.keys + 1, before.bytes + len(row.packed))
    return sizes


def _held(values: Mapping[Snapshot, Any]) -> dict[str, int]:
    held: dict[str, int] = {}
    for row, state in values.items():
        if row.step.endswith(".events") or not isinstance(state, Mapping):
            continue
        for name in HELD.keys() & state.keys():
            held[name] = held.get(name, 0) + _rows(state[name])
    return {name: held[name] for name in HELD if name in held}


def _rows(value: Any) -> int:
    """Rows of a frame in Arrow IPC, or length of a list."""
    if isinstance(value, bytes):
        return pl.read_ipc_stream(io.BytesIO(value)).height
    return len(value) if isinstance(value, list | tuple | dict) else 0


def _workers(parts: list[Path]) -> int:
    runs: list[tuple[int, int]] = []
    for path in parts:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as store:
            runs += store.execute("SELECT ex_num, worker_count FROM exs").fetchall()
    return max(runs)[1] if runs else 0


__all__ = ["HELD", "StateReport", "StepSize", "inspect", "offsets_in"]
