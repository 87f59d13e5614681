from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from operators.counters import INCREMENTS, READING, CounterPolicy, Increments, increments

START = datetime(2026, 1, 1, tzinfo=UTC)
RESET = CounterPolicy(start="zero", lower="reset", reset_below=5)


def readings(*values: int | str | tuple[int, int, int], **columns: list[Any]) -> pl.DataFrame:
    registers = [v if isinstance(v, tuple) else (v, 0, 0) for v in values]
    rows = [
        {
            "plant": "P",
            "work_center": "W",
            "source": "S",
            "unit": "C62",
            "event_id": f"e{n}",
            "event_time": START + timedelta(seconds=n),
            "sequence": n,
            "quantity_good": Decimal(good),
            "quantity_scrap": Decimal(scrap),
            "quantity_rework": Decimal(rework),
            **{name: listed[n] for name, listed in columns.items()},
        }
        for n, (good, scrap, rework) in enumerate(registers)
    ]
    return pl.DataFrame(rows, schema=READING)


def good(result: Increments) -> dict[str, str]:
    """Increment of good pieces by event."""
    return {name: f"{value.normalize():f}" for name, value in result.rows.select("event_id", INCREMENTS[0]).rows()}


def reasons(result: Increments) -> list[tuple[Any, ...]]:
    """Event, reason, register and both numbers of what is quarantined."""
    names = ("event_id", "reason", "register", "previous", "found")
    return result.quarantined.sort("event_time").select(names).rows()


def test_the_first_reading_is_a_baseline() -> None:
    assert good(increments(readings(100, 105, 107), CounterPolicy())) == {"e0": "0", "e1": "5", "e2": "2"}


def test_a_counter_declared_to_start_at_zero_counts_its_first_reading() -> None:
    assert good(increments(readings(100, 105), CounterPolicy(start="zero"))) == {"e0": "100", "e1": "5"}


def test_a_lower_reading_is_quarantined_by_default_with_both_numbers_and_is_no_baseline() -> None:
    result = increments(readings(100, 3, 106), CounterPolicy())
    assert good(result) == {"e0": "0", "e2": "6"}
    assert reasons(result) == [("e1", "counter_fell", "quantity_good", Decimal(100), Decimal(3))]


def test_a_quarantined_level_from_which_the_counter_runs_on_is_confirmed() -> None:
    result = increments(readings(100, 3, 3, 4, 9), CounterPolicy())
    assert good(result) == {"e0": "0", "e3": "1", "e4": "5"}
    assert [row[0] for row in reasons(result)] == ["e1", "e2"]


def test_a_policy_may_ask_for_several_readings_or_never_confirm() -> None:
    values = readings(100, 3, 4, 5, 6)
    assert good(increments(values, CounterPolicy(confirm_after=3))) == {"e0": "0", "e4": "1"}
    assert good(increments(values, CounterPolicy(confirm_after=0))) == {"e0": "0"}


def test_a_reading_near_zero_is_a_reset() -> None:
    result = increments(readings(100, 3, 4, 20, 10), RESET)
    assert good(result) == {"e0": "100", "e1": "3", "e2": "1", "e3": "16"}
    assert reasons(result) == [("e4", "counter_fell", "quantity_good", Decimal(20), Decimal(10))]


def test_a_reset_concerns_all_registers_of_a_reading() -> None:
    result = increments(readings((100, 8, 0), (3, 2, 1), (4, 50, 1), (1, 6, 0)), RESET)
    rows = result.rows.select(INCREMENTS).rows()
    assert rows == [(100, 8, 0), (3, 2, 1), (1, 48, 0)]
    assert reasons(result)[0][:3] == ("e3", "counter_fell", "quantity_scrap")


def test_a_named_event_resets_a_counter_even_where_it_reads_higher() -> None:
    policy = CounterPolicy(lower="reset", reset_event="CLEARED")
    values = readings(2, 7, 3, reading_event=[None, "CLEARED", None])
    result = increments(values, policy)
    assert good(result) == {"e0": "0", "e1": "7"}
    assert reasons(result)[0][:2] == ("e2", "counter_fell")


def test_a_register_that_wraps_adds_its_modulus() -> None:
    policy = CounterPolicy(lower="rollover", modulus=65536)
    assert good(increments(readings(65530, 65535, 3), policy)) == {"e0": "0", "e1": "5", "e2": "4"}


def test_a_wrap_of_more_than_half_the_register_is_taken_for_a_fall() -> None:
    result = increments(readings(40000, 30000), CounterPolicy(lower="rollover", modulus=65536))
    assert reasons(result)[0][:2] == ("e1", "counter_fell")


def test_a_reading_beyond_the_modulus_is_quarantined() -> None:
    result = increments(readings(1, 65536), CounterPolicy(lower="rollover", modulus=65536, largest_step=10**6))
    assert reasons(result) == [("e1", "beyond_modulus", "quantity_good", Decimal(1), Decimal(65536))]


def test_a_signed_correction_takes_pieces_back() -> None:
    result = increments(readings(5, 9, 7), CounterPolicy(lower="signed_correction"))
    assert good(result) == {"e0": "0", "e1": "4", "e2": "-2"}


def test_a_step_beyond_the_largest_is_quarantined() -> None:
    result = increments(readings(5, 500, 9), CounterPolicy(largest_step=10))
    assert good(result) == {"e0": "0", "e2": "4"}
    assert reasons(result) == [("e1", "step_too_large", "quantity_good", Decimal(5), Decimal(500))]


def test_a_negative_reading_is_quarantined() -> None:
    assert reasons(increments(readings(5, -1, 6), RESET))[0][:2] == ("e1", "negative_reading")


def test_an_opening_event_sets_baselines_and_what_it_does_not_list_starts_at_zero() -> None:
    policy = CounterPolicy(start="opening_event", opening_event="JOB_START")
    values = readings(
        *(7, 9, 10, 2, 12, 3),
        counter=["a", "a", "a", "b", "a", "b"],
        reading_event=[None, None, "JOB_START", None, None, None],
    )
    expected = {"e0": "0", "e1": "2", "e2": "0", "e3": "2", "e4": "2", "e5": "1"}
    assert good(increments(values, policy)) == expected


def test_an_opening_event_restarts_a_counter_that_it_leaves_out() -> None:
    policy = CounterPolicy(start="opening_event", opening_event="JOB_START")
    values = readings(10, 5, 4, counter=["b", "a", "b"], reading_event=["JOB_START", "JOB_START", None])
    values = values.with_columns(event_time=pl.Series([START, START + timedelta(9), START + timedelta(10)]))
    assert good(increments(values, policy.model_copy()))["e2"] == "4"


def test_readings_at_the_instant_of_an_opening_event_belong_to_it() -> None:
    policy = CounterPolicy(start="opening_event", opening_event="JOB_START")
    values = readings(10, 20, 1, counter=["a", "b", "c"], reading_event=["JOB_START", "JOB_START", None])
    values = values.with_columns(event_time=pl.lit(START).cast(READING["event_time"]))
    assert good(increments(values, policy)) == {"e0": "0", "e1": "0", "e2": "1"}


def test_counters_of_one_source_are_told_apart_by_the_declared_identity() -> None:
    values = readings(100, 7, 103, 9, order_id=["A", "B", "A", "B"])
    by_order = CounterPolicy(identity=("source", "order_id"))
    assert good(increments(values, by_order)) == {"e0": "0", "e1": "0", "e2": "3", "e3": "2"}


def test_the_sequence_orders_readings_whose_clock_stepped_back() -> None:
    values = readings(1, 2, 3).with_columns(event_time=pl.col("event_time").reverse())
    assert good(increments(values, CounterPolicy(order_by="sequence"))) == {"e0": "0", "e1": "1", "e2": "1"}
    unnumbered = values.with_columns(sequence=pl.lit(None, pl.Int64))
    result = increments(unnumbered, CounterPolicy(order_by="sequence"))
    assert [row[1] for row in reasons(result)] == ["sequence_missing"] * 3


def test_fractions_stay_exact() -> None:
    assert good(increments(readings("0.1", "0.3", "999999999999.999999"), CounterPolicy()))["e1"] == "0.2"


POLICIES = [
    CounterPolicy(),
    RESET,
    CounterPolicy(lower="rollover", modulus=16, confirm_after=2),
    CounterPolicy(lower="signed_correction", largest_step=4),
    CounterPolicy(start="opening_event", opening_event="OPEN", confirm_after=3),
]
SERIES = st.lists(
    st.tuples(st.integers(-1, 17), st.sampled_from(["a", "b"]), st.sampled_from([None, None, "OPEN"])),
    min_size=1,
    max_size=14,
)


def series(drawn: list[tuple[int, str, str | None]]) -> pl.DataFrame:
    values, counters, events = zip(*drawn, strict=True)
    return readings(*values, counter=list(counters), reading_event=list(events))


@settings(max_examples=60, deadline=None)
@given(SERIES, st.sampled_from(POLICIES), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(drawn: list[Any], policy: CounterPolicy, order: Any) -> None:
    values = series(drawn)
    shuffled = values[order.sample(range(values.height), values.height)]
    first, second = increments(values, policy), increments(shuffled, policy)
    assert good(first) == good(second)
    assert reasons(first) == reasons(second)


@settings(max_examples=60, deadline=None)
@given(SERIES, st.sampled_from(POLICIES), st.integers(0, 14))
def test_baselines_go_on_where_the_readings_were_cut(drawn: list[Any], policy: CounterPolicy, cut: int) -> None:
    values = series(drawn)
    whole = increments(values, policy)
    before = increments(values[:cut], policy)
    after = increments(values[cut:], policy, before.baselines)
    assert good(before) | good(after) == good(whole)
    assert reasons(before) + reasons(after) == reasons(whole)


@pytest.mark.parametrize("cut", range(6))
@pytest.mark.parametrize("confirm", [1, 2])
def test_a_level_in_quarantine_is_confirmed_across_a_cut(cut: int, confirm: int) -> None:
    values, policy = readings(100, 3, 2, 4, 5, 9), CounterPolicy(confirm_after=confirm)
    before = increments(values[:cut], policy)
    after = increments(values[cut:], policy, before.baselines)
    assert good(before) | good(after) == good(increments(values, policy))


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": "opening_event"},
        {"opening_event": "X"},
        {"lower": "rollover"},
        {"modulus": 5},
        {"lower": "reset"},
        {"reset_below": 5},
        {"identity": ("source", "weather")},
        {"colour": "red"},
    ],
)
def test_a_policy_that_does_not_fit_together_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CounterPolicy(**wrong)
