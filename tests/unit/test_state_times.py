from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.jobs import in_order
from operators.shifts import Calendar, CalendarBook
from operators.state_times import MEASURES, STATE_TIME, intervals, pieces, state_times
from operators.windows import Window

START = datetime(2026, 1, 5, 11, tzinfo=UTC)
MINUTE = 60_000_000
SCHEMA = {
    "plant": pl.String,
    "work_center": pl.String,
    "event_id": pl.String,
    "event_time": pl.Datetime("us", "UTC"),
    "sequence": pl.Int64,
    "row_kind": pl.String,
    "state": pl.String,
    "job_event": pl.String,
    "order_id": pl.String,
    "operation": pl.String,
}


def calendar() -> CalendarBook:
    """One shift from 11 to 12 UTC."""
    shift = {"shift": "E", "start": "11:00", "end": "12:00", "weekdays": [1, 2, 3, 4, 5, 6, 7]}
    record = {"plant": "P", "version": 1, "zone": "UTC", "valid_from": date(2020, 1, 1)}
    return CalendarBook([Calendar.from_record({**record, "shifts": [shift], "holidays": []})])


def states(*rows: tuple[Any, ...], work_center: str = "W") -> pl.DataFrame:
    """Rows (minute, state) or (minute, state, job event, order)."""
    listed = [
        {
            "plant": "P",
            "work_center": work_center,
            "event_id": f"e{number:03}",
            "event_time": START + timedelta(minutes=row[0]),
            "row_kind": "state",
            "state": row[1],
            "job_event": row[2] if len(row) > 2 else "NONE",
            "order_id": row[3] if len(row) > 2 else None,
        }
        for number, row in enumerate(rows)
    ]
    return pl.DataFrame(listed, schema=SCHEMA)


def times(*rows: tuple[Any, ...], micro_stop: int = 2) -> dict[str, dict[str, int]]:
    """Minutes by shift and measure, without zeros."""
    measured = intervals(in_order(states(*rows)), micro_stop * MINUTE)
    out: dict[str, dict[str, int]] = {}
    for row in state_times(measured, calendar()).to_dicts():
        minutes = {name: int(row[name] / 60) for name in [*MEASURES.values(), "micro_stop_time"]}
        minutes["micro_stops"] = row["micro_stops"]
        out[row["shift"]] = {name: value for name, value in minutes.items() if value}
    return out


def test_time_counts_from_one_event_to_the_next_and_the_last_counts_nothing() -> None:
    assert times((0, "SETUP"), (10, "PRODUCTION"), (25, "OFF")) == {"E": {"setup_time": 10, "production_time": 15}}


def test_unchanged_keeps_the_state_and_closes_the_time_until_then() -> None:
    assert times((0, "PRODUCTION"), (10, "UNCHANGED")) == {"E": {"production_time": 10}}
    assert times((0, "UNCHANGED"), (10, "UNCHANGED")) == {}


def test_an_interval_is_cut_at_the_end_of_the_shift() -> None:
    assert times((50, "DOWN"), (75, "PRODUCTION")) == {"E": {"down_time": 10}, "": {"down_time": 15}}


def test_a_short_stop_between_two_productions_is_a_micro_stop() -> None:
    rows = (0, "PRODUCTION"), (10, "DELAY"), (11, "PRODUCTION"), (20, "OFF")
    assert times(*rows) == {"E": {"production_time": 19, "micro_stop_time": 1, "micro_stops": 1}}


def test_a_stop_is_none_at_the_threshold_nor_beside_another_state_nor_before_it_has_ended() -> None:
    assert times((0, "PRODUCTION"), (10, "DOWN"), (12, "PRODUCTION"))["E"]["down_time"] == 2
    assert times((0, "SETUP"), (10, "DOWN"), (11, "PRODUCTION"))["E"]["down_time"] == 1
    assert times((0, "PRODUCTION"), (10, "DELAY"), (11, "DOWN"), (12, "PRODUCTION"))["E"]["delay_time"] == 1
    assert times((0, "PRODUCTION"), (10, "DELAY"), (11, "UNCHANGED"))["E"]["delay_time"] == 1


def test_a_stop_reported_twice_is_one_stop() -> None:
    rows = (0, "PRODUCTION"), (10, "DELAY"), (11, "DELAY"), (13, "PRODUCTION"), (14, "OFF")
    assert times(*rows, micro_stop=4)["E"]["micro_stops"] == 1
    assert times(*rows, micro_stop=2)["E"]["delay_time"] == 3


def test_a_micro_stop_over_the_end_of_a_shift_is_counted_where_it_begins() -> None:
    found = times((0, "PRODUCTION"), (59, "DOWN"), (61, "PRODUCTION"), (70, "OFF"), micro_stop=5)
    assert found["E"] == {"production_time": 59, "micro_stop_time": 1, "micro_stops": 1}
    assert found[""] == {"production_time": 9, "micro_stop_time": 1}


def test_work_centres_do_not_close_each_others_time() -> None:
    rows = pl.concat([states((0, "PRODUCTION")), states((10, "DOWN"), (20, "OFF"), work_center="V")])
    found = state_times(intervals(in_order(rows), 0), calendar())
    assert found.select("work_center", "production_time", "down_time").rows() == [("V", 0, 600)]


def test_job_boundaries_and_windows_split_an_interval() -> None:
    rows = states((0, "PRODUCTION", "START", "A"), (7, "UNCHANGED", "START", "B"), (11, "OFF", "END", "B"))
    cut = pieces(intervals(in_order(rows), 0), Window.parse("5m"), calendar()).sort("start")
    minutes = [((end - start) // MINUTE, order) for start, end, order in cut.select("start", "end", "order_id").rows()]
    assert minutes == [(5, "A"), (2, "A"), (3, "B"), (1, "B")]


def test_no_rows_give_no_times() -> None:
    found = state_times(intervals(states(), 0), calendar())
    assert found.schema == pl.Schema(STATE_TIME)
    assert found.height == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5000), st.sampled_from(["UNCHANGED", *MEASURES])), max_size=12))
def test_the_pieces_add_up_to_the_whole_time_since_the_first_state(drawn: list[tuple[int, str]]) -> None:
    rows = sorted(enumerate(drawn), key=lambda item: (item[1][0], item[0]))
    listed = [row for _, row in rows]
    known = [minute for minute, state in listed if state != "UNCHANGED"]
    expected = (listed[-1][0] - known[0]) * 60 if known else 0
    found = state_times(intervals(in_order(states(*listed)), 3 * MINUTE), calendar())
    total = sum((found[name].sum() for name in [*MEASURES.values(), "micro_stop_time"]), Decimal(0))
    assert total == expected
