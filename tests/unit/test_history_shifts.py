"""Shifts as a table: each instant of a year's odd days lies where the clock on the wall says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from schemas.contracts import contract
from schemas.types import polars_schema
from sinks.history.shift_table import SEGMENTS, shift_segments

WEEK = list(range(1, 8))
SHIFTS = [("E", "06:00", "14:00"), ("L", "14:00", "22:00"), ("N", "22:00", "06:00")]


def calendar(valid_from: date, zone: str = "Europe/Berlin", days: list[int] = WEEK, **more: Any) -> dict[str, Any]:
    shifts = [{"shift": name, "start": start, "end": end, "weekdays": days} for name, start, end in SHIFTS]
    named = {"plant": "P1", "version": 1, "zone": zone, "valid_from": valid_from, "shifts": shifts, "holidays": []}
    return {**dict.fromkeys(contract("ShiftCalendar").fields), **named, "event_id": str(valid_from), **more}


def segments(*calendars: dict[str, Any], day: date) -> pl.DataFrame:
    return shift_segments(pl.DataFrame(calendars, polars_schema(contract("ShiftCalendar"))), [("P1", day, day)])


def on_the_wall(at: datetime, zone: str) -> tuple[str, date]:
    wall = at.astimezone(ZoneInfo(zone))
    if wall.hour < 6:
        return "N", wall.date() - timedelta(days=1)
    return ("E" if wall.hour < 14 else "L" if wall.hour < 22 else "N"), wall.date()


def found(table: pl.DataFrame, at: datetime) -> tuple[str, date]:
    (row,) = table.filter(pl.col("begins") <= at, pl.col("ends") > at).to_dicts()
    return row["shift"], row["posting_date"]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
@pytest.mark.parametrize(
    "day", [date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 8), date(2026, 12, 31), date(2026, 4, 5)]
)
def test_every_instant_lies_in_the_shift_that_the_wall_clock_says(zone: str, day: date) -> None:
    """Nights in which the clock changes, and over the end of a year."""
    table = segments(calendar(date(2026, 1, 1), zone), day=day)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=12)
    for step in range(0, 48 * 60, 17):
        at = start + timedelta(minutes=step)
        assert found(table, at) == on_the_wall(at, zone), at


def test_parts_touch_and_cover_the_days_asked_for_and_their_neighbours() -> None:
    table = segments(calendar(date(2026, 1, 1)), day=date(2026, 3, 29))
    assert dict(table.schema) == SEGMENTS
    assert table["begins"][1:].equals(table["ends"][:-1])
    assert table["begins"][0] <= datetime(2026, 3, 28, tzinfo=UTC)
    assert table["ends"][-1] >= datetime(2026, 3, 31, tzinfo=UTC)


def test_holidays_weekends_and_plants_without_a_calendar_have_no_shift() -> None:
    holiday = calendar(date(2026, 1, 1), days=[1, 2, 3, 4, 5], holidays=[date(2026, 3, 25)])
    table = segments(holiday, day=date(2026, 3, 25))
    assert found(table, datetime(2026, 3, 25, 10, tzinfo=UTC)) == ("", date(2026, 3, 25))
    assert found(table, datetime(2026, 3, 26, 10, tzinfo=UTC)) == ("E", date(2026, 3, 26))
    assert found(segments(day=date(2026, 3, 25)), datetime(2026, 3, 25, 10, tzinfo=UTC)) == ("", date(2026, 3, 25))


def test_a_later_calendar_counts_from_its_date_on() -> None:
    two = (calendar(date(2026, 1, 1)), calendar(date(2026, 3, 25), "UTC"))
    table = segments(*two, day=date(2026, 3, 25))
    assert found(table, datetime(2026, 3, 24, 5, 30, tzinfo=UTC))[0] == "E"
    assert found(table, datetime(2026, 3, 26, 5, 30, tzinfo=UTC))[0] == "N"
