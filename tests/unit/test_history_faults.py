"""A full disk, clocks that jump, and days that are shorter or longer than others."""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from millrace.errors import Retriable
from millrace.health import health
from millrace.shutdown import draining
from operators.lane import Lane, LaneConfig
from operators.shifts import CalendarBook
from operators.windows import Window
from schemas.batch import RawBatch
from sinks.history.compact import compact
from sinks.parquet import DiskFull, HistoryWriter
from tests.unit.history_case import TOPIC, in_raw, rows, seen, writer


def at(*times: datetime) -> pl.DataFrame:
    """A row per time."""
    return rows(range(len(times))).with_columns(pl.Series("event_time", times, pl.Datetime("us", "UTC")))


def written(root: Path, frame: pl.DataFrame) -> dict[str, int]:
    """Rows by date folder after one flush."""
    life = writer(root)
    life.restore(None)
    life.write("MachineCycle", frame)
    life.sync()
    files = (root / TOPIC).glob("plant=*/date=*/*.parquet")
    return {path.parent.name: pl.read_parquet(path, hive_partitioning=False).height for path in files}


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        pl.exceptions.ComputeError("parquet: underlying IO error: No space left on device (os error 28)"),
    ],
    ids=["full", "quota", "polars"],
)
def test_a_full_disk_is_waited_for_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    whole, tries = HistoryWriter._write_file, iter(range(3))

    def full(self: HistoryWriter, path: Path, frame: pl.DataFrame) -> None:
        if next(tries, None) is not None:
            path.write_bytes(b"half")
            raise error
        whole(self, path, frame)

    monkeypatch.setattr(HistoryWriter, "_write_file", full)
    life = writer(tmp_path)
    life.restore(None)
    life.write("MachineCycle", rows([1, 30, 60]))
    assert life.sync()["number"] == 3
    assert in_raw(tmp_path) == ["M1-1", "M1-30", "M1-60"]
    assert not list(tmp_path.rglob("*.partial"))


def test_another_fault_of_the_disk_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_self: HistoryWriter, _path: Path, _frame: pl.DataFrame) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(HistoryWriter, "_write_file", broken)
    life = writer(tmp_path)
    life.restore(None)
    life.write("MachineCycle", rows([1]))
    with pytest.raises(OSError, match="Input/output"):
        life.sync()


def test_a_flow_that_is_drained_does_not_wait_for_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was snapshotted, so the rows are read again at the next start."""

    def full(_self: HistoryWriter, _path: Path, _frame: pl.DataFrame) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(HistoryWriter, "_write_file", full)
    life = writer(tmp_path)
    life.restore(None)
    life.write("MachineCycle", rows([1]))
    draining.set()
    try:
        with pytest.raises(DiskFull):
            life.sync()
    finally:
        draining.clear()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_is_really_full_lets_the_lane_go_on_when_there_is_room(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(240 * 1024))
    life = writer(small_disk)
    life.restore(None)
    life.write("MachineCycle", rows(range(20_000)))
    done: list[dict[str, object]] = []
    lane = threading.Thread(target=lambda: done.append(life.sync()))
    lane.start()
    until(lambda: health.waited("disk") > 0)
    assert done == []
    ballast.unlink()
    small = subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=False)
    assert small.returncode == 0
    lane.join(60)
    assert len(in_raw(small_disk)) == 20_000
    assert done[0]["number"] == len(list(small_disk.rglob("*.parquet")))


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_history_without_room_takes_no_batch_and_the_lane_is_as_before(tmp_path: Path) -> None:
    life = writer(tmp_path)

    def no_room() -> None:
        raise Retriable("full")

    life.admit = no_room  # type: ignore[method-assign]
    config = LaneConfig(contracts={TOPIC: "MachineCycle"}, window=Window.parse("shift"))
    lane = Lane("lane-00", config, {}, CalendarBook([]), life)
    with pytest.raises(Retriable):
        lane.process(RawBatch.__new__(RawBatch))
    assert (lane.counts, lane.progress) == ({}, {})


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_days_of_23_and_25_hours_lie_in_utc_days_of_24(tmp_path: Path, zone: str) -> None:
    """An event every half hour of a local year around both changes: no date has more or fewer than 48."""
    begin = datetime(2026, 3, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    times = [begin + timedelta(minutes=30) * n for n in range(48 * 275)]
    found = written(tmp_path, at(*times))
    inner = sorted(found)[1:-1]
    assert {found[day] for day in inner} == {48}
    assert sum(found.values()) == len(times)
    gaps = {date.fromisoformat(b[5:]) - date.fromisoformat(a[5:]) for a, b in itertools.pairwise(inner)}
    assert gaps == {timedelta(days=1)}


def test_plants_on_both_sides_of_the_date_line_share_the_date_of_the_moment(tmp_path: Path) -> None:
    moment = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
    west, east = (moment.astimezone(ZoneInfo(zone)) for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"))
    assert (west.date(), east.date()) == (date(2026, 3, 2), date(2026, 2, 28))
    assert written(tmp_path, at(west.astimezone(UTC), east.astimezone(UTC))) == {"date=2026-03-01": 2}


def test_a_clock_that_jumps_changes_no_name_and_no_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over midnight, over the date line and back: a file is named by its number, a row's day is its event's."""
    life = writer(tmp_path)
    life.restore(None)
    for number, jump in enumerate((0, 86_400, -86_400, 400 * 86_400)):
        monkeypatch.setattr(time, "time", lambda jump=jump: 1_772_323_200.0 + jump)
        life.write("MachineCycle", rows([number]))
        life.sync()
    files = sorted((tmp_path / TOPIC / "plant=P1" / "date=2026-03-01").glob("*.parquet"))
    assert [path.stem[-10:] for path in files] == [f"{n:010d}" for n in range(4)]


def test_a_day_that_was_closed_too_early_gets_the_rest_with_the_next_pass(tmp_path: Path) -> None:
    """The scheduler's clock was a day ahead, then right again."""
    life = writer(tmp_path)
    life.restore(None)
    life.write("MachineCycle", rows(range(12)))
    state = life.sync()
    compact(tmp_path, TOPIC, date(2026, 3, 2), lambda _: int(state["number"]))
    life.write("MachineCycle", rows(range(12, 24)))
    state = life.sync()
    done = compact(tmp_path, TOPIC, date(2026, 3, 1), lambda _: int(state["number"]))
    assert done.days == 0
    compact(tmp_path, TOPIC, date(2026, 3, 2), lambda _: int(state["number"]))
    assert seen(tmp_path) == sorted(f"M1-{n}" for n in range(24))
    assert in_raw(tmp_path) == []
