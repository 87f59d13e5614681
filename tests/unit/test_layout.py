"""Where state lives."""

from __future__ import annotations

from datetime import date, time

import polars as pl
import pytest

from operators.document_keys import late_place
from operators.layout import Layout
from operators.partials import merge
from operators.reference_lane import ReferenceOutput
from operators.references import order_operations
from operators.routes import adjustments, partial_totals
from operators.screen import NO_PROGRESS
from operators.shifts import Calendar, CalendarBook, Shift, utc_calendar
from operators.windows import Window
from tests.property.stand_in import HOUR, START, cycle, frame, order

WEEK = frozenset(range(1, 8))
SHORT = Calendar("P1", 1, "UTC", date(2026, 1, 1), (Shift("E", time(6), time(14), WEEK),))
LONG = Calendar("P2", 1, "UTC", date(2026, 1, 1), (Shift("D", time(6), time(18), WEEK),))
CALENDAR = CalendarBook([SHORT, LONG], utc_calendar())


def layout(window: str) -> Layout:
    return Layout(Window.parse(window), CALENDAR, shards=4, ring=8, work_center_shards=4)


def rows() -> pl.DataFrame:
    records = [cycle("A", n, n * HOUR // 3, order_id=f"O{n % 7}", plant=f"P{n % 3}") for n in range(60)]
    return frame("MachineCycle", records).with_columns(
        pl.lit(65536, pl.Int32).alias("origin"), pl.int_range(pl.len()).alias("offset")
    )


@pytest.mark.parametrize("window", ["10m", "1h", "shift", "day", "operation"])
def test_no_row_is_lost_between_a_lane_and_its_slots(window: str) -> None:
    partials = partial_totals("MachineCycle", rows(), Window.parse(window), CALENDAR)
    keyed = layout(window).by_slot([partials, partials.clear()])
    parts = [part for _, part in keyed]
    assert sum(part["events"].sum() for part in parts) == 60
    assert all(list(part.columns) == list(partials.columns) for part in parts)
    assert merge([part.select(partials.columns) for part in parts]).height == merge([partials]).height


@pytest.mark.parametrize("window", ["10m", "1h", "shift", "day"])
def test_every_window_that_ends_gets_its_tick(window: str) -> None:
    """Shifts of plants with other lengths and days of plants on the default calendar included."""
    cut = layout(window)
    partials = partial_totals("MachineCycle", rows(), Window.parse(window), CALENDAR)
    waiting = {(key, end) for key, part in cut.by_slot([partials]) for end in part["window_end"].to_physical()}
    at = START - HOUR
    for _ in range(200):
        now = at + HOUR // 4
        due = set(cut.slots_due(at, now))
        ended = {(key, end) for key, end in waiting if at < end <= now}
        assert {key for key, _ in ended} <= due
        waiting, at = waiting - ended, now
    assert not waiting


def test_late_additions_go_to_the_shard_of_their_order_each() -> None:
    late = adjustments("MachineCycle", "t|x", rows(), Window.parse("1h"), CALENDAR)
    keyed = layout("1h").adjustments([late])
    places = [late_place(f"late|{name}") for _, part in keyed for name in part["adjustment"]]
    assert sorted(place for place in places if place) == [("t|x", 0, n) for n in range(60)]
    place = {(p, o): key for key, part in keyed for p, o in part.select("plant", "order_id").rows()}
    orders = [order(name, plant=plant) for plant, name in place]
    reference = ReferenceOutput(order_operations(frame("WorkOrder", orders)))
    for key, part in layout("1h").references(reference):
        assert {place[row] for row in part.orders.select("plant", "order_id").rows()} == {key}


def test_a_slot_belongs_to_the_shard_of_its_orders() -> None:
    cut = layout("1h")
    partials = partial_totals("MachineCycle", rows(), Window.parse("1h"), CALENDAR)
    late = adjustments("MachineCycle", "t", rows(), Window.parse("1h"), CALENDAR)
    shard = {o: key for key, part in cut.adjustments([late]) for o in part.select("plant", "order_id").rows()}
    for key, part in cut.by_slot([partials]):
        assert {shard[row] for row in part.select("plant", "order_id").rows()} == {cut.shard_of(key)}
        assert cut.is_slot((key, None))
        assert not cut.is_shard((key, None))
        assert not cut.is_timeline((key, None))


def test_materials_go_to_every_shard_and_changed_profiles_to_every_slot() -> None:
    cut = layout("1h")
    output = ReferenceOutput(materials=[{"material": "M1"}])
    assert [key for key, _ in cut.references(output)] == ["s000", "s001", "s002", "s003"]
    orders = order_operations(frame("WorkOrder", [order("O1")]))
    changed = ReferenceOutput(orders, touched=orders.select("plant", "order_id"))
    assert len(cut.touches(changed)) == 8
    assert cut.touches(ReferenceOutput(orders)) == []


@pytest.mark.parametrize("window", ["10m", "shift", "day"])
def test_the_first_tick_of_all_reaches_every_slot(window: str) -> None:
    """Before it no time has passed at all."""
    assert len(layout(window).slots_due(NO_PROGRESS, START)) == 4 * 8
    assert layout(window).slots_due(NO_PROGRESS, NO_PROGRESS) == []
