from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from millrace.errors import Misconfigured
from operators.counters import QUARANTINED, CounterPolicy
from operators.partials import CONTRIBUTION
from operators.timeline import STATE_TIMES, Output, Timeline, TimelineConfig
from operators.windows import Window
from tests.property.timeline_oracle import START, TICK, Event
from tests.property.timeline_world import calendar, frame


def timeline(window: str = "10m", hold: bool = False, **policy: Any) -> Timeline:
    return Timeline(
        TimelineConfig(Window.parse(window), default_counter=CounterPolicy(**policy)), calendar(), hold=hold
    )


def given(line: Timeline, *events: Event) -> Output:
    line.add(frame(list(events)))
    return line.recompute()


def count(number: int, tick: int, good: int = 1, **more: Any) -> Event:
    return Event(number, "W1", tick, "count", quantity=(good, 0, 0), **more)


def reading(number: int, tick: int, good: int) -> Event:
    return Event(number, "W1", tick, "reading", quantity=(good, 0, 0))


def job(number: int, tick: int, event: str, order: str | None, state: str = "UNCHANGED", **more: Any) -> Event:
    return Event(number, "W1", tick, "state", order=order, state=state, job=event, **more)


def yields(output: Output) -> list[tuple[Any, ...]]:
    """Order, minute of the window, yield, revision of machine rows."""
    rows = output.contributions.filter(pl.col("kind") == "M").sort("window_start", "order_id")
    return [
        (row["order_id"], _minute(row["window_start"]), int(row["quantity_yield"]), row["revision"])
        for row in rows.to_dicts()
    ]


def _minute(instant: datetime) -> int:
    return (instant - START) // timedelta(minutes=1)


def frontier(tick: int) -> int:
    return int((START + timedelta(seconds=TICK * tick)).timestamp()) * 1_000_000


def test_only_windows_whose_revision_rose_are_announced() -> None:
    line = timeline()
    assert yields(given(line, count(1, 0, order="A"), count(2, 30, order="A"))) == [
        ("A", 0, 1, 1),
        ("A", 10, 1, 2),
    ]
    assert yields(given(line, count(3, 35, 4, order="A"))) == [("A", 10, 5, 3)]
    assert yields(given(line, count(4, 1, 2, order="A"))) == [("A", 0, 3, 2), ("A", 10, 5, 4)]


def test_untouched_work_centres_are_not_announced_again() -> None:
    line = timeline()
    other = Event(9, "W2", 0, "count", quantity=(7, 0, 0), order="B")
    assert len(yields(given(line, count(1, 0, order="A"), other))) == 2
    assert yields(given(line, count(2, 1, order="A"))) == [("A", 0, 2, 2)]
    assert line.recompute().empty


def test_a_late_job_event_moves_pieces_and_the_former_key_is_announced_with_zero() -> None:
    line = timeline()
    assert yields(given(line, count(1, 5, 3))) == [("", 0, 3, 1)]
    moved = given(line, job(2, 0, "START", "A"))
    assert yields(moved) == [("", 0, 0, 2), ("A", 0, 3, 2)]
    zero = moved.contributions.filter(order_id="").row(0, named=True)
    assert (zero["events"], zero["unit"], zero["first_time"]) == (0, "C62", None)


def test_a_late_reading_takes_pieces_from_the_window_after_it() -> None:
    line = timeline()
    assert yields(given(line, reading(1, 0, 10), reading(2, 25, 18))) == [("", 0, 0, 1), ("", 10, 8, 2)]
    assert yields(given(line, reading(3, 5, 15))) == [("", 0, 5, 2), ("", 10, 3, 3)]


def test_times_of_a_job_are_measured_and_its_end_completes_it() -> None:
    line = timeline("60m")
    events = (
        job(1, 0, "START", "A", "SETUP"),
        job(2, 10, "NONE", None, "PRODUCTION"),
        job(3, 30, "END", "A", completed=True),
        job(4, 40, "NONE", None, "OFF"),
    )
    rows = given(line, *events).contributions
    assert rows.select("order_id", "kind", "setup_time", "machine_time", "completed", "events").rows() == [
        ("A", "T", 300, 600, True, 3)
    ]


def test_the_last_interval_counts_when_the_next_state_event_closes_it() -> None:
    line = timeline()
    first = given(line, job(1, 0, "START", "A", "PRODUCTION")).contributions
    assert first.select("machine_time", "revision").rows() == [(0, 1)]
    closed = given(line, job(2, 50, "END", "A")).contributions.sort("window_start")
    assert closed.select("machine_time", "revision").rows() == [(600, 2), (600, 2), (300, 2)]


def test_scrap_is_split_by_reason_and_a_reason_without_scrap_is_none() -> None:
    events = frame([count(1, 0, order="A"), count(2, 1, order="A"), count(3, 2, order="A")])
    events = events.with_columns(
        quantity_scrap=pl.Series([Decimal(2), Decimal(0), Decimal(1)]).cast(pl.Decimal(18, 6)),
        scrap_reason=pl.Series(["hole", "hole", None]),
    )
    line = timeline()
    line.add(events)
    rows = line.recompute().contributions.sort("quantity_scrap").select("scrap_reason", "quantity_scrap", "events")
    assert rows.rows() == [(None, 1, 2), ("hole", 2, 1)]


def test_parts_of_an_operation_window_are_local_days() -> None:
    line = timeline("operation")
    rows = given(line, count(1, 0, order="A"), count(2, 300, 2, order="A")).contributions.sort("part")
    assert rows["window_start"].unique().to_list() == [datetime(1970, 1, 1, tzinfo=UTC)]
    assert rows["quantity_yield"].to_list() == [1, 2]
    assert rows["part"].n_unique() == 2


def test_a_quarantined_reading_is_reported_once() -> None:
    line = timeline()
    report = given(line, reading(1, 0, 10), reading(2, 1, 3)).quarantined
    assert report.schema == pl.Schema(QUARANTINED)
    assert report.select("reason", "previous", "found").rows() == [("counter_fell", 10, 3)]
    assert given(line, reading(3, 2, 11)).quarantined.is_empty()


def test_a_correction_is_netted_within_its_part_over_scrap_reasons() -> None:
    line = timeline("60m", lower="signed_correction")
    events = frame([reading(1, 0, 10), reading(2, 1, 15), reading(3, 2, 13)]).with_columns(
        quantity_scrap=pl.Series([0, 1, 1]).cast(pl.Decimal(18, 6)),
        scrap_reason=pl.Series([None, "hole", None]),
    )
    line.add(events)
    output = line.recompute()
    assert output.contributions["quantity_yield"].sum() == 3
    assert output.contributions["quantity_yield"].min() == 0
    assert output.quarantined.is_empty()


def test_a_total_that_would_be_negative_is_clamped_and_reported() -> None:
    line = timeline(lower="signed_correction")
    output = given(line, reading(1, 0, 10), reading(2, 1, 15), reading(3, 25, 13))
    assert yields(output) == [("", 0, 5, 2), ("", 10, 0, 3)]
    report = output.quarantined.select("reason", "register", "previous", "found").rows()
    assert report == [("negative_total", "quantity_yield", -2, 0)]


def test_with_hold_nothing_leaves_before_a_snapshot_and_a_restored_life_announces_it_again() -> None:
    line = timeline(hold=True)
    assert given(line, count(1, 0, order="A")).empty
    assert line.release().empty
    state = line.snapshot()
    assert given(line, count(2, 1, order="A")).empty
    assert yields(line.release()) == [("A", 0, 1, 1)]
    assert line.release().empty
    again = timeline(hold=True)
    again.restore(state)
    assert yields(again.release()) == [("A", 0, 1, 1)]


def test_what_was_released_is_not_released_again_after_the_next_snapshot() -> None:
    line = timeline(hold=True)
    given(line, count(1, 0, order="A"))
    line.snapshot()
    line.release()
    again = timeline(hold=True)
    again.restore(line.snapshot())
    assert again.release().empty


def test_rows_added_before_a_snapshot_are_computed_after_the_restart() -> None:
    line = timeline()
    line.add(frame([count(1, 0, order="A")]))
    again = timeline()
    again.restore(line.snapshot())
    assert yields(again.recompute()) == [("A", 0, 1, 1)]


def test_a_snapshot_holds_what_was_computed_since_the_one_before_it() -> None:
    line, again, third = timeline(hold=True), timeline(hold=True), timeline(hold=True)
    line.add(frame([count(1, 0, 2, order="A")]))
    again.restore(line.snapshot())
    again.recompute()
    third.restore(again.snapshot())
    assert yields(third.release()) == [("A", 0, 2, 1)]


def test_a_snapshot_holds_no_more_than_what_eviction_left() -> None:
    line, again = timeline(), timeline()
    given(line, *(count(n, n * 60, order="A") for n in range(1, 5)))
    line.snapshot()
    line.evict(frontier(200))
    again.restore(line.snapshot())
    assert again.rows == line.rows < 4


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(Misconfigured, match="version"):
        timeline().restore({"version": 0, "frames": {}})


def test_eviction_keeps_baselines_and_the_count_of_events() -> None:
    line = timeline()
    given(line, job(1, 0, "START", "A", "PRODUCTION"), reading(2, 1, 10), count(3, 2), reading(4, 50, 15))
    line.evict(frontier(200))
    assert line.rows == 2
    output = given(line, reading(5, 210, 17), job(6, 212, "END", "A"))
    assert yields(output) == [("A", 100, 2, 6)]


def test_state_stays_bounded_while_events_go_on_for_ever() -> None:
    line, largest = timeline(), 0
    for tick in range(0, 9000, 90):
        given(line, reading(tick, tick, tick), job(tick + 1, tick, "START", f"O{tick}", "PRODUCTION"))
        line.evict(frontier(tick - 200))
        largest = max(largest, line.rows)
    # 200 rows went in; a Sunday without shifts, which is one part, is the most that is ever kept.
    assert largest < 90


def test_rows_before_what_was_evicted_are_handed_back() -> None:
    line = timeline()
    given(line, count(1, 0), count(2, 300))
    line.evict(frontier(250))
    late = frame([count(3, 10), count(4, 301)])
    assert line.add(late)["event_id"].to_list() == late["event_id"].to_list()[:1]
    assert [row[1:] for row in yields(line.recompute())] == [(150, 2, 3)]


def test_a_counter_silent_for_long_is_forgotten() -> None:
    config = TimelineConfig(Window.parse("10m"), forget_counter=timedelta(minutes=30))
    line = Timeline(config, calendar(), hold=False)
    given(line, reading(1, 0, 10))
    line.evict(frontier(4000))
    assert line.rows == 0
    assert yields(given(line, reading(2, 4001, 50)))[0][2] == 0


def test_sources_follow_their_own_policies() -> None:
    config = TimelineConfig(Window.parse("60m"), counters={"S-W1": CounterPolicy(start="zero")})
    line = Timeline(config, calendar(), hold=False)
    other = Event(2, "W2", 0, "reading", quantity=(50, 0, 0))
    rows = given(line, reading(1, 0, 10), other).contributions
    assert dict(rows.select("work_center", "quantity_yield").rows()) == {"W1": 10, "W2": 0}


def test_a_policy_is_for_every_source_that_its_pattern_matches_and_the_first_one_counts() -> None:
    counters = {"S-W*": CounterPolicy(start="zero"), "*": CounterPolicy()}
    line = Timeline(TimelineConfig(Window.parse("10m"), counters=counters), calendar(), hold=False)
    assert yields(given(line, reading(1, 0, 10))) == [("", 0, 10, 1)]


def test_outputs_have_their_schemas_even_when_empty() -> None:
    output = timeline().recompute()
    assert output.contributions.schema == pl.Schema(CONTRIBUTION)
    assert output.state_times.schema == pl.Schema(STATE_TIMES)
    assert output.empty


def test_state_times_come_by_shift_and_a_later_event_that_makes_a_micro_stop_raises_the_revision() -> None:
    line = timeline()
    states = (
        job(1, 0, "NONE", None, "PRODUCTION"),
        job(2, 58, "NONE", None, "DOWN"),
        job(3, 61, "NONE", None, "UNCHANGED"),
    )
    first = given(line, *states).state_times.sort("window_start")
    assert first.select("shift", "production_time", "down_time", "micro_stops", "revision").rows() == [
        ("L", 58 * TICK, 2 * TICK, 0, 3),
        ("M", 0, TICK, 0, 3),
    ]
    second = given(line, job(4, 61, "NONE", None, "PRODUCTION")).state_times.sort("window_start")
    columns = ("shift", "down_time", "micro_stop_time", "micro_stops", "revision")
    assert second.select(columns).rows() == [("L", 0, 2 * TICK, 1, 4), ("M", 0, TICK, 0, 4)]
