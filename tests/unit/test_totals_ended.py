"""Windows over operations leave the state with their order."""

from __future__ import annotations

import polars as pl

from operators.layout import Layout
from operators.reference_lane import ReferenceOutput
from operators.references import ORDER
from operators.routes import partial_totals
from operators.shifts import CalendarBook, utc_calendar
from operators.totals import Totals
from operators.windows import Window
from tests.property.stand_in import HOUR, START, cycle, frame

WINDOW = Window.parse("operation")
CALENDAR = CalendarBook([], utc_calendar())


def totals_of(*orders: str) -> Totals:
    totals = Totals(WINDOW)
    for number, name in enumerate(orders):
        rows = frame("MachineCycle", [cycle("A", number, 0, order_id=name)])
        rows = rows.with_columns(pl.lit(65536, pl.Int32).alias("origin"), pl.lit(number, pl.Int64).alias("offset"))
        totals.add(partial_totals("MachineCycle", rows, WINDOW, CALENDAR))
    totals.tick(START, START - 24 * HOUR)
    return totals


def orders(*names: str, status: str = "COMPLETED") -> pl.DataFrame:
    row = dict.fromkeys(ORDER)
    rows = [{**row, "plant": "P1", "order_id": name, "status": status} for name in names]
    return pl.DataFrame(rows, schema=ORDER)


def held(totals: Totals) -> list[str]:
    state = Totals(WINDOW)
    state.restore(totals.snapshot())
    closed = state.touch(pl.DataFrame({"plant": ["P1"] * 3, "order_id": ["O1", "O2", "O3"]}))
    return [] if closed is None else sorted(closed.rows["order_id"].to_list())


def test_an_ended_order_leaves_a_horizon_after_its_last_event_and_an_open_one_stays() -> None:
    totals = totals_of("O1", "O2")
    totals.end(orders("O1").select("plant", "order_id"))
    totals.tick(START + 20 * HOUR, START - 4 * HOUR)
    assert held(totals) == ["O1", "O2"]
    totals.tick(START + 40 * HOUR, START + 16 * HOUR)
    assert held(totals) == ["O2"]


def test_that_an_order_ended_survives_a_restart() -> None:
    totals = totals_of("O1")
    totals.end(orders("O1").select("plant", "order_id"))
    again = Totals(WINDOW)
    again.restore(totals.snapshot())
    again.tick(START + 40 * HOUR, START + 16 * HOUR)
    assert held(again) == []


def test_slots_hear_of_ended_orders_only_where_windows_have_no_end_of_their_own() -> None:
    output = ReferenceOutput(pl.concat([orders("O1"), orders("O2", status="RELEASED")]))
    assert Layout(Window.parse("1h"), CALENDAR, shards=1).touches(output) == []
    ((key, told),) = Layout(WINDOW, CALENDAR, shards=1).touches(output)
    assert key == "000:000"
    assert told.ended["order_id"].to_list() == ["O1"]
    assert told.touched.height == 0
