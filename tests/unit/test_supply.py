"""What is in transit and asked for, by what was ordered, shipped and received, in any order."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from operators import supply
from schemas.contracts import contract
from schemas.samples import sample
from schemas.types import polars_schema

START = datetime(2026, 3, 2, tzinfo=UTC)
LINE = {"plant": "DE01", "material": "STEEL-2", "storage_location": "RM01", "purchase_order": "45001", "version": 1}
MAKE = {
    "PurchaseOrder": supply.of_orders,
    "ShipmentNotice": supply.of_notices,
    "GoodsReceipt": supply.of_receipts,
    "ReplenishmentRequest": supply.of_requests,
}


def row(name: str, quantity: int, **changes: Any) -> pl.DataFrame:
    fixed = {"purchase_order_item": "10", "request_number": None, "delivery_completed": False, "withdrawn": False}
    status = {"PurchaseOrder": "OPEN", "ShipmentNotice": "SHIPPED", "GoodsReceipt": "RECEIVED"}.get(name)
    one = sample(contract(name), 1)[0] | LINE | fixed | {"event_time": START, "quantity": Decimal(quantity)}
    record = {k: v for k, v in {**one, "status": status, **changes}.items() if k in contract(name).fields}
    return MAKE[name](pl.DataFrame([record], schema=polars_schema(contract(name))))


def ordered(quantity: int, **changes: Any) -> pl.DataFrame:
    return row("PurchaseOrder", quantity, **changes)


def shipped(quantity: int, shipment: str = "S1", **changes: Any) -> pl.DataFrame:
    return row("ShipmentNotice", quantity, shipment_id=shipment, shipment_item="1", **changes)


def received(quantity: int, receipt: str = "R1", **changes: Any) -> pl.DataFrame:
    return row("GoodsReceipt", quantity, receipt_id=receipt, receipt_item="1", **changes)


def requested(quantity: int, **changes: Any) -> pl.DataFrame:
    return row("ReplenishmentRequest", quantity, request_number="Q1", revision=1, **changes)


def open_after(*frames: pl.DataFrame) -> tuple[int, int]:
    """In transit and asked for."""
    (found,) = supply.expected(supply.merge_supply(frames)).to_dicts()
    return int(found["in_transit"]), int(found["open_requests"])


def test_a_request_is_open_until_it_has_come_in_parts() -> None:
    way = [requested(100), ordered(100, request_number="Q1"), shipped(60), received(60), shipped(40, "S2")]
    states = [open_after(*way[: n + 1]) for n in range(len(way))]
    assert states == [(0, 100), (0, 100), (60, 40), (0, 40), (40, 0)]
    assert open_after(*way, received(40, "R2")) == (0, 0)


def test_any_arrival_order_ends_in_the_same_state() -> None:
    """Also with records that come twice."""
    way = [requested(100), ordered(100, request_number="Q1"), shipped(60), received(50), shipped(60, version=1)]
    whole = supply.merge_supply(way)
    for order in itertools.permutations(way):
        state = supply.merge_supply([])
        for each in order:
            state = supply.merge_supply([state, each])
        assert_frame_equal(state, whole)


def test_a_receipt_without_its_notice_is_no_longer_asked_for() -> None:
    assert open_after(ordered(100), received(70)) == (0, 30)


def test_an_over_delivery_leaves_nothing_open() -> None:
    assert open_after(ordered(100), shipped(110), received(110)) == (0, 0)


def test_a_completed_item_expects_nothing_more() -> None:
    """Whether the ERP says so, or the receipt does."""
    assert open_after(ordered(100, status="COMPLETED"), shipped(60)) == (0, 0)
    assert open_after(ordered(100), shipped(60), received(50, delivery_completed=True)) == (0, 0)


def test_a_cancelled_notice_is_not_in_transit_and_what_it_held_is_open_again() -> None:
    assert open_after(ordered(100), shipped(60), shipped(60, version=2, status="CANCELLED")) == (0, 100)


def test_a_cancelled_order_leaves_its_request_open_and_a_withdrawn_request_asks_for_nothing() -> None:
    cancelled = ordered(100, request_number="Q1", version=2, status="CANCELLED")
    assert open_after(requested(100), ordered(100, request_number="Q1"), cancelled) == (0, 100)
    withdrawn = row("ReplenishmentRequest", 100, request_number="Q1", revision=2, withdrawn=True)
    assert open_after(requested(100), withdrawn) == (0, 0)


def test_what_nothing_is_expected_of_leaves_and_the_rest_stays_however_old_it_is() -> None:
    late = START + timedelta(days=9)
    done = [requested(100), ordered(100, request_number="Q1"), received(100)]
    whole = supply.merge_supply([*done, ordered(5, purchase_order="45002")])
    assert supply.retain(whole, START - timedelta(hours=1)).height == 4
    kept = supply.retain(whole, late)
    assert kept["purchase_order"].to_list() == ["45002"]


def test_a_request_that_is_answered_does_not_open_again_when_items_leave() -> None:
    """It leaves with them, and one that is answered in part keeps its items."""
    late = START + timedelta(days=9)
    part = supply.merge_supply([requested(100), ordered(60, request_number="Q1"), received(60)])
    kept = supply.retain(part, late)
    assert_frame_equal(supply.expected(kept), supply.expected(part))
    assert kept.height == 3
