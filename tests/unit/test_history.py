"""The raw zone of the history: each accepted row once, after any number of kills."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from sinks.parquet import HistoryWriter

START = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
TOPICS = {"MachineCycle": "machine-cycle"}


def writer(root: Path, identity: str = "state1") -> HistoryWriter:
    return HistoryWriter(root, "confirmations", "lane-00", TOPICS, lambda: identity)


def rows(first: int, size: int = 4, plant: str = "P1") -> pl.DataFrame:
    numbers = range(first, first + size)
    return pl.DataFrame(
        {
            "event_id": [f"e{n}" for n in numbers],
            "event_time": [START + timedelta(hours=n) for n in numbers],
            "plant": [plant] * size,
            "origin": [65536 + 3] * size,
            "offset": list(numbers),
        },
        schema_overrides={"event_time": pl.Datetime("us", "UTC"), "origin": pl.Int32},
    )


def kept(root: Path) -> list[str]:
    files = sorted(root.glob("machine-cycle/plant=*/date=*/*.parquet"))
    return sorted(name for file in files for name in pl.read_parquet(file, hive_partitioning=False)["event_id"])


def test_rows_lie_by_topic_plant_and_utc_date_with_partition_and_offset_as_columns(tmp_path: Path) -> None:
    history = writer(tmp_path)
    history.restore(None)
    history.write("MachineCycle", rows(0))
    history.sync()
    folders = sorted(str(f.parent.relative_to(tmp_path)) for f in tmp_path.rglob("*.parquet"))
    assert folders == [f"machine-cycle/plant=P1/date=2026-03-0{day}" for day in (1, 2)]
    frame = pl.read_parquet(tmp_path / "machine-cycle", hive_partitioning=True)
    assert frame.select("partition", "offset").rows() == [(3, 0), (3, 1), (3, 2), (3, 3)]
    assert frame["plant"].unique().to_list() == ["P1"]


def test_what_was_written_after_the_snapshot_is_removed_before_it_is_read_again(tmp_path: Path) -> None:
    first = writer(tmp_path)
    first.restore(None)
    first.write("MachineCycle", rows(0))
    state = first.sync()
    first.write("MachineCycle", rows(4))
    first.sync()
    second = writer(tmp_path)
    second.restore(state)
    assert kept(tmp_path) == ["e0", "e1", "e2", "e3"]
    second.write("MachineCycle", rows(4))
    second.sync()
    assert kept(tmp_path) == [f"e{n}" for n in range(8)]


def test_a_kill_before_the_first_snapshot_leaves_no_row_twice(tmp_path: Path) -> None:
    for _ in range(3):
        life = writer(tmp_path)
        life.restore(None)
        life.write("MachineCycle", rows(0))
        life.sync()
    assert kept(tmp_path) == ["e0", "e1", "e2", "e3"]


def test_with_an_identity_per_life_the_same_kill_doubles_every_row(tmp_path: Path) -> None:
    """Negative control of the test above."""
    for number in range(3):
        life = writer(tmp_path, f"life{number}")
        life.restore(None)
        life.write("MachineCycle", rows(0))
        life.sync()
    assert len(kept(tmp_path)) == 12


def test_another_state_removes_nothing(tmp_path: Path) -> None:
    old = writer(tmp_path, "old")
    old.restore(None)
    old.write("MachineCycle", rows(0))
    old.sync()
    writer(tmp_path, "new").restore(None)
    assert kept(tmp_path) == ["e0", "e1", "e2", "e3"]


def test_an_unfinished_file_is_no_parquet_file_and_goes_at_the_next_start(tmp_path: Path) -> None:
    history = writer(tmp_path)
    history.restore(None)
    history.write("MachineCycle", rows(0, 1))
    history.sync()
    (file,) = tmp_path.rglob("*.parquet")
    torn = file.with_name(".confirmations-state1-lane-00-0000000009.parquet.partial")
    torn.write_bytes(b"half")
    assert kept(tmp_path) == ["e0"]
    writer(tmp_path).restore({"generation": "state1", "number": 1})
    assert not torn.exists()


def test_a_hostile_plant_name_stays_in_its_folder(tmp_path: Path) -> None:
    history = writer(tmp_path)
    history.restore(None)
    history.write("MachineCycle", rows(0, 1, plant="../../etc"))
    history.sync()
    (file,) = tmp_path.rglob("*.parquet")
    assert file.is_relative_to(tmp_path / "machine-cycle" / "plant=..%2F..%2Fetc")
