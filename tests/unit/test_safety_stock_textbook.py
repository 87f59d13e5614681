"""The arithmetic of reorder points and (s, S) against a maintained library of inventory models."""

from __future__ import annotations

import warnings
from decimal import Decimal
from statistics import NormalDist
from typing import Any

import pytest

from operators.reorder_point import Cover, Demand, reorder_point
from operators.safety_stock import Replenishment


@pytest.fixture(scope="module")
def stockpyl() -> Any:
    with warnings.catch_warnings():
        # Its docstrings hold escapes that Python warns of when it compiles them.
        warnings.simplefilter("ignore")
        import stockpyl.newsvendor
        import stockpyl.policy
    return stockpyl


@pytest.mark.parametrize("holding", [1, 5, 20, 49])
@pytest.mark.parametrize(("mean", "deviation", "lead_time"), [(30, 5, 10), (1000, 320, 3), (4, 3, 45), (70, 1, 1)])
def test_a_reorder_point_is_the_base_stock_level_of_its_service_level(
    stockpyl: Any, mean: int, deviation: int, lead_time: int, holding: int
) -> None:
    """A newsvendor with costs of holding and running out h and p serves p / (h + p) of its cycles.

    Its lead time does not count the period of review, ours is the whole time to be covered.
    """
    level, _ = stockpyl.newsvendor.newsvendor_normal(holding, 100 - holding, mean, deviation, lead_time - 1)
    factor = Decimal(NormalDist().inv_cdf(1 - holding / 100))
    ours = reorder_point(Demand(Decimal(mean), Decimal(deviation)), Cover(Decimal(lead_time), Decimal(0), factor))
    assert float(ours) == pytest.approx(level, abs=1e-5)


@pytest.mark.parametrize("position", [-30, 0, 17, 39, 40])
def test_what_is_ordered_up_to_s_is_what_an_s_s_policy_orders(stockpyl: Any, position: int) -> None:
    theirs = stockpyl.policy.Policy(type="sS", reorder_point=40, order_up_to_level=200)
    ours = Replenishment(Decimal(40), order_up_to=Decimal(200))
    assert ours.quantity(Decimal(position)) == theirs.get_order_quantity(inventory_position=position)


def test_one_lot_is_what_an_r_q_policy_orders_where_one_is_enough(stockpyl: Any) -> None:
    theirs = stockpyl.policy.Policy(type="rQ", reorder_point=40, order_quantity=50)
    ours = Replenishment(Decimal(40), lot_size=Decimal(50))
    for position in (0, 40):
        assert ours.quantity(Decimal(position)) == theirs.get_order_quantity(inventory_position=position)
