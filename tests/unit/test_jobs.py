from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from operators.jobs import attribute, intervals

START = datetime(2026, 1, 1, tzinfo=UTC)
SCHEMA = {
    "plant": pl.String,
    "work_center": pl.String,
    "event_id": pl.String,
    "event_time": pl.Datetime("us", "UTC"),
    "sequence": pl.Int64,
    "row_kind": pl.String,
    "order_id": pl.String,
    "operation": pl.String,
}


def row(minute: int, order: str | None = None, operation: str | None = None, **more: Any) -> dict[str, Any]:
    at = START + timedelta(minutes=minute)
    base = {"plant": "P", "work_center": "W", "event_id": f"c{minute}", "event_time": at, "sequence": None}
    return {**base, "row_kind": "count", "order_id": order, "operation": operation, **more}


def job(
    minute: int, event: str, order: str | None = None, operation: str | None = "0010", **more: Any
) -> dict[str, Any]:
    named = operation if order else None
    return row(minute, order, named, row_kind="state", job_event=event, event_id=f"j{minute}-{event}", **more)


def orders(jobs: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    events = pl.DataFrame(jobs, schema={**SCHEMA, "job_event": pl.String})
    return attribute(pl.DataFrame(rows, schema=SCHEMA), events).select("order_id", "operation").rows()


A, B, NONE = ("A", "0010"), ("B", "0010"), ("", "")


def test_a_row_takes_the_job_that_was_active_at_its_time() -> None:
    jobs = [job(10, "START", "A"), job(20, "PAUSE", "A"), job(30, "RESUME", "A"), job(40, "END", "A")]
    assert orders(jobs, [row(m) for m in (5, 15, 25, 35, 45)]) == [NONE, A, NONE, A, NONE]


def test_the_start_of_another_job_ends_the_former() -> None:
    jobs = [job(10, "START", "A"), job(20, "START", "B"), job(30, "END", "B")]
    assert orders(jobs, [row(15), row(25), row(35)]) == [A, B, NONE]


def test_the_end_of_a_job_that_does_not_run_stops_nothing() -> None:
    jobs = [job(10, "START", "A"), job(20, "START", "B"), job(25, "END", "A")]
    assert orders(jobs, [row(30)]) == [B]


def test_an_end_without_order_stops_what_runs_and_a_resume_without_order_starts_it_again() -> None:
    jobs = [job(10, "START", "A"), job(20, "PAUSE"), job(30, "RESUME")]
    assert orders(jobs, [row(25), row(35)]) == [NONE, A]


def test_a_start_without_order_attributes_nothing() -> None:
    assert orders([job(10, "START", "A"), job(20, "START")], [row(25)]) == [NONE]


def test_an_end_that_names_another_operation_stops_nothing_but_one_without_operation_does() -> None:
    running = job(10, "START", "A")
    assert orders([running, job(20, "END", "A", "0020")], [row(25)]) == [A]
    assert orders([running, job(20, "END", "A", None)], [row(25)]) == [NONE]


def test_a_row_keeps_its_own_order_and_takes_the_operation_of_the_same_order_only() -> None:
    jobs = [job(10, "START", "A")]
    found = orders(jobs, [row(15, "C", "0030"), row(15, "A"), row(15, "C")])
    assert found == [("C", "0030"), ("A", "0010"), ("C", "")]


def test_work_centres_do_not_share_jobs() -> None:
    assert orders([job(10, "START", "A", work_center="V")], [row(15)]) == [NONE]


def test_at_one_instant_the_sequence_decides_and_without_it_a_count_stands_before_the_job_event() -> None:
    assert orders([job(10, "START", "A", sequence=1)], [row(10, sequence=2)]) == [A]
    assert orders([job(10, "START", "A", sequence=3)], [row(10, sequence=2)]) == [NONE]
    assert orders([job(10, "END", "A"), job(5, "START", "A")], [row(10)]) == [A]


def test_rows_come_back_in_the_order_in_which_they_came() -> None:
    jobs = [job(10, "START", "A"), job(20, "START", "B")]
    assert orders(jobs, [row(25), row(5), row(15)]) == [B, NONE, A]
    assert orders([], [row(5)]) == [NONE]
    assert orders(jobs, []) == []


def test_intervals_run_from_change_to_change() -> None:
    jobs = [job(10, "START", "A"), job(20, "PAUSE"), job(30, "RESUME"), job(40, "START", "B")]
    found = intervals(pl.DataFrame(jobs, schema={**SCHEMA, "job_event": pl.String}))
    minutes = [
        (order, (start - START).seconds // 60, end and (end - START).seconds // 60)
        for order, start, end in found.select("order_id", "start", "end").rows()
    ]
    assert minutes == [("A", 10, 20), ("A", 30, 40), ("B", 40, None)]
