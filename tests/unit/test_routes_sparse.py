"""Where hardly two rows of a batch share a key, each is handed on as it is: the totals are the same."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from operators import routes
from operators.partials import merge
from operators.routes import partial_totals
from operators.shifts import CalendarBook, utc_calendar
from operators.windows import Window
from schemas.contracts import contract
from schemas.types import polars_schema

START = datetime(2026, 3, 2, 6, tzinfo=UTC)


def cycles(count: int, machines: int) -> pl.DataFrame:
    def record(number: int) -> dict[str, Any]:
        machine = number * 7919 % machines
        return {
            "event_id": str(number),
            "event_time": START,
            "plant": "P1",
            "source": f"machine-{machine}",
            "work_center": f"W{machine}",
            "order_id": f"order-{machine}",
            "operation": "0010",
            "counting": "DELTA",
            "quantity_good": Decimal(1 + number % 3),
            "quantity_scrap": Decimal(number % 2),
            "quantity_rework": Decimal(0),
            "scrap_reason": "dent" if number % 4 == 1 else None,
            "unit": "C62",
        }

    schema = polars_schema(contract("MachineCycle"))
    frame = pl.DataFrame([record(number) for number in range(count)], schema=schema)
    return frame.with_columns(pl.lit(1, pl.Int32).alias("origin"), pl.int_range(count).alias("offset"))


def totals(frame: pl.DataFrame) -> pl.DataFrame:
    return partial_totals("MachineCycle", frame, Window.parse("10m"), CalendarBook([], utc_calendar()))


@pytest.mark.parametrize(("machines", "height"), [(5000, 6000), (500, 500)])
def test_rows_that_hardly_share_keys_are_not_grouped(machines: int, height: int) -> None:
    assert totals(cycles(6000, machines)).height == height


def test_grouped_or_not_the_merged_totals_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = cycles(6000, 5000)
    each = merge([totals(frame)])
    monkeypatch.setattr(routes, "_DIFFERENT", 2.0)
    assert totals(frame).height == each.height < 6000
    keys = ["order_id", "scrap_reason"]
    assert merge([totals(frame)]).sort(keys).equals(each.sort(keys))
