"""Values of Tryton's records: productions, internal shipments and requisitions, with ids in place of codes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from millrace.errors import Rejected
from millrace.ledger.model import Step
from millrace.ledger.records import QUANTITY
from sinks.erp.tryton_ids import Ids
from sinks.erp.tryton_moves import Line, Places
from sinks.erp.tryton_rest import Record, date_value, price_value, quantity_value, text_value

#: Attributes that a person recognises the posting by, beside its external reference.
_LABELS = ("order_id", "operation", "notification_id", "request_number")


def reference(step: Step) -> str:
    """What the record is found by: the external reference, then what a person knows it by."""
    order = {} if step.attributes.get("role") else {"order_id": step.order_id}
    known = {**step.attributes, **order}
    words = [text_value(str(known[name]), name) for name in _LABELS if known.get(name)]
    return " ".join([step.external_reference, *words])


def posting_date(step: Step) -> Record | None:
    """The date to post on; None where the document has none, then Tryton takes today."""
    value = step.attributes.get("posting_date")
    return date_value(date.fromisoformat(value)) if value else None


def production(step: Step, lines: Iterable[Line], ids: Ids, places: Places, backflush: bool) -> Record:
    """A production: what goes in, what comes out."""
    moved, made_in = list(lines), ids.location(places.production)
    outputs = [line for line in moved if line.source == places.production]
    inputs = [_move(line, ids) for line in moved if line.target == places.production]
    if backflush and not inputs:
        inputs = _exploded(outputs, ids, ids.location(places.storage), made_in)
    on = posting_date(step)
    out = [{**_move(line, ids), **_price(line, ids, places)} for line in outputs]
    return {
        "reference": reference(step),
        "warehouse": ids.location(places.warehouse),
        "location": made_in,
        "inputs": _created(inputs, on),
        "outputs": _created(out, on),
        **_dated(on),
    }


def shipment(step: Step, lines: Iterable[Line], ids: Ids) -> Record:
    """An internal shipment; all its lines go the same way."""
    moved = list(lines)
    on = posting_date(step)
    return {
        "reference": reference(step),
        "from_location": ids.location(moved[0].source),
        "to_location": ids.location(moved[0].target),
        "moves": _created([_move(line, ids) for line in moved], on),
        **_dated(on),
    }


def requisition(step: Step, line: Line, ids: Ids, places: Places, employee: int) -> Record:
    """A requisition of one line.

    The request number is the line's description, which Tryton takes over into the purchase request and the purchase:
    there the way back finds it, and two requests for one material do not become one line of a purchase.
    """
    product = ids.product(line.material)
    wanted: Record = {
        "product": product["id"],
        "unit": ids.unit(line.unit, product)["id"],
        "quantity": quantity_value(step.quantities[QUANTITY]),
    }
    if number := step.attributes.get("request_number"):
        wanted["description"] = text_value(str(number), "request_number")
    if supplier := step.attributes.get("supplier"):
        wanted["supplier"] = ids.party(supplier)
    return {
        "description": reference(step),
        "employee": employee,
        "warehouse": ids.location(places.warehouse),
        "supply_date": date_value(date.fromisoformat(step.attributes["delivery_date"])),
        "lines": [["create", [wanted]]],
    }


def _move(line: Line, ids: Ids) -> Record:
    product = ids.product(line.material)
    move: Record = {
        "product": product["id"],
        "unit": ids.unit(line.unit, product)["id"],
        "quantity": quantity_value(line.quantity),
        "from_location": ids.location(line.source),
        "to_location": ids.location(line.target),
    }
    if line.lot:
        move["lot"] = ids.lot(line.lot, product)
    return move


def _dated(on: Record | None) -> Record:
    names = ("planned_start_date", "planned_date", "effective_start_date", "effective_date")
    return dict.fromkeys(names, on) if on else {}


def _created(moves: list[Record], on: Record | None) -> list[Any]:
    """Moves with their date, else those in a closed period are created and can then not even be cancelled."""
    return [["create", [{**move, "planned_date": on} if on else move for move in moves]]] if moves else []


def _price(line: Line, ids: Ids, places: Places) -> Record:
    """Tryton wants a price for what is made, which it works out itself when the production is done."""
    if line.target == places.scrap:
        return {}
    return {"unit_price": price_value(Decimal(0)), "currency": ids.currency}


def _exploded(outputs: Iterable[Line], ids: Ids, store: int, made_in: int) -> list[Record]:
    """Components of the bill of material for everything that came out, scrap included."""
    made: dict[tuple[str, str | None], Decimal] = {}
    for line in outputs:
        made[line.material, line.unit] = made.get((line.material, line.unit), Decimal(0)) + line.quantity
    return [
        {**component, "from_location": store, "to_location": made_in}
        for (material, unit), quantity in made.items()
        for component in _components(ids.product(material), quantity, unit, ids)
    ]


def _components(product: Record, quantity: Decimal, unit: str | None, ids: Ids) -> Iterable[Record]:
    bom = next((entry["bom"] for entry in product["boms"]), None)
    if bom is None:
        raise Rejected("bill_of_material", f"material {product['code']!r} has no bill of material in Tryton")
    output = next(entry for entry in bom["outputs"] if entry["product"] == product["id"])
    made = quantity * ids.unit(unit, product)["factor"] / (output["quantity"] * output["unit"]["factor"])
    for component in bom["inputs"]:
        step = Decimal(1).scaleb(-component["unit"]["digits"])
        amount = (component["quantity"] * made).quantize(step, ROUND_HALF_UP)
        if amount:
            yield {
                "product": component["product"],
                "unit": component["unit"]["id"],
                "quantity": quantity_value(amount),
            }
