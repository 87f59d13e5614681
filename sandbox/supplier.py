"""Simulated suppliers: what follows from a requisition, from the purchase order to the goods at the gate.

Quantities, delays and what is sent twice follow from the seed and the request; instants from when the requisition
was seen. While the suppliers' portal is away, acknowledgements and notices wait; lorries drive all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from sandbox.plant_components import BY_MATERIAL, STORE, Component
from sandbox.plant_disturb import Emission
from sandbox.plant_event import Event, Record, head
from sandbox.plant_layout import ALL_TOPICS

SPLIT, TWICE = 0.35, 0.15
#: Minutes after the requisition: from and to.
ORDERED, ANSWERED, SHIPPED, DRIVEN = (4, 12), (20, 50), (60, 110), (50, 90)
#: After the plant's day everything goes faster by so much: nobody waits for a demo.
HASTE = 16.0


@dataclass(frozen=True, slots=True)
class Requisition:
    """What procurement is asked for.

    Args:
        number: Request number, as the flow gave it.
        material: Component.
        quantity: In its base unit.
    """

    number: str
    material: str
    quantity: Decimal


class Suppliers:
    """All suppliers and their portal.

    Args:
        seed: Same seed, same answers.
        outage: Begin and end of the portal's outage.
        evening: From then on everything goes faster.
    """

    def __init__(self, seed: int, outage: tuple[datetime, datetime], evening: datetime) -> None:
        self._seed, self._outage, self._evening = seed, outage, evening
        self._orders = 0

    def answer(self, asked: Requisition, now: datetime) -> list[Emission]:
        """Everything that follows from a requisition which is seen now, in no order; some of it is sent twice."""
        self._orders += 1
        rng = Random(f"{self._seed}:{asked.number}")
        haste = HASTE if now >= self._evening else 1.0
        paper = _Paper(asked, f"45{self._orders:08d}", BY_MATERIAL[asked.material])
        ordered = now + _minutes(rng, ORDERED, haste)
        made = [_emission(ordered, ordered, *paper.order(ordered))]
        answered = ordered + _minutes(rng, ANSWERED, haste)
        made.append(_emission(answered, self._through_portal(answered, rng), *paper.acknowledgement(ordered)))
        for number, quantity in enumerate(_split(asked, rng), 1):
            shipped = ordered + _minutes(rng, SHIPPED, haste) * number
            arrived = shipped + _minutes(rng, DRIVEN, haste)
            notice = paper.notice(number, quantity, shipped, arrived)
            made.append(_emission(shipped, self._through_portal(shipped, rng), *notice))
            made.append(_emission(arrived, arrived, *paper.receipt(number, quantity)))
        again = [emission for emission in made if rng.random() < TWICE]
        return made + [replace(each, at=each.at + timedelta(seconds=rng.uniform(5, 120))) for each in again]

    def _through_portal(self, at: datetime, rng: Random) -> datetime:
        """When a record comes through: at once, or after the outage."""
        begin, end = self._outage
        return end + timedelta(seconds=rng.uniform(10, 600)) if begin <= at < end else at


@dataclass(frozen=True, slots=True)
class _Paper:
    """Records of one item of a purchase order: contract, identity, fields."""

    asked: Requisition
    order_number: str
    component: Component

    def _item(self, quantity: Decimal) -> Record:
        return {
            "purchase_order": self.order_number,
            "purchase_order_item": "00010",
            "supplier": self.component.supplier,
            "material": self.component.material,
            "quantity": quantity,
            "unit": self.component.unit,
        }

    def order(self, at: datetime) -> tuple[str, str, Record]:
        told = {"version": 1, "status": "OPEN", "storage_location": STORE, "request_number": self.asked.number}
        terms = {"delivery_date": _due(at), "price": Decimal(2), "currency": "EUR", "over_tolerance": Decimal(0)}
        return "PurchaseOrder", self.order_number, {**self._item(self.asked.quantity), **told, **terms}

    def acknowledgement(self, at: datetime) -> tuple[str, str, Record]:
        told = {"version": 1, "acknowledgement_id": f"AB{self.order_number}", "response": "ACCEPTED"}
        terms = {"delivery_date": _due(at), "price": Decimal(2), "currency": "EUR"}
        return "OrderAcknowledgement", self.order_number, {**self._item(self.asked.quantity), **told, **terms}

    def notice(self, number: int, quantity: Decimal, shipped: datetime, expected: datetime) -> tuple[str, str, Record]:
        shipment = self._shipment(number)
        told = {"shipment_id": shipment, "shipment_item": "1", "version": 1, "status": "SHIPPED", "batch": None}
        when = {"shipped_at": shipped, "expected_at": expected, "package_id": None, "storage_location": STORE}
        return "ShipmentNotice", shipment, {**self._item(quantity), **told, **when}

    def receipt(self, number: int, quantity: Decimal) -> tuple[str, str, Record]:
        shipment = self._shipment(number)
        told = {"receipt_id": f"R{shipment}", "receipt_item": "1", "version": 1, "status": "RECEIVED"}
        came = {"shipment_id": shipment, "shipment_item": "1", "stock_type": "UNRESTRICTED", "storage_location": STORE}
        item: dict[str, Any] = {k: v for k, v in self._item(quantity).items() if k != "supplier"}
        return (
            "GoodsReceipt",
            shipment,
            {**item, **told, **came, "batch": None, "serials": [], "delivery_completed": False},
        )

    def _shipment(self, number: int) -> str:
        return f"{self.order_number}-{number}"


def _emission(at: datetime, arrives: datetime, contract: str, name: str, fields: Record) -> Emission:
    """A record of something that happened at an instant and reaches the broker then or later."""
    event = Event(at.replace(microsecond=at.microsecond // 1000 * 1000), contract, "ERP", fields)
    record = {**head(event, f"{contract}-{name}", None), **fields}
    key = str(fields.get("shipment_id") or fields["purchase_order"])
    return Emission(arrives, ALL_TOPICS[contract], key, contract, record)


def _split(asked: Requisition, rng: Random) -> Sequence[Decimal]:
    """One delivery, or two."""
    if rng.random() >= SPLIT:
        return [asked.quantity]
    first = (asked.quantity * Decimal("0.6")).quantize(Decimal(1))
    return [first, asked.quantity - first]


def _minutes(rng: Random, between: tuple[int, int], haste: float) -> timedelta:
    return timedelta(minutes=rng.uniform(*between) / haste)


def _due(at: datetime) -> Any:
    return (at + timedelta(days=1)).date()
