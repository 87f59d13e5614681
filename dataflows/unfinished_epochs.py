"""Rids the engine's recovery store of what was never finished, between two runs.

The engine resumes at the oldest epoch that some worker had not finished, but keeps the snapshots that faster
workers wrote of that epoch and of later ones. Its next run counts epochs on from there, and batches fall
differently: a key that is not touched again in the same epoch keeps its stale snapshot, and after a second crash
the engine would go on from it. Rows in it would then be counted twice, since they are read once more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

PARTITIONS = "part-*.sqlite3"
#: Where a store without any run starts.
FIRST_EPOCH = 1


def forget_unfinished(recovery: Path) -> int:
    """Remove snapshots that the next run must not see; call while no process of the flow runs.

    Args:
        recovery: Folder of the recovery store, with all of its partitions.

    Returns:
        How many snapshots were removed.
    """
    paths = sorted(recovery.glob(PARTITIONS))
    epoch = resume_epoch(paths)
    return sum(_forget(path, epoch) for path in paths)


def resume_epoch(paths: Iterable[Path]) -> int:
    """Epoch at which the engine will resume: how far the slowest worker of the last run came."""
    runs: list[tuple[int, int, int]] = []
    fronts: list[tuple[int, int, int]] = []
    for path in paths:
        with closing(sqlite3.connect(path)) as store:
            runs += store.execute("SELECT ex_num, worker_count, resume_epoch FROM exs").fetchall()
            fronts += store.execute("SELECT ex_num, worker_index, worker_frontier FROM fronts").fetchall()
    if not runs:
        return FIRST_EPOCH
    last, workers, begun = max(runs)
    reached = {worker: front for run, worker, front in fronts if run == last}
    return min(max(begun, reached.get(worker, begun)) for worker in range(workers))


def _forget(path: Path, epoch: int) -> int:
    with closing(sqlite3.connect(path)) as store, store:
        return store.execute("DELETE FROM snaps WHERE snap_epoch >= ?", (epoch,)).rowcount
