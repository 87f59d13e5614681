"""A reconciliation is exact only where every piece, second, record and row agrees; it names what differs."""

from dataclasses import replace
from decimal import Decimal
from io import StringIO

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from sandbox.plant_disturb import PLANNED, Fault
from sandbox.reconcile import MEASURES, Sums, reconcile
from sandbox.reconcile_counts import TopicCounts, count_history
from sandbox.report_tables import dead_letters_table, figure, tables

CYCLES = TopicCounts(107, 100, 4, {"truncated": 3}, 100, 100)


def truth():
    operation = {
        "order_id": "1000001",
        "operation": "0010",
        "material": "PLT-110",
        "unit": "C62",
        "target": "90",
        "yield": "95",
        "scrap": {"": "2", "DIM": "1"},
        "rework": "4",
        "setup_time": "600.5",
        "machine_time": "3600",
        "labour_time": "0",
        "is_final": True,
    }
    return {
        "operations": [operation, {**operation, "operation": "0020", "is_final": False}],
        "topics": {"machine-cycle": {"records": 107, "events": 100, "duplicates": 4, "rejects": {"truncated": 3}}},
        "unknown_orders": {"1000009": 12},
    }


def booked(**changes):
    values = ("95", "3", "4", "600.5", "3600", "0")
    measures = {name: Decimal(value) for name, value in zip(MEASURES, values, strict=True)}
    first = Sums("1000001", "0010", measures, True, {"": Decimal(2), "DIM": Decimal(1), "SURF": Decimal(0)}, 5)
    return [replace(first, **changes), Sums("1000001", "0020", measures, postings=2)]


def compare(**changes):
    given_ = {
        "ledger": booked(),
        "erp": booked(),
        "topics": {"machine-cycle": CYCLES},
        "waited_in_vain": {"1000009": 12},
    }
    return reconcile(truth(), **{**given_, **changes})


def test_equal_books_are_exact():
    result = compare()
    assert result.ok
    assert result.exit_status == 0
    assert result.as_json()["ok"] is True
    assert result.dead_letters == {"truncated": 3, "order_unknown": 12}


@settings(max_examples=30)
@given(st.sampled_from(MEASURES), st.decimals(-50, 50, places=3).filter(bool), st.sampled_from(["ledger", "erp"]))
def test_any_difference_in_any_measure_of_any_place_fails(name, off, place):
    (right, other) = booked()
    wrong = replace(right, measures={**right.measures, name: right.measures[name] + off})
    result = compare(**{place: [wrong, other]})
    assert result.exit_status == 1
    assert result.operations[0].differences == (name,)
    assert result.operations[1].ok


def test_what_the_ledger_wants_and_the_erp_shows_may_not_be_wrong_together():
    (right, other) = booked()
    wrong = [replace(right, measures={**right.measures, "yield": Decimal(94)}), other]
    assert not compare(ledger=wrong, erp=wrong).ok


@pytest.mark.parametrize("place", ["ledger", "erp"])
def test_a_missing_final_confirmation_fails(place):
    assert compare(**{place: booked(is_final=False)}).operations[0].differences == ("final",)


def test_scrap_under_the_wrong_reason_fails():
    swapped = {"": Decimal(1), "DIM": Decimal(2)}
    result = compare(erp=booked(scrap_by_reason=swapped))
    assert result.operations[0].differences == ("scrap by reason (ERP)",)


def test_an_operation_that_was_never_booked_fails():
    assert compare(erp=booked()[:1]).operations[1].differences[:2] == ("yield", "scrap")


def test_a_booking_for_something_the_plant_never_made_fails():
    ghost = Sums("1000009", "0010", {"yield": Decimal(1)})
    result = compare(erp=[*booked(), ghost])
    assert [row.order_id for row in result.operations if not row.ok] == ["1000009"]
    assert "not made by the plant" in result.operations[-1].differences


def test_an_empty_comparison_is_not_exact():
    nothing = {"operations": [], "topics": {}, "unknown_orders": {}}
    assert not reconcile(nothing, ledger=[], erp=[], topics={}, waited_in_vain={}).ok


@pytest.mark.parametrize(
    ("counts", "wrong"),
    [
        (replace(CYCLES, read=106), {"read", "sum"}),
        (replace(CYCLES, accepted=99), {"accepted", "sum"}),
        (replace(CYCLES, duplicates=3), {"duplicates", "sum"}),
        (replace(CYCLES, dead_letters={"truncated": 2}), {"dead letters", "sum", "truncated"}),
        (replace(CYCLES, history_rows=101), {"history rows"}),
        (replace(CYCLES, history_events=99), {"distinct rows"}),
    ],
)
def test_each_count_that_differs_is_named(counts, wrong):
    result = compare(topics={"machine-cycle": counts})
    assert {check.what for check in [*result.checks, *result.reasons] if not check.ok} == wrong
    assert result.exit_status == 1


def test_a_dead_letter_for_the_wrong_reason_fails():
    result = compare(topics={"machine-cycle": replace(CYCLES, dead_letters={"truncated": 2, "bad_enum": 1})})
    assert all(check.ok for check in result.checks)
    assert {check.what for check in result.reasons if not check.ok} == {"truncated", "bad_enum"}
    assert result.exit_status == 1


@pytest.mark.parametrize("waited", [{}, {"1000009": 11}, {"1000009": 12, "1000008": 1}])
def test_events_of_an_unknown_order_must_all_be_in_the_dead_letters_and_no_others(waited):
    assert not compare(waited_in_vain=waited).ok


def test_the_dead_letters_say_that_the_plant_planned_them_and_which_order_is_never_released():
    """Whoever looks at a demo has to see that what was given up was meant to be."""
    out = StringIO()
    Console(file=out, width=160).print(dead_letters_table(compare()))
    lines = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert "order_unknown 12 order 1000009, which the ERP never releases" in lines
    assert "truncated 3 the last third of a record is missing" in lines
    assert set(PLANNED) == set(Fault)


def test_tables_show_both_numbers_of_a_difference_and_the_verdict():
    out = StringIO()
    changed = {"machine-cycle": replace(CYCLES, history_rows=101)}
    Console(file=out, width=160).print(tables(compare(topics=changed)))
    assert "101 (not 100)" in out.getvalue()
    assert "Not exact: 1 difference " in out.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [(Decimal("1E+3"), "1,000"), (Decimal("0.500"), "0.5"), (1200, "1,200"), (Decimal(0), "0")],
)
def test_figures_keep_whole_zeros_and_drop_the_ones_behind_the_point(value, text):
    assert figure(value) == text


def test_history_is_counted_over_files_with_and_without_added_columns(tmp_path):
    for date, frame in {
        "2026-03-02": pl.DataFrame({"event_id": ["a", "b"]}),
        "2026-03-03": pl.DataFrame({"event_id": ["b", "c"], "added": [1, 2]}),
    }.items():
        folder = tmp_path / "machine-cycle" / "plant=1010" / f"date={date}"
        folder.mkdir(parents=True)
        frame.write_parquet(folder / "0-0-1.parquet")
        (folder / "0-2-3.parquet.part").write_bytes(b"unfinished")
    assert count_history(tmp_path, "machine-cycle") == (4, 3)
    assert count_history(tmp_path, "machine-state") == (0, 0)
