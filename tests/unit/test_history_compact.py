"""Compaction of closed days: each row once for every reader, and only what no flow can take back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from millrace.errors import Misconfigured, Retriable
from sinks.history import compact as compaction
from sinks.history.compact import compact, only_one
from sinks.history.day_file import write
from sinks.history.manifest import checksum, write_manifest
from sinks.history.reading import plan, read
from sinks.history.zones import DAYS
from tests.unit.history_case import (
    BEFORE,
    EVERYTHING,
    START,
    TOPIC,
    add,
    fill,
    ids,
    in_days,
    in_raw,
    rows,
    seen,
    writer,
)


def settled(_writer: str) -> int:
    return EVERYTHING


def days(root: Path) -> list[Path]:
    return sorted((root / DAYS / TOPIC).glob("plant=*/date=*/day.parquet"))


def test_a_closed_day_becomes_one_file_sorted_by_key_and_time(tmp_path: Path) -> None:
    everything = fill(tmp_path)
    done = compact(tmp_path, TOPIC, BEFORE, settled)
    assert (done.days, done.rows, done.files_before, done.files_after, done.removed) == (3, 144, 24, 3, 24)
    assert [path.parent.name for path in days(tmp_path)] == [f"date=2026-03-0{n}" for n in (1, 2, 3)]
    frame = pl.read_parquet(days(tmp_path)[0], hive_partitioning=False)
    assert frame.equals(frame.sort("source", "event_time"))
    assert frame.schema["quantity_good"] == pl.Decimal(18, 6)
    assert frame.schema["event_time"] == pl.Datetime("us", "UTC")
    assert not {"plant", "date"} & set(frame.columns)
    assert seen(tmp_path) == everything
    assert in_raw(tmp_path) == sorted(f"{s}-{n}" for s in ("M1", "M2") for n in range(72, 96))


def test_a_day_file_has_zstd_statistics_a_page_index_and_its_order(tmp_path: Path) -> None:
    fill(tmp_path)
    compact(tmp_path, TOPIC, BEFORE, settled)
    group = pq.read_metadata(days(tmp_path)[0]).row_group(0)
    column = group.column(0)
    assert (column.compression, column.is_stats_set) == ("ZSTD", True)
    assert column.has_column_index
    assert column.has_offset_index
    assert [group.column(each.column_index).path_in_schema for each in group.sorting_columns] == [
        "source",
        "event_time",
        "event_id",
    ]


def test_files_that_their_flow_may_still_remove_are_left_alone(tmp_path: Path) -> None:
    everything = fill(tmp_path)
    final = {"confirmations-state1-lane-00": 3, "confirmations-state1-lane-01": 0}
    done = compact(tmp_path, TOPIC, BEFORE, lambda name: final[name])
    assert in_days(tmp_path) == sorted(f"M2-{n}" for n in range(18))
    assert done.not_final == {"confirmations-state1-lane-00": 9, "confirmations-state1-lane-01": 12}
    assert seen(tmp_path) == everything
    life = writer(tmp_path)
    life.restore({"generation": "state1", "number": 3})
    for begin in range(18, 96, 13):  # cut into other files than before
        life.write("MachineCycle", rows(range(begin, min(begin + 13, 96)), "M2"))
        life.sync()
    compact(tmp_path, TOPIC, BEFORE, settled)
    assert seen(tmp_path) == everything


def test_taking_files_that_a_flow_still_removes_is_noticed_and_doubles_nothing(tmp_path: Path) -> None:
    """Control of the test above: the flow goes on from an older state than the one that was settled."""
    everything = fill(tmp_path)
    compact(tmp_path, TOPIC, BEFORE, settled)
    for path in days(tmp_path):
        os.utime(path, ns=(1, 1))
    life = writer(tmp_path)
    life.restore({"generation": "state1", "number": 3})
    life.write("MachineCycle", rows(range(18, 24), "M2"))
    life.sync()
    (again,) = (tmp_path / TOPIC).glob("*/date=2026-03-01/*.parquet")
    os.utime(again, ns=(2**62, 2**62))
    for look in (lambda: compact(tmp_path, TOPIC, BEFORE, settled), lambda: plan(tmp_path, TOPIC)):
        with pytest.raises(Misconfigured, match="older recovery store"):
            look()
    again.unlink()
    assert set(in_days(tmp_path)) < set(everything)


def test_late_rows_wait_in_the_raw_zone_and_are_merged_by_the_next_pass(tmp_path: Path) -> None:
    everything = fill(tmp_path, 24)
    compact(tmp_path, TOPIC, BEFORE, lambda _: 50)
    add(tmp_path, range(5, 9), 50, "LATE")
    late = sorted([*everything, *(f"LATE-{n}" for n in range(5, 9))])
    assert in_days(tmp_path) == everything
    assert seen(tmp_path) == late
    done = compact(tmp_path, TOPIC, BEFORE, settled)
    assert (done.late_days, done.rows) == (1, 4)
    assert in_days(tmp_path) == seen(tmp_path) == late
    assert in_raw(tmp_path) == []


def test_a_pass_without_news_writes_nothing(tmp_path: Path) -> None:
    fill(tmp_path)
    compact(tmp_path, TOPIC, BEFORE, settled)
    before = [path.stat().st_ino for path in days(tmp_path)]
    done = compact(tmp_path, TOPIC, BEFORE, settled)
    assert (done.days, done.rows, done.removed) == (0, 0, 0)
    assert [path.stat().st_ino for path in days(tmp_path)] == before


def test_a_dry_run_counts_and_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path)
    files = sorted(tmp_path.rglob("*"))
    done = compact(tmp_path, TOPIC, BEFORE, settled, dry_run=True)
    assert (done.days, done.files_before, done.files_after) == (3, 24, 3)
    assert sorted(tmp_path.rglob("*")) == files


def test_rows_of_an_older_contract_lack_only_what_it_did_not_have(tmp_path: Path) -> None:
    for number, frame in enumerate([rows([1]), rows([2]).with_columns(operator=pl.lit("ann"))]):
        life = writer(tmp_path)
        life.restore({"generation": "state1", "number": number})
        life.write("MachineCycle", frame)
        life.sync()
    compact(tmp_path, TOPIC, BEFORE, settled)
    frame = pl.read_parquet(days(tmp_path)[0], hive_partitioning=False)
    assert frame.select("event_id", "operator").rows() == [("M1-1", None), ("M1-2", "ann")]


def test_a_damaged_raw_file_is_named_and_nothing_of_its_day_is_touched(tmp_path: Path) -> None:
    fill(tmp_path, 24)
    damaged = sorted((tmp_path / TOPIC).rglob("*.parquet"))[0]
    damaged.write_bytes(b"PAR1 no more")
    with pytest.raises(Misconfigured, match=damaged.name):
        compact(tmp_path, TOPIC, BEFORE, settled)
    assert days(tmp_path) == []
    assert len(list((tmp_path / TOPIC).rglob("*.parquet"))) == 8


def test_a_folder_that_is_no_date_is_named(tmp_path: Path) -> None:
    fill(tmp_path, 24)
    (tmp_path / TOPIC / "plant=P1" / "date=soon").mkdir()
    with pytest.raises(Misconfigured, match="date=soon"):
        compact(tmp_path, TOPIC, BEFORE, settled)


def test_two_compactions_do_not_run_at_once(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(Misconfigured, match="another compaction"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_a_reader_that_meets_a_compaction_reads_again(tmp_path: Path, moment: str) -> None:
    """The files were listed; then late rows are merged before, between or after they are read."""
    fill(tmp_path, 24)
    compact(tmp_path, TOPIC, BEFORE, lambda _: 50)
    add(tmp_path, range(5, 9), 50, "LATE")
    calls: list[list[str]] = []

    def merge() -> None:
        compact(tmp_path, TOPIC, BEFORE, settled)

    def fetch(files: list[Path]) -> list[str]:
        first = not calls
        calls.append([])
        if first and moment == "before":
            merge()
        found = ids(files[1:])
        if first and moment == "between":
            merge()
        found += ids(files[:1])
        if first and moment == "after":
            merge()
        return sorted(found)

    assert read(tmp_path, TOPIC, fetch) == seen(tmp_path)
    assert len(calls) == 2


def test_a_reader_that_never_gets_through_says_so(tmp_path: Path) -> None:
    fill(tmp_path, 24)
    compact(tmp_path, TOPIC, BEFORE, settled)

    def fetch(files: list[Path]) -> None:
        calls.append(1)
        os.utime(files[0], ns=(len(calls), len(calls)))

    calls: list[int] = []
    with pytest.raises(Retriable, match="20 times"):
        read(tmp_path, TOPIC, fetch)


def test_a_day_that_lost_a_row_on_its_way_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 24)

    def lossy(partial: Path, frames: list[pl.DataFrame], topic: str, taken: Any) -> int:
        return write(partial, [frame.head(5) for frame in frames], topic, taken)

    monkeypatch.setattr(compaction, "write", lossy)
    with pytest.raises(Misconfigured, match="holds 40 rows, but 48"):
        compact(tmp_path, TOPIC, BEFORE, settled)
    assert days(tmp_path) == []


def test_the_manifest_tells_files_rows_times_version_and_freshness(tmp_path: Path) -> None:
    fill(tmp_path)
    compact(tmp_path, TOPIC, BEFORE, settled)
    said = write_manifest(tmp_path, TOPIC, START)
    assert (said["files"], said["rows"], said["contract"]) == (3, 144, "MachineCycle")
    assert said["first_event_time"] == "2026-03-01T00:00:00+00:00"
    assert said["last_event_time"] == "2026-03-03T23:00:00+00:00"
    assert (said["waiting_files"], said["waiting_since"]) == (8, "2026-03-04")
    assert said["complete_up_to"] == "2026-03-01T00:00:00+00:00"
    assert [each["sha256"] for each in said["days"]] == [checksum(path) for path in days(tmp_path)]
    assert write_manifest(tmp_path, TOPIC, None)["complete_up_to"] == said["complete_up_to"]
