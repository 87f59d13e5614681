"""Goods movements that a confirmation lists: its components are issued, its yield is received."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from millrace.errors import Rejected
from millrace.ledger.model import Step
from sinks.erp.sap_units import QuantityOptions

#: Measure of a component that the confirmation issues; what follows is its name in the attribute `components`.
COMPONENT = "component:"


def listed(step: Step, options: QuantityOptions, receive_at: str | None) -> list[dict[str, Any]]:
    """Items of the deep insert, components by name and then the receipt.

    Args:
        step: The step.
        options: Units.
        receive_at: Storage location of the receipt; None where none is listed.
    """
    items = [_issue(step, name, options) for name in sorted(_components(step))]
    if receive_at and step.quantities.get("yield"):
        items.append(_receipt(step, options, receive_at))
    return items


def refuse_components(step: Step) -> None:
    """Raise Rejected for a step with components, where the order's settings move stock: they would be lost."""
    for name in _components(step):
        raise Rejected("cannot_be_built", f"{name}: option goods_movements is not `listed`")


def _components(step: Step) -> Iterator[str]:
    return (name for name in step.quantities if name.startswith(COMPONENT))


def _issue(step: Step, measure: str, options: QuantityOptions) -> dict[str, Any]:
    component = step.attributes["components"][measure.removeprefix(COMPONENT)]
    return {
        "OrderID": step.order_id,
        "Material": component["material"],
        "Plant": step.plant,
        "StorageLocation": component.get("storage_location"),
        "Batch": component.get("batch"),
        "Reservation": component.get("reservation"),
        "ReservationItem": component.get("reservation_item"),
        "GoodsMovementType": "261",
        "EntryUnit": options.unit_or_code(component),
        "QuantityInEntryUnit": step.quantities[measure],
    }


def _receipt(step: Step, options: QuantityOptions, receive_at: str) -> dict[str, Any]:
    return {
        "OrderID": step.order_id,
        "OrderItem": "1",
        "Material": step.attributes["material"],
        "Plant": step.plant,
        "StorageLocation": receive_at,
        "Batch": step.attributes.get("batch"),
        "GoodsMovementType": "101",
        "GoodsMovementRefDocType": "F",
        "EntryUnit": options.unit_or_code(step.attributes),
        "QuantityInEntryUnit": step.quantities["yield"],
    }
