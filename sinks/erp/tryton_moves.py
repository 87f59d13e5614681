"""What moves for a step, in codes of the plant: from where to where, of which material, how much.

| document | Tryton record | moves |
|---|---|---|
| confirmation | production | components to production, yield to store, scrap to the scrap location |
| issue, receipt, by-product, return with an order | production | between store and production |
| the same without an order, scrap, transfer, status change, hold, release | internal shipment | between two locations |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from millrace.errors import Rejected
from millrace.ledger import confirmation, quality
from millrace.ledger.model import Step
from millrace.ledger.records import QUANTITY, serials

#: Measure of what a confirmation has consumed; the attribute `components` has material, unit, batch and storage
#: location of what stands behind the colon, where it is not the material itself.
COMPONENT = "component:"


class Places(BaseModel, extra="forbid", frozen=True):
    """Codes of a plant's locations in Tryton.

    Args:
        warehouse: Warehouse, for productions and requisitions.
        storage: Where stock is kept, for documents that name no storage location.
        production: Production location.
        scrap: Waste location of the warehouse, where scrap goes.
        quality: Storage location that holds stock in inspection.
        blocked: Storage location that holds blocked stock.
        elsewhere: Lost-and-found location, for what leaves or comes without an order.
        rework: Storage location for pieces to be reworked; without it they are not booked before they are good
            or scrap.
        locations: Storage locations whose code in Tryton is another.
    """

    warehouse: str = "WH"
    storage: str = "STO"
    production: str = "PROD"
    scrap: str = "SCRAP"
    quality: str = "HOLD"
    blocked: str = "BLOCK"
    elsewhere: str = "LOST"
    rework: str | None = None
    locations: dict[str, str] = {}

    def store(self, storage_location: str | None) -> str:
        """Code of a storage location of a document."""
        return self.locations.get(storage_location, storage_location) if storage_location else self.storage

    def status(self, stock_type: str | None, storage_location: str | None) -> str:
        """Code of the location that stands for a stock status."""
        held = {"QUALITY": self.quality, "BLOCKED": self.blocked}
        return held.get(stock_type or "", self.store(storage_location))


@dataclass(frozen=True, slots=True)
class Line:
    """One move.

    Args:
        material: Code of the product.
        quantity: How much.
        unit: Rec 20 code, None for the product's own unit.
        source: Code of the location that it leaves.
        target: Code of the location that it comes to.
        lot: Batch or serial number.
    """

    material: str
    quantity: Decimal
    unit: str | None
    source: str
    target: str
    lot: str | None = None


def in_production(step: Step) -> bool:
    """Whether the step is booked as a production; else as an internal shipment."""
    with_order = ("RECEIPT", "BY_PRODUCT", "ISSUE", "RETURN")
    return step.kind == confirmation.KIND or bool(
        step.attributes.get("order_id") and step.attributes.get("movement") in with_order
    )


def lines(step: Step, places: Places) -> list[Line]:
    """Moves of a step.

    Raises:
        Rejected: Tryton has nothing to book it as.
    """
    if step.kind == confirmation.KIND:
        return list(_confirmed(step, places))
    if step.attributes.get("purchase_order"):
        raise Rejected("purchase_order", "a receipt for a purchase order is booked with its shipment in Tryton")
    if step.attributes.get("to_plant") not in (None, step.plant):
        raise Rejected("to_plant", "a transfer to another plant takes two systems")
    source, target = _ways(step, places)
    if source == target:
        raise Rejected("storage_location", f"nothing moves from {source} to {target}")
    return list(_moved(step, source, target))


def _confirmed(step: Step, places: Places) -> Iterator[Line]:
    material = str(step.attributes.get("material") or "")
    unit, components = step.attributes.get("unit"), step.attributes.get("components") or {}
    for measure, amount in sorted(step.quantities.items()):
        if measure.startswith(COMPONENT):
            name = measure.removeprefix(COMPONENT)
            yield _consumed(name, amount, components.get(name) or {}, places)
        elif target := _output(measure, places):
            yield Line(material, amount, unit, places.production, target)


def _consumed(name: str, amount: Decimal, component: Mapping[str, Any], places: Places) -> Line:
    source = places.store(component.get("storage_location"))
    material = str(component.get("material") or name)
    return Line(material, amount, component.get("unit"), source, places.production, component.get("batch"))


def _output(measure: str, places: Places) -> str | None:
    if measure.startswith(confirmation.SCRAP):
        return places.scrap
    return {"yield": places.storage, "rework": places.rework}.get(measure)


def _ways(step: Step, places: Places) -> tuple[str, str]:
    attributes = step.attributes
    named = attributes.get("storage_location")
    store = places.status(attributes.get("stock_type_from"), named)
    if step.kind == quality.KIND or attributes.get("movement") == "STATUS_CHANGE":
        return store, places.status(attributes.get("stock_type_to"), named)
    into = places.status(attributes.get("stock_type_to"), named)
    other_side = places.production if in_production(step) else places.elsewhere
    ways = {
        **dict.fromkeys(("RECEIPT", "BY_PRODUCT", "RETURN"), (other_side, into)),
        "ISSUE": (store, other_side),
        "SCRAP": (store, places.scrap),
        "TRANSFER": (store, places.status(attributes.get("stock_type_to"), attributes.get("to_storage_location"))),
    }
    movement = str(attributes.get("movement"))
    if movement not in ways:
        raise Rejected("movement", f"movement {movement!r} is not known")
    return ways[movement]


def _moved(step: Step, source: str, target: str) -> Iterator[Line]:
    """One line, or one per serial number."""
    material, unit = str(step.attributes.get("material") or ""), step.attributes.get("unit")
    pieces, total = serials(step.quantities), step.quantities.get(QUANTITY, Decimal(0))
    if pieces and len(pieces) != total:
        raise Rejected("serials", f"{len(pieces)} serial numbers for a quantity of {total}")
    for piece in pieces:
        yield Line(material, Decimal(1), unit, source, target, piece)
    if total and not pieces:
        yield Line(material, total, unit, source, target, step.attributes.get("batch"))
