"""The sandbox ERP's books: confirmations, material documents and requisitions, in the store's SQLite file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.erp_entities import Entities
from sandbox.erp_store import Refused, Store

_HEADER, _ITEM = "A_MaterialDocumentHeader", "A_MaterialDocumentItem"
_REQUISITION, _REQUISITION_ITEM = "A_PurchaseRequisitionHeader", "A_PurchaseRequisitionItem"
_YEAR = "2026"


class ConfirmationBooks:
    """Confirmations, looked up by external reference."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, name: str, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
        """Only by external reference, as the connector asks."""
        if name != "ProdnOrdConf2" or set(wanted) != {"ExternalSystemConfirmation"}:
            raise Refused("SANDBOX/FILTER", "Only ExternalSystemConfirmation eq guid'...' is served")
        return self._store.find(wanted["ExternalSystemConfirmation"])

    def create(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Book a confirmation."""
        _only(name, "ProdnOrdConf2")
        return self._store.book(body)

    def call(self, name: str, values: Mapping[str, str]) -> dict[str, Any]:
        """Book the reversal of a confirmation."""
        _only(name, "CancelProdnOrdConf")
        group, count = values.get("ConfirmationGroup", ""), values.get("ConfirmationCount", "")
        return self._store.cancel(group, count, values.get("ExternalSystemConfirmation"))

    def change(self, name: str, key: Mapping[str, str], body: Mapping[str, Any]) -> None:  # noqa: ARG002
        """A confirmation never changes."""
        _only(name, "nothing here")


class MaterialBooks:
    """Material documents; a document is cancelled by another one."""

    def __init__(self, entities: Entities) -> None:
        self._entities = entities

    def find(self, name: str, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
        """Headers or items."""
        return self._entities.find(name, wanted)

    def create(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Book a document with its items."""
        _only(name, _HEADER)
        with self._entities.transaction():
            return self._book(body, body["to_MaterialDocumentItem"])

    def call(self, name: str, values: Mapping[str, str]) -> dict[str, Any]:
        """Book the reversal of a document."""
        _only(name, "Cancel")
        key = {field: values.get(field, "") for field in ("MaterialDocumentYear", "MaterialDocument")}
        with self._entities.transaction():
            items = self._entities.find(_ITEM, key)
            if not items:
                raise Refused("M7/061", f"Document {key['MaterialDocument']} does not exist")
            if self._entities.find(_ITEM, {f"Reversed{field}": value for field, value in key.items()}):
                raise Refused("M7/062", f"Document {key['MaterialDocument']} is cancelled already")
            header = {"PostingDate": values.get("PostingDate"), "ReferenceDocument": ""}
            return self._book(header, [_reversed(item) for item in items])

    def change(self, name: str, key: Mapping[str, str], body: Mapping[str, Any]) -> None:  # noqa: ARG002
        """A material document never changes."""
        _only(name, "nothing here")

    def _book(self, header: Mapping[str, Any], items: list[dict[str, Any]]) -> dict[str, Any]:
        number = f"49{self._entities.next_number():08d}"
        key = {"MaterialDocumentYear": _YEAR, "MaterialDocument": number}
        head = {name: value for name, value in header.items() if not isinstance(value, list)}
        booked = [{**item, **key, "MaterialDocumentItem": f"{n:04d}"} for n, item in enumerate(items, 1)]
        self._entities.put(_HEADER, {**head, **key})
        for item in booked:
            self._entities.put(_ITEM, item)
        return {**head, **key, "to_MaterialDocumentItem": booked}


class RequisitionBooks:
    """Requisitions; an item is taken back by its deletion mark."""

    def __init__(self, entities: Entities) -> None:
        self._entities = entities

    def find(self, name: str, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
        """Headers or items."""
        return self._entities.find(name, wanted)

    def create(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Book a requisition with its items."""
        _only(name, _REQUISITION)
        with self._entities.transaction():
            key = {"PurchaseRequisition": f"{10_000_000 + self._entities.next_number():010d}"}
            head = {name: value for name, value in body.items() if not isinstance(value, list)}
            items = [
                {"IsDeleted": "", **item, **key, "PurchaseRequisitionItem": f"{n * 10:05d}"}
                for n, item in enumerate(body["to_PurchaseReqnItem"], 1)
            ]
            self._entities.put(_REQUISITION, {**head, **key})
            for item in items:
                self._entities.put(_REQUISITION_ITEM, item)
        return {**head, **key, "to_PurchaseReqnItem": items}

    def call(self, name: str, values: Mapping[str, str]) -> dict[str, Any]:  # noqa: ARG002
        """The service has no functions here."""
        raise Refused("/IWFND/MED/170", f"Resource not found for the segment '{name}'")

    def change(self, name: str, key: Mapping[str, str], body: Mapping[str, Any]) -> None:
        """Change an item."""
        _only(name, _REQUISITION_ITEM)
        with self._entities.transaction():
            if not self._entities.change(name, key, body):
                raise Refused("06/011", f"Item {dict(key)} does not exist")


def _reversed(item: Mapping[str, Any]) -> dict[str, Any]:
    names = ("MaterialDocumentYear", "MaterialDocument", "MaterialDocumentItem")
    return {**item, **{f"Reversed{name}": item[name] for name in names}}


def _only(name: str, served: str) -> None:
    if name != served:
        raise Refused("/IWFND/CM_BEC/026", f"{name} does not allow this")
