"""Completion of operations whose events count in another unit than their order."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from operators.completion import PROGRESS, add_deltas, judge
from operators.references import ORDER, Conversions
from operators.totals import DELTA

KEY = {"plant": "P", "order_id": "O", "operation": "0010"}
EIGHT_PIECES_A_KILOGRAM = {
    "plant": "P",
    "material": "BRK",
    "version": 1,
    "base_unit": "C62",
    "conversions": [{"unit": "KGM", "numerator": Decimal(8), "denominator": Decimal(1)}],
}


def _order(target: str) -> pl.DataFrame:
    row = {
        **KEY,
        "version": 1,
        "status": "RELEASED",
        "material": "BRK",
        "order_unit": "KGM",
        "over_tolerance": Decimal(10),
        "under_tolerance": None,
        "planned_work_center": "W",
        "target": Decimal(target),
        "count_source": "MACHINE",
        "time_source": "MACHINE",
        "auto_final": True,
    }
    return pl.DataFrame([row], schema=ORDER)


def _progress(*counts: tuple[str, int]) -> pl.DataFrame:
    fixed = {"report": Decimal(0), "revises": 1, "completions": 0, "posting_date": date(2026, 3, 2)}
    rows = [
        {**KEY, **fixed, "unit": unit, "machine": Decimal(n), "last_time": datetime(2026, 3, 2, tzinfo=UTC)}
        for unit, n in counts
    ]
    return add_deltas(pl.DataFrame(schema=PROGRESS), pl.DataFrame(rows, schema=DELTA))


@pytest.mark.parametrize(("target", "final", "over"), [("11", False, "0"), ("10", True, "0"), ("5", True, "4.5")])
def test_the_target_is_reached_by_the_sum_over_units_in_the_orders_unit(target: str, final: bool, over: str) -> None:
    conversions = Conversions()
    conversions.put(EIGHT_PIECES_A_KILOGRAM)
    judged = judge(_progress(("C62", 64), ("KGM", 2), ("", 0)), _order(target), conversions)
    assert judged.select("counted", "now_final", "now_over", "revises").rows() == [
        (Decimal(10), final, Decimal(over), 3)
    ]


def test_pieces_without_a_conversion_do_not_complete_an_order_by_weight() -> None:
    judged = judge(_progress(("C62", 64)), _order("10"), Conversions())
    assert judged.select("counted", "now_final").rows() == [(Decimal(0), False)]
