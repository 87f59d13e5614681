"""What the ERP tells of the simulated day: calendar, materials and orders, some of them late or changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from sandbox.plant_disturb import Emission
from sandbox.plant_event import Event, Record, head
from sandbox.plant_layout import PLANT, TOPICS, ZONE
from sandbox.plant_orders import Order, calendar_record, material_records
from sandbox.truth import Truth

LATE_ORDERS, CHANGED_ORDERS = 3, 2


def reference(start: datetime, orders: Sequence[Order], rng: Random, truth: Truth) -> Iterator[Emission]:
    """Records of the ERP, counted in `truth`; three orders are released after their first event."""
    for emission in _records(start, orders, rng, truth):
        truth.topic(emission.topic).events += 1
        yield emission


def _records(start: datetime, orders: Sequence[Order], rng: Random, truth: Truth) -> Iterator[Emission]:
    opening = start - timedelta(minutes=30)
    valid_from = start.astimezone(ZoneInfo(ZONE)).date() - timedelta(days=30)
    yield _emission("ShiftCalendar", PLANT, calendar_record(valid_from), opening)
    for material in material_records():
        yield _emission("Material", material["material"], material, opening)
    known = [order for order in orders if order.known]
    late = {order.order_id for order in rng.sample(known, LATE_ORDERS)}
    changed = {order.order_id for order in rng.sample(known, CHANGED_ORDERS)} - late
    truth.late_orders = sorted(late)
    for order in known:
        began = order.first_event or start
        ahead = max(start - timedelta(minutes=20), began - timedelta(hours=2))
        at = began + timedelta(minutes=rng.uniform(6, 20)) if order.order_id in late else ahead
        yield from _versions(order, at, began, changed=order.order_id in changed)


def _versions(order: Order, at: datetime, began: datetime, *, changed: bool) -> Iterator[Emission]:
    """Usually one version; a changed order comes at half its size, mended a minute after its start."""
    yield _emission("WorkOrder", order.order_id, order.record(1, 2 if changed else 1), at)
    if changed:
        yield _emission("WorkOrder", order.order_id, order.record(2), began + timedelta(minutes=1))


def _emission(contract: str, key: str, fields: Record, at: datetime) -> Emission:
    event = Event(at, contract, "ERP", fields)
    record = {**head(event, f"{contract}-{key}-{fields['version']}", None), **fields}
    return Emission(at, TOPICS[contract], key, contract, record)
