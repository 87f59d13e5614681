"""Recovery stores as two lanes and a step of documents left them."""

from __future__ import annotations

import pickle
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from dataflows.settings import ConfirmationsSettings
from dataflows.state import prepare
from dataflows.unfinished_epochs import PARTITIONS

SNAP = "INSERT INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES (?, ?, ?, ?)"
OFFSETS = {("machine-cycle", 0): 500, ("machine-cycle", 1): 300, ("work-order", 0): 7}
MEMORY = {"name": "seen", "numbers": [1, 2, 3]}


def make_store(folder: Path, **layout: Any) -> Path:
    """A store in two files, drained at epoch 9, with an older snapshot and an unfinished one beside the newest."""
    prepare(folder, 2, ConfirmationsSettings(**layout).layout(), 0)
    one, two = sorted(folder.glob(PARTITIONS))
    execute(one, "INSERT INTO exs (ex_num, worker_count, resume_epoch) VALUES (?, ?, ?)", (0, 2, 1))
    for worker in (0, 1):
        front = "INSERT INTO fronts (ex_num, worker_index, worker_frontier) VALUES (?, ?, ?)"
        execute(one, front, (0, worker, 9))
    execute(one, SNAP, _lane("lane-00", 4, {("machine-cycle", 0): 100}))
    execute(one, SNAP, _lane("lane-00", 8, {("machine-cycle", 0): 500}))
    execute(two, SNAP, _lane("lane-01", 8, {("machine-cycle", 1): 300}))
    execute(two, SNAP, _lane("lane-01", 9, {("machine-cycle", 1): 350}))
    execute(two, SNAP, _lane("reference", 8, {("work-order", 0): 7}))
    documents = pickle.dumps({"version": 2, "held": [1, 2], "waiting": [3]})
    execute(one, SNAP, ("confirmations.documents", "s000", 8, documents))
    return folder


def _lane(name: str, epoch: int, positions: dict[tuple[str, int], int]) -> tuple[Any, ...]:
    return ("confirmations.events", name, epoch, pickle.dumps({"positions": positions, "lane": MEMORY}))


def execute(path: Path, statement: str, row: tuple[Any, ...]) -> None:
    with closing(sqlite3.connect(path)) as store, store:
        store.execute(statement, row)


def dump(folder: Path) -> dict[str, list[str]]:
    """All that the store's files hold."""
    found = {}
    for path in sorted(folder.glob(PARTITIONS)):
        with closing(sqlite3.connect(path)) as store:
            found[path.name] = list(store.iterdump())
    return found
