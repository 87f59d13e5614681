from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.errors import Misconfigured
from operators.shifts import Calendar, CalendarBook
from operators.windows import Window, assign, slot, slot_column

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def calendars() -> CalendarBook:
    shift = {"shift": "E", "start": "06:00", "end": "14:00", "weekdays": [1, 2, 3, 4, 5, 6, 7]}
    record = {"plant": "P", "version": 1, "zone": "Europe/Berlin", "valid_from": date(2020, 1, 1)}
    return CalendarBook([Calendar.from_record({**record, "shifts": [shift], "holidays": []})])


def row(time: datetime, window: str) -> tuple[datetime, datetime, str, date]:
    frame = pl.DataFrame({"plant": ["P"], "event_time": [time]}).with_columns(
        pl.col("event_time").cast(pl.Datetime("us", "UTC"))
    )
    added = assign(frame, Window.parse(window), calendars())
    return added.select("window_start", "window_end", "shift", "posting_date").row(0)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def test_durations_are_aligned_to_the_epoch() -> None:
    assert row(utc(2026, 1, 5, 7, 3, 4), "5m") == (
        utc(2026, 1, 5, 7),
        utc(2026, 1, 5, 7, 5),
        "E",
        date(2026, 1, 5),
    )
    assert row(utc(1969, 12, 31, 23, 59, 59), "10s")[0] == utc(1969, 12, 31, 23, 59, 50)


def test_a_shift_window_is_the_shift_and_outside_it_the_local_day() -> None:
    assert row(utc(2026, 1, 5, 7), "shift")[:3] == (utc(2026, 1, 5, 5), utc(2026, 1, 5, 13), "E")
    assert row(utc(2026, 1, 5, 23, 30), "shift") == (
        utc(2026, 1, 5, 23),
        utc(2026, 1, 6, 23),
        "",
        date(2026, 1, 6),
    )


def test_a_day_is_the_local_day_and_knows_no_shift() -> None:
    start, end, shift, posting = row(utc(2026, 3, 29, 8), "day")
    assert (start, end) == (utc(2026, 3, 28, 23), utc(2026, 3, 29, 22))
    assert (shift, posting) == ("", date(2026, 3, 29))


def test_an_operation_is_one_window_with_the_posting_date_of_the_event() -> None:
    assert row(utc(2026, 1, 5, 7), "operation") == (EPOCH, EPOCH, "", date(2026, 1, 5))


@pytest.mark.parametrize("text", ["10s", "5m", "1h", "24h", "shift", "day", "operation"])
def test_a_window_reads_what_it_writes(text: str) -> None:
    assert str(Window.parse(text)) == text


@pytest.mark.parametrize("text", ["", "0s", "25h", "1w", "5 m", "-5m", "1.5h", "Shift"])
def test_other_windows_are_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="window"):
        Window.parse(text)


def test_a_total_is_due_at_the_end_of_its_window_and_of_an_operation_at_its_last_event() -> None:
    assert Window.parse("5m").closes_at(300, 7) == 300
    assert Window.parse("operation").closes_at(0, 7) == 7
    rows = pl.DataFrame({"window_end": [300], "last_time": [7]})
    assert rows.select(Window.parse("5m").closes_column()).item() == 300
    assert rows.select(Window.parse("operation").closes_column()).item() == 7


@given(
    st.datetimes(datetime(1960, 1, 1), datetime(2040, 1, 1)),
    st.sampled_from(["7m", "1h", "shift", "day", "operation"]),
)
def test_the_slot_of_a_column_is_the_slot_of_each_value(time: datetime, text: str) -> None:
    window, start = Window.parse(text), row(time.replace(tzinfo=UTC), text)[0]
    frame = pl.DataFrame({"window_start": [start]}).cast(pl.Datetime("us", "UTC"))
    number = slot((start - EPOCH) // timedelta(microseconds=1), window, 64)
    assert frame.select(slot_column(window, 64)).item() == number
    assert 0 <= number < 64


def test_neighbouring_days_take_neighbouring_slots_through_the_clock_change() -> None:
    window = Window.parse("day")
    starts = [row(utc(2026, 3, 26, 12) + timedelta(days=n), "day")[0] for n in range(6)]
    slots = [slot((s - EPOCH) // timedelta(microseconds=1), window, 1000) for s in starts]
    assert slots == list(range(slots[0], slots[0] + 6))
