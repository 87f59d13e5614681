"""What the converters from records to desired documents share: lanes, serial numbers, plain attribute values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

#: Measure of a document that has one quantity.
QUANTITY = "quantity"
#: Measure per serial number, 1 where the piece is in the total: so a difference names the pieces it is about.
SERIAL = "serial:"


def lane_of(record: Mapping[str, Any]) -> str:
    """What keeps postings apart that an ERP would lock against each other; one is in flight at a time.

    The order where there is one, else the purchase order, else material and storage location.
    """
    if record.get("order_id"):
        return str(record["order_id"])
    if record.get("purchase_order"):
        return f"purchase:{record['purchase_order']}"
    return f"stock:{record['material']}|{record['storage_location']}"


def measures(record: Mapping[str, Any]) -> dict[str, Decimal]:
    """The quantity, and one measure per serial number; nothing of a withdrawn total."""
    if record["withdrawn"] or not record["quantity"]:
        return {}
    return {QUANTITY: record["quantity"], **{f"{SERIAL}{each}": Decimal(1) for each in record.get("serials", ())}}


def serials(quantities: Mapping[str, Decimal]) -> list[str]:
    """Serial numbers that a step is about, sorted."""
    return sorted(name.removeprefix(SERIAL) for name in quantities if name.startswith(SERIAL))


def attributes(record: Mapping[str, Any], names: Iterable[str], **more: Any) -> dict[str, Any]:
    """JSON values of some fields: dates and instants as ISO 8601, decimals as text; null ones are left out."""
    found = {name: plain(record[name]) for name in names if record.get(name) is not None}
    return {**found, **more}


def plain(value: Any) -> Any:
    """A JSON value."""
    if isinstance(value, date):  # datetimes too
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
