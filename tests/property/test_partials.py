"""The law that everything downstream rests on: merge(partial(a), partial(b)) == partial(a ++ b)."""

from __future__ import annotations

import random
from datetime import date, time
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from operators.partials import PARTIAL, QUANTITY, ROW_KEY, empty, merge
from operators.routes import origin_code, partial_totals
from operators.shifts import Calendar, CalendarBook, Shift, utc_calendar
from operators.windows import Window
from tests.property.stand_in import HOUR, cycle, frame, report

WEEK = frozenset(range(1, 8))
SHIFTS = (Shift("E", time(6), time(14), WEEK), Shift("N", time(22), time(6), WEEK))
WINDOWS = [Window.parse(text) for text in ("10m", "1h", "shift", "day", "operation")]


def rows_of(name: str, chance: random.Random, size: int) -> pl.DataFrame:
    """Random linear rows of a contract, of several plants, orders, units and partitions."""
    make, good = (cycle, "quantity_good") if name == "MachineCycle" else (report, "quantity_yield")
    records = []
    for number in range(size):
        amount = Decimal(chance.randint(-3, 10**8)) / 1_000_000
        values: dict[str, Any] = {
            "plant": chance.choice(["P1", "P2", ""]),
            "order_id": chance.choice(["O1", "O2|", "Ö\x00\n"]),
            good: chance.choice([Decimal(0), Decimal(1), amount]),
            "quantity_scrap": chance.choice([Decimal(0), Decimal("0.000001")]),
            "scrap_reason": chance.choice([None, "DIM", "SURF"]),
            "unit": chance.choice(["C62", "KGM"]),
        }
        if name == "OperationReport":
            values["completed"] = chance.random() < 0.2
        records.append(make("s", number, chance.randrange(40 * HOUR), **values))
    origin = [origin_code(name, chance.randint(0, 2)) for _ in records]
    return frame(name, records).with_columns(
        pl.Series("origin", origin, pl.Int32), pl.Series("offset", range(size), pl.Int64)
    )


def book() -> CalendarBook:
    """One plant has shifts of its own, the others the default."""
    return CalendarBook([Calendar("P1", 1, "Europe/Berlin", date(2026, 1, 1), SHIFTS)], utc_calendar())


def sorted_rows(partials: pl.DataFrame) -> pl.DataFrame:
    return partials.sort(list(ROW_KEY), nulls_last=True)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["MachineCycle", "OperationReport"]), st.sampled_from(WINDOWS))
def test_partial_totals_of_parts_merge_into_those_of_the_whole(seed: int, name: str, window: Window) -> None:
    """Whatever the cut, the order of the parts and the grouping of merges."""
    chance = random.Random(seed)
    rows, calendars = rows_of(name, chance, chance.randint(1, 60)), book()
    cuts = sorted(chance.randint(0, rows.height) for _ in range(2))
    parts = [rows[: cuts[0]], rows[cuts[0] : cuts[1]], rows[cuts[1] :]]
    partials = [partial_totals(name, part, window, calendars) for part in parts if part.height]
    chance.shuffle(partials)
    whole = merge([partial_totals(name, rows, window, calendars)])
    assert_frame_equal(sorted_rows(merge(partials)), sorted_rows(whole))
    nested = merge([merge(partials[:1]), merge(partials[1:])])
    assert_frame_equal(sorted_rows(nested), sorted_rows(whole))
    assert whole.schema == pl.Schema(PARTIAL)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_partial_totals_equal_the_plain_sum(seed: int) -> None:
    """Exact to the last digit, and still decimal(18,6)."""
    rows = rows_of("MachineCycle", random.Random(seed), 50)
    partials = partial_totals("MachineCycle", rows, WINDOWS[0], book())
    assert partials["quantity_yield"].sum() == sum(rows["quantity_good"].to_list())
    assert partials["quantity_scrap"].sum() == sum(rows["quantity_scrap"].to_list())
    assert partials.schema["quantity_yield"] == QUANTITY
    counting = rows.filter((pl.col("quantity_good") != 0) | (pl.col("quantity_scrap") != 0))
    assert partials["events"].sum() == counting.height


def test_nothing_merges_into_nothing() -> None:
    """No frames and empty frames have no rows and all columns."""
    assert_frame_equal(merge([]), empty())
    assert_frame_equal(merge([empty(), empty()]), empty())


def test_a_mean_does_not_merge() -> None:
    """Negative control: the comparison sees a measure that is not additive."""
    rows = rows_of("MachineCycle", random.Random(5), 40)
    calendars = book()
    whole = merge([partial_totals("MachineCycle", rows, WINDOWS[4], calendars)])
    doubled = merge([partial_totals("MachineCycle", part, WINDOWS[4], calendars) for part in (rows, rows[:10])])
    with pytest.raises(AssertionError):
        assert_frame_equal(sorted_rows(doubled), sorted_rows(whole))
