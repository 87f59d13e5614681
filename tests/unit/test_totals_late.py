"""Windows whose closing tick has passed before their first row came."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl

from operators.partials import CONTRIBUTION, MACHINE, PARTIAL
from operators.totals import Totals
from operators.windows import Window

START = datetime(2026, 3, 2, 6, tzinfo=UTC)
END = START + timedelta(hours=1)
WINDOW = Window.parse("1h")


def _row(**values: object) -> pl.DataFrame:
    row = {
        **dict.fromkeys(CONTRIBUTION),
        "plant": "P",
        "order_id": "O",
        "operation": "0010",
        "work_center": "W",
        "shift": "E",
        "window_start": START,
        "window_end": END,
        "posting_date": date(2026, 3, 2),
        "unit": "C62",
        "kind": MACHINE,
        "origin": 65536,
        "events": 1,
        "completed": False,
        "part": 0,
        "revision": 3,
        **{name: Decimal(0) for name, kind in PARTIAL.items() if kind == PARTIAL["quantity_yield"]},
        "quantity_yield": Decimal(7),
        "first_time": START,
        "last_time": START,
        **values,
    }
    return pl.DataFrame([row], schema=CONTRIBUTION)


def _micros(time: datetime) -> int:
    return int(time.timestamp()) * 1_000_000


def test_a_contribution_that_comes_after_the_closing_tick_of_its_window_is_announced() -> None:
    totals = Totals(WINDOW)
    assert totals.tick(_micros(END), 0) is None
    resumed = Totals(WINDOW)
    resumed.restore(totals.snapshot())
    resumed.contribute(_row())
    assert resumed.dirty
    revised = resumed.revise()
    assert revised is not None
    assert revised.rows["quantity_yield"].to_list() == [Decimal(7)]
    assert revised.deltas["machine"].to_list() == [Decimal(7)]


def test_a_late_row_in_a_window_that_nothing_else_fell_into_is_announced() -> None:
    totals = Totals(WINDOW)
    totals.tick(_micros(END), 0)
    totals.add(_row().select(list(PARTIAL)))
    revised = totals.revise()
    assert revised is not None
    assert revised.rows["revises"].to_list() == [1]


def test_a_window_that_is_not_over_stays_open() -> None:
    totals = Totals(WINDOW)
    totals.tick(_micros(END) - 1, 0)
    totals.add(_row().select(list(PARTIAL)))
    assert (totals.open_windows, totals.revise()) == (1, None)
