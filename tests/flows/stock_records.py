"""Records of a small plant's stock: whole records of their contracts, with what a test is about."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from schemas.contracts import contract
from schemas.samples import sample

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
PLACE = {"plant": "P1", "material": "STEEL", "storage_location": "RM01"}
Record = dict[str, Any]


def at(minutes: float) -> datetime:
    """Minutes after START."""
    return START + timedelta(minutes=minutes)


def _record(name: str, event_id: str, minutes: float, **values: Any) -> Record:
    plain = {"event_id": event_id, "event_time": at(minutes), "source": "S", "sequence": None, "correlation_id": None}
    where = {key: value for key, value in PLACE.items() if key in contract(name).fields}
    record = {**sample(contract(name), 1)[0], **plain, **where, **values}
    return {
        key: Decimal(value) if isinstance(value, int) and key in _QUANTITIES else value for key, value in record.items()
    }


_QUANTITIES = {"quantity", "unrestricted", "quality", "blocked", "allocated", "price", "over_tolerance"}


def material(name: str = "STEEL", plant: str = "P1") -> Record:
    """Steel in kilograms, which is also told in tonnes."""
    tonne = {"unit": "TNE", "numerator": Decimal(1000), "denominator": Decimal(1)}
    known = {"plant": plant, "material": name, "version": 1, "base_unit": "KGM", "conversions": [tonne]}
    return _record("Material", f"{plant}-{name}", 0, **known)


def balance(minutes: float, on_hand: int, as_of: float | None = None, **values: Any) -> Record:
    """The ERP counted this at `minutes`, up to `as_of`."""
    counted = minutes if as_of is None else as_of
    place = "|".join({**PLACE, **values}[name] for name in PLACE)
    told = {"balance_key": place, "as_of": at(counted), "unrestricted": on_hand, "unit": "KGM"}
    nothing = {"quality": 0, "blocked": 0, "allocated": 0}
    return _record(
        "InventoryBalance", f"b{minutes}-{counted}-{on_hand}-{place}", minutes, **{**nothing, **told, **values}
    )


def issue(number: int, minutes: float, quantity: int, **values: Any) -> Record:
    """Consumption without an order."""
    told = {"kind": "ISSUE", "order_id": "", "quantity": quantity, "unit": "KGM", "serials": []}
    return _record("MaterialConsumption", f"c{number}", minutes, **{**told, **values})


def decision(name: str, minutes: float, quantity: int, kind: str = "HOLD") -> Record:
    """A quality decision."""
    told = {"decision": kind, "quantity": quantity, "unit": "KGM", "serials": []}
    return _record("QualityEvent", f"q{name}", minutes, **told)


def order(minutes: float, quantity: int, item: str = "10", version: int = 1, **values: Any) -> Record:
    """An item of purchase order 4500."""
    told = {
        "purchase_order": "4500",
        "purchase_order_item": item,
        "version": version,
        "status": "OPEN",
        "supplier": "ACME",
        "quantity": quantity,
        "unit": "KGM",
        "delivery_date": date(2026, 3, 6),
        "price": 2,
        "currency": "EUR",
        "over_tolerance": None,
        "request_number": None,
    }
    return _record("PurchaseOrder", f"o{item}.{version}", minutes, **{**told, **values})


def answer(minutes: float, quantity: int, item: str = "10", version: int = 1, **values: Any) -> Record:
    """The supplier's acknowledgement."""
    told = {
        "purchase_order": "4500",
        "purchase_order_item": item,
        "version": version,
        "response": "ACCEPTED",
        "supplier": "ACME",
        "quantity": quantity,
        "unit": "KGM",
        "delivery_date": date(2026, 3, 6),
        "price": 2,
        "currency": "EUR",
        "acknowledgement_id": f"A{item}",
    }
    return _record("OrderAcknowledgement", f"a{item}.{version}", minutes, **{**told, **values})


def notice(name: str, minutes: float, quantity: int, item: str = "10", version: int = 1, **values: Any) -> Record:
    """A shipment on its way."""
    told = {
        "shipment_id": name,
        "shipment_item": "1",
        "version": version,
        "status": "SHIPPED",
        "purchase_order": "4500",
        "purchase_order_item": item,
        "supplier": "ACME",
        "quantity": quantity,
        "unit": "KGM",
        "shipped_at": at(minutes),
        "expected_at": None,
        "batch": None,
        "package_id": None,
    }
    return _record("ShipmentNotice", f"s{name}.{version}", minutes, **{**told, **values})


def receipt(
    name: str, minutes: float, quantity: int, shipment: str | None = None, item: str = "10", **values: Any
) -> Record:
    """Goods that came."""
    told = {
        "receipt_id": name,
        "receipt_item": "1",
        "version": 1,
        "status": "RECEIVED",
        "stock_type": "UNRESTRICTED",
        "purchase_order": "4500",
        "purchase_order_item": item,
        "shipment_id": shipment,
        "shipment_item": None if shipment is None else "1",
        "quantity": quantity,
        "unit": "KGM",
        "batch": None,
        "serials": [],
        "delivery_completed": False,
    }
    return _record("GoodsReceipt", f"r{name}.{values.get('version', 1)}", minutes, **{**told, **values})


def result(minutes: float, status: str = "rejected", number: str = "P1||STEEL|RM01|1", **values: Any) -> Record:
    """What became of a request's posting."""
    told = {
        "document_key": number,
        "external_reference": number,
        "kind": "ReplenishmentRequest",
        "revision": 1,
        "status": status,
        "reason": "ME/083" if status == "rejected" else None,
    }
    return _record("PostingResult", f"p{minutes}.{status}.{number}", minutes, **{**told, **values})


def document(minutes: float, quantity: int, **values: Any) -> Record:
    """A goods movement that issues to an order."""
    told = {
        "document_key": f"P1|D{minutes}",
        "revision": 1,
        "movement": "ISSUE",
        "quantity": quantity,
        "unit": "KGM",
        "stock_type_from": "UNRESTRICTED",
        "stock_type_to": None,
        "withdrawn": False,
        "purchase_order": None,
        "last_event_time": at(minutes),
        "to_plant": None,
        "to_storage_location": None,
        "serials": [],
    }
    return _record("GoodsMovement", f"g{minutes}", minutes, **{**told, **values})
