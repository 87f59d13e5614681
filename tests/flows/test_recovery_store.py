"""Between two runs the recovery store holds only what was finished."""

from __future__ import annotations

import pickle
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, cluster_main

from dataflows.unfinished_epochs import PARTITIONS, forget_unfinished, resume_epoch

SNAP = "INSERT INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES (?, ?, ?, ?)"


def store(folder: Path, partitions: int) -> list[Path]:
    init_db_dir(folder, partitions)
    return sorted(folder.glob(PARTITIONS))


def execute(path: Path, statement: str, *rows: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db, db:
        if not rows:
            return db.execute(statement).fetchall()
        db.executemany(statement, rows)
        return []


def epochs(path: Path) -> list[int]:
    return [row[0] for row in execute(path, "SELECT snap_epoch FROM snaps ORDER BY 1")]


def test_the_slowest_worker_of_the_last_run_decides_where_it_resumes(tmp_path: Path) -> None:
    one, two = store(tmp_path, 2)
    execute(one, "INSERT INTO exs (ex_num, worker_count, resume_epoch) VALUES (?, ?, ?)", (0, 1, 1))
    execute(two, "INSERT INTO exs (ex_num, worker_count, resume_epoch) VALUES (?, ?, ?)", (1, 2, 5))
    front = "INSERT INTO fronts (ex_num, worker_index, worker_frontier) VALUES (?, ?, ?)"
    execute(one, front, (0, 0, 5), (1, 0, 9))
    assert resume_epoch([one, two]) == 5, "worker 1 has not said how far it came"
    execute(two, front, (1, 1, 8))
    assert resume_epoch([one, two]) == 8
    execute(one, SNAP, ("f.s", "a", 7, b""), ("f.s", "a", 8, b""), ("f.s", "b", 9, b""))
    execute(two, SNAP, ("f.s", "c", 6, b""))
    assert forget_unfinished(tmp_path) == 2
    assert [epochs(one), epochs(two)] == [[7], [6]]


def test_a_store_that_never_finished_an_epoch_is_emptied(tmp_path: Path) -> None:
    (path,) = store(tmp_path, 1)
    execute(path, SNAP, ("f.s", "a", 1, b""))
    assert forget_unfinished(tmp_path) == 1
    assert epochs(path) == []


def run(folder: Path, items: list[Any], workers: int = 1) -> list[tuple[str, int]]:
    """Running sums per key, an epoch per item; the source resumes where the last run ended."""
    out: list[tuple[str, int]] = []
    flow = Dataflow("counted")
    numbers = op.input("in", flow, TestingSource(items))
    sums = op.stateful_map("sum", numbers, lambda state, number: ((state or 0) + number,) * 2)
    op.output("out", sums, TestingSink(out))
    cluster_main(
        flow,
        [],
        0,
        epoch_interval=timedelta(0),
        recovery_config=RecoveryConfig(str(folder)),
        worker_count_per_proc=workers,
    )
    return out


def test_the_engine_resumes_from_the_epoch_that_was_worked_out(tmp_path: Path) -> None:
    """Runs of one and of two workers, aborted and finished: each begins where this module said."""
    paths = store(tmp_path, 2)
    items = [("a", 1), ("b", 2), TestingSource.ABORT(), ("a", 3), TestingSource.EOF(), ("b", 4)]
    for workers in (1, 2, 1):
        expected = resume_epoch(paths)
        run(tmp_path, items, workers)
        runs = [row for path in paths for row in execute(path, "SELECT ex_num, resume_epoch FROM exs")]
        assert max(runs)[1] == expected
        forget_unfinished(tmp_path)


@pytest.mark.parametrize(("is_tidied", "total"), [(True, 4), (False, 103)])
def test_a_snapshot_of_an_unfinished_epoch_never_comes_back(tmp_path: Path, is_tidied: bool, total: int) -> None:
    """The case without tidying shows what the engine would do: it believes the stale sum of 100."""
    (path,) = store(tmp_path, 1)
    items = [("a", 1), TestingSource.EOF(), *[("b", 1)] * 5, TestingSource.ABORT(), ("a", 3)]
    run(tmp_path, items)
    stale = (
        str(execute(path, "SELECT step_id FROM snaps WHERE state_key = 'a'")[0][0]),
        "a",
        resume_epoch([path]),
    )
    execute(path, SNAP, (*stale, pickle.dumps(100)))
    for _ in range(2):
        if is_tidied:
            forget_unfinished(tmp_path)
        out = run(tmp_path, items)
    assert out[-1] == ("a", total)
