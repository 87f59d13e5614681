from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.errors import Rejected
from operators.shifts import Calendar, CalendarBook, utc_calendar

THREE = (("E", "06:00", "14:00"), ("L", "14:00", "22:00"), ("N", "22:00", "06:00"))


def record(times: tuple[tuple[str, str, str], ...] = THREE, **changes: Any) -> dict[str, Any]:
    listed = [{"shift": n, "start": a, "end": b, "weekdays": [1, 2, 3, 4, 5, 6, 7]} for n, a, b in times]
    base = {"plant": "P", "version": 1, "zone": "Europe/Berlin", "valid_from": date(2020, 1, 1)}
    return {**base, "shifts": listed, "holidays": [], **changes}


def book(*records: dict[str, Any], default: Calendar | None = None) -> CalendarBook:
    return CalendarBook([Calendar.from_record(r) for r in records], default)


def at(*times: datetime, plant: str = "P") -> pl.DataFrame:
    schema = {"plant": pl.String, "event_time": pl.Datetime("us", "UTC")}
    return pl.DataFrame({"plant": [plant] * len(times), "event_time": list(times)}, schema=schema)


def berlin(*parts: int, fold: int = 0) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo("Europe/Berlin"), fold=fold).astimezone(UTC)


def found(calendars: CalendarBook, *times: datetime) -> list[tuple[str, date]]:
    return calendars.assign(at(*times)).select("shift", "posting_date").rows()


def test_a_night_shift_is_posted_on_the_day_it_starts() -> None:
    times = berlin(2026, 3, 5, 23, 30), berlin(2026, 3, 6, 5, 59), berlin(2026, 3, 6, 6, 0)
    assert found(book(record()), *times) == [
        ("N", date(2026, 3, 5)),
        ("N", date(2026, 3, 5)),
        ("E", date(2026, 3, 6)),
    ]


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 28), 7), ((2026, 10, 24), 9), ((2026, 6, 1), 8)])
def test_a_shift_over_the_clock_change_is_an_hour_shorter_or_longer(day: tuple[int, int, int], hours: int) -> None:
    row = book(record()).assign(at(berlin(*day, 23))).row(0, named=True)
    assert row["shift_end"] - row["shift_start"] == timedelta(hours=hours)


def test_the_hour_that_comes_twice_belongs_to_one_shift() -> None:
    calendars = book(record((("A", "22:00", "02:30"), ("B", "02:30", "06:00"))))
    first, second = berlin(2026, 10, 25, 2, 15), berlin(2026, 10, 25, 2, 15, fold=1)
    assert second - first == timedelta(hours=1)
    # The shift ends at the first 02:30; the second 02:15 lies after it.
    assert [name for name, _ in found(calendars, first, second)] == ["A", "B"]


def test_no_shift_starts_on_a_holiday_but_the_night_before_runs_on() -> None:
    calendars = book(record(holidays=[date(2026, 5, 1)]))
    times = berlin(2026, 5, 1, 5), berlin(2026, 5, 1, 7), berlin(2026, 5, 2, 7)
    assert found(calendars, *times) == [
        ("N", date(2026, 4, 30)),
        ("", date(2026, 5, 1)),
        ("E", date(2026, 5, 2)),
    ]


def test_outside_all_shifts_counts_the_local_day() -> None:
    calendars = book(record((("E", "06:00", "14:00"),)))
    row = calendars.assign(at(berlin(2026, 3, 29, 23, 30))).row(0, named=True)
    assert (row["shift"], row["posting_date"]) == ("", date(2026, 3, 29))
    assert row["shift_end"] - row["shift_start"] == timedelta(hours=23)


def test_a_new_calendar_counts_from_its_first_local_day() -> None:
    later = record((("X", "00:00", "24:00"),), valid_from=date(2026, 6, 1))
    calendars = book(record(), later)
    times = berlin(2026, 5, 31, 23), berlin(2026, 6, 1, 0)
    assert found(calendars, *times) == [("N", date(2026, 5, 31)), ("X", date(2026, 6, 1))]


def test_before_the_first_calendar_a_plant_has_no_shifts() -> None:
    assert found(book(record()), berlin(2019, 12, 31, 23)) == [("", date(2019, 12, 31))]


def test_a_lower_version_never_replaces_a_higher_one() -> None:
    calendars = book(record(version=2))
    assert not calendars.put(Calendar.from_record(record((), version=1)))
    assert calendars.put(Calendar.from_record(record((("X", "06:00", "07:00"),), version=3)))
    assert found(calendars, berlin(2026, 1, 1, 6)) == [("X", date(2026, 1, 1))]


def test_an_unknown_plant_is_marked_and_takes_the_default_where_there_is_one() -> None:
    frame = pl.concat([at(berlin(2026, 1, 1, 7)), at(berlin(2026, 1, 1, 7), plant="Q")])
    assert book(record()).unknown(frame).to_list() == [False, True]
    with pytest.raises(Rejected, match="calendar_unknown"):
        book(record()).assign(frame)
    defaulted = book(record(), default=utc_calendar())
    assert not defaulted.unknown(frame).any()
    assert defaulted.assign(frame)["shift"].to_list() == ["E", ""]


def test_rows_of_several_plants_keep_their_places() -> None:
    calendars = book(record(), record((("Z", "00:00", "00:00"),), plant="Q", zone="Asia/Tokyo"))
    times = [datetime(2026, 1, 1, h, tzinfo=UTC) for h in range(12)]
    frame = pl.concat([at(t, plant="PQ"[n % 2]) for n, t in enumerate(times)])
    single = [calendars.assign(frame[n : n + 1]).row(0) for n in range(12)]
    assert calendars.assign(frame).rows() == single


def test_an_empty_frame_gets_the_columns() -> None:
    out = book(record()).assign(at())
    assert out.height == 0
    assert out.columns[-4:] == ["shift", "posting_date", "shift_start", "shift_end"]


def test_calendars_survive_a_snapshot_as_plain_values() -> None:
    calendars = book(record(), record(valid_from=date(2026, 1, 1)), record(plant="Q", zone="UTC"))
    assert book(*calendars.records()).records() == calendars.records()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"zone": "Europe/Nowhere"}, "zone"),
        ({"shifts": [{"shift": "E", "start": "6 am", "end": "14:00", "weekdays": [1]}]}, "HH:MM"),
        ({"shifts": [{"shift": "", "start": "06:00", "end": "14:00", "weekdays": [1]}]}, "name"),
        ({"shifts": [{"shift": "E", "start": "06:00", "end": "14:00", "weekdays": [8]}]}, "weekdays"),
    ],
)
def test_a_calendar_that_makes_no_sense_is_rejected_with_its_field(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Rejected, match=words) as caught:
        Calendar.from_record(record(**changes))
    assert caught.value.reason == "calendar_invalid"


def test_shifts_that_overlap_over_the_end_of_the_week_are_rejected() -> None:
    night = {"shift": "N", "start": "22:00", "end": "06:00", "weekdays": [7]}
    early = {"shift": "E", "start": "05:00", "end": "14:00", "weekdays": [1]}
    with pytest.raises(Rejected, match="overlap"):
        Calendar.from_record(record(shifts=[early, night]))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31)), min_size=1, max_size=20),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"]),
)
def test_every_instant_gets_the_shift_that_a_clock_on_the_wall_shows(times: list[datetime], name: str) -> None:
    zone = ZoneInfo(name)
    instants = [t.replace(tzinfo=UTC) for t in times]
    rows = book(record(zone=name)).assign(at(*instants)).rows(named=True)
    for instant, row in zip(instants, rows, strict=True):
        local = instant.astimezone(zone)
        day = local.date() - timedelta(days=local.hour < 6)
        assert row["shift"] == ("E" if 6 <= local.hour < 14 else "L" if 14 <= local.hour < 22 else "N")
        assert row["posting_date"] == day
        assert row["shift_start"] <= instant < row["shift_end"]
