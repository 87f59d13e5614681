"""The plant's consumption and its suppliers: the same for a seed, told once or twice, and added up plainly."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from sandbox.plant import Plant
from sandbox.plant_components import COMPONENTS
from sandbox.plant_disturb import Emission
from sandbox.plant_layout import STOCK_TOPICS
from sandbox.plant_material import MaterialDay
from sandbox.supplier import Requisition, Suppliers

START = datetime(2026, 3, 2, 5, tzinfo=UTC)
CONSUMED = STOCK_TOPICS["MaterialConsumption"]
NOON = START + timedelta(hours=2)
OUTAGE = (NOON, NOON + timedelta(hours=2))
ASKED = Requisition("1010||COIL-10|RM01|1", "COIL-10", Decimal(700))


def made(seed: int = 3) -> tuple[Plant, MaterialDay]:
    plant = Plant(seed, START, 6, 0.1)
    return plant, MaterialDay(plant, seed)


@pytest.fixture(scope="module")
def day() -> tuple[Plant, MaterialDay]:
    return made()


def test_the_same_seed_gives_the_same_bookings(day: tuple[Plant, MaterialDay]) -> None:
    assert made()[1].emissions == day[1].emissions


def test_distinct_bookings_add_up_to_the_truth_in_base_units(day: tuple[Plant, MaterialDay]) -> None:
    plant, material = day
    told = {e.body["event_id"]: e.body for e in material.emissions if e.topic == CONSUMED and e.fault is None}  # type: ignore[index]
    factor = {"TNE": 1000}
    sums: Counter[tuple[str, str, str]] = Counter()
    for record in told.values():
        key = (record["order_id"], record["material"], record["kind"])
        sums[key] += record["quantity"] * factor.get(record["unit"], 1)
    assert dict(sums) == material.truth.movements()
    assert len(told) == plant.truth.topics[CONSUMED].events


def test_what_is_held_is_released_or_rejected(day: tuple[Plant, MaterialDay]) -> None:
    truth, name = day[1].truth, COMPONENTS[0].material
    during = truth.stock(name, day[1].at(0.5))
    after = truth.stock(name)
    assert during["quality_hold"] > 0 == after["quality_hold"]
    assert after["blocked"] > 0


def contracts(emissions: list[Emission]) -> Counter[str]:
    return Counter(str(each.contract) for each in emissions)


def test_a_requisition_becomes_an_order_an_acknowledgement_and_all_of_the_goods() -> None:
    answered = Suppliers(1, OUTAGE, NOON + timedelta(hours=9)).answer(ASKED, START)
    distinct = {each.body["event_id"]: each for each in answered}  # type: ignore[index]
    counts = contracts(list(distinct.values()))
    assert (counts["PurchaseOrder"], counts["OrderAcknowledgement"]) == (1, 1)
    assert counts["ShipmentNotice"] == counts["GoodsReceipt"] >= 1
    came = [each.body["quantity"] for each in distinct.values() if each.contract == "GoodsReceipt"]  # type: ignore[index]
    assert sum(came) == ASKED.quantity


def test_nothing_comes_through_a_portal_that_is_away_but_lorries_do() -> None:
    suppliers = Suppliers(1, OUTAGE, NOON + timedelta(hours=9))
    answered = [each for n in range(20) for each in suppliers.answer(Requisition(str(n), "COIL-10", Decimal(9)), NOON)]
    during = contracts([each for each in answered if OUTAGE[0] <= each.at < OUTAGE[1]])
    assert set(during) == {"PurchaseOrder", "GoodsReceipt"}
