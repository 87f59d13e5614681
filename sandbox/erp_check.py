"""What the ERP demands of a request before it books: known fields, lengths, literals, keys left to the service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sandbox.erp_metadata import Declared, Property
from sandbox.erp_store import Refused

_PATTERN = {
    "Edm.Guid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "Edm.Decimal": re.compile(r"\d{1,10}\.\d{3}"),
    "Edm.DateTime": re.compile(r"/Date\(\d+\)/"),
    "Edm.Time": re.compile(r"PT\d{2}H\d{2}M\d{2}S"),
}
_LITERAL = {
    "Edm.String": re.compile(r"'((?:[^']|'')*)'"),
    "Edm.Guid": re.compile(r"guid'([0-9A-Fa-f-]{36})'"),
    "Edm.DateTime": re.compile(r"datetime'(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})'"),
}
#: Fields without which the services here refuse a document.
_MANDATORY = {
    "ProdnOrdConf2": ("OrderID", "OrderOperation"),
    "A_MaterialDocumentHeader": ("GoodsMovementCode", "PostingDate", "to_MaterialDocumentItem"),
    "A_MaterialDocumentItem": ("Material", "Plant", "GoodsMovementType", "QuantityInEntryUnit", "EntryUnit"),
    "A_PurchaseRequisitionHeader": ("PurchaseRequisitionType", "to_PurchaseReqnItem"),
    "A_PurchaseRequisitionItem": ("Material", "Plant", "RequestedQuantity", "DeliveryDate"),
}
Schema = Mapping[str, Declared]


def check_entity(schema: Schema, name: str, body: Mapping[str, Any], *, is_part: bool = False) -> None:
    """Raise Refused for an entity, with its parts, that the service would not take."""
    declared = schema[name]
    for field, value in body.items():
        if field in declared.parts:
            for part in value:
                check_entity(schema, declared.parts[field], part, is_part=True)
        elif field not in declared.fields:
            raise Refused("/IWCOR/CX_DS_EP_PROPERTY_ERROR", f"Property '{field}' is invalid")
        elif field in declared.keys and value and not is_part:
            raise Refused("SANDBOX/KEY", f"Key field '{field}' is given out by the service")
        elif not _fits(declared.fields[field], value):
            raise Refused("SANDBOX/BAD_VALUE", f"Property '{field}' has invalid value {value!r}")
    for field in _MANDATORY.get(name, ()):
        if not body.get(field):
            raise Refused("SANDBOX/MISSING", f"Property '{field}' is missing")


def check_change(schema: Schema, name: str, body: Mapping[str, Any]) -> None:
    """Raise Refused for a change of some fields that the service would not take."""
    for field, value in body.items():
        if field not in schema[name].fields:
            raise Refused("/IWCOR/CX_DS_EP_PROPERTY_ERROR", f"Property '{field}' is invalid")
        if not _fits(schema[name].fields[field], value):
            raise Refused("SANDBOX/BAD_VALUE", f"Property '{field}' has invalid value {value!r}")


def parameters(schema: Schema, name: str, query: Mapping[str, str]) -> dict[str, str]:
    """Plain values of a function import's parameters or of a key, from their literals."""
    out = {}
    for field, literal in query.items():
        declared = schema[name].fields.get(field)
        if declared is None:
            raise Refused("SANDBOX/BAD_VALUE", f"Parameter '{field}' is unknown")
        found = _LITERAL[declared.type].fullmatch(literal) if declared.type in _LITERAL else None
        if found is None:
            raise Refused("SANDBOX/BAD_VALUE", f"Parameter '{field}' is no literal of its type")
        plain = found[1].replace("''", "'")
        if declared.length is not None and len(plain) > declared.length:
            raise Refused("SANDBOX/BAD_VALUE", f"Parameter '{field}' is too long")
        out[field] = plain.lower() if declared.type == "Edm.Guid" else plain
    return out


def conditions(schema: Schema, name: str, text: str) -> dict[str, str]:
    """Wanted values by field, from a `$filter` of equalities."""
    out = {}
    for part in re.split(r" and (?=\w+ eq )", text):
        field, _, literal = part.partition(" eq ")
        out.update(parameters(schema, name, {field: literal}))
    return out


def _fits(declared: Property, value: object) -> bool:
    if declared.type == "Edm.Boolean":
        return isinstance(value, bool)
    if not isinstance(value, str):
        return False
    if declared.type == "Edm.String":
        return declared.length is None or len(value) <= declared.length
    return _PATTERN[declared.type].fullmatch(value) is not None
