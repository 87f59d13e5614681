"""SAP S/4HANA goods movement (OData V2, API_MATERIAL_DOCUMENT_SRV): receipts, issues, transfers, stock status.

Effect: one material document of one item per step; looked up by `ReferenceDocument`, sixteen characters made from the
external reference. A reversal is the service's Cancel, found by the document that it reverses. SAP enforces no
uniqueness on either.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Self

from pydantic import Field

from millrace.ledger import goods_movement, quality
from millrace.ledger.model import Step
from millrace.ledger.records import QUANTITY, SERIAL, serials
from sinks.erp import odata
from sinks.erp.connector import Kind, Request, Verdict
from sinks.erp.odata_service import ODataService, about_another, is_reversal, posting_date
from sinks.erp.sap_goods_movement_fields import CANCEL, HEADER, ITEMS, entities
from sinks.erp.sap_movement_types import GOODS_MOVEMENT_CODE, STOCK_TYPES, has_other_end, movement_type
from sinks.erp.sap_reference import short_reference
from sinks.erp.sap_units import QuantityOptions


class SapGoodsMovementOptions(QuantityOptions):
    """Options of the connector.

    Args:
        movement_types: Movement to SAP movement type, on top of the built-in table (`docs/sap.md`).
        reasons: Reason to SAP's reason code; reasons that are not in it go as they are.
        header_text: Text of the document's header.
    """

    movement_types: dict[str, str] = Field(default_factory=dict)
    reasons: dict[str, str] = Field(default_factory=dict)
    header_text: str = "MILLRACE"


class SapGoodsMovement(ODataService):
    """Connector; see the module."""

    kinds: ClassVar[frozenset[str]] = frozenset({goods_movement.KIND, quality.KIND})

    def __init__(self, options: SapGoodsMovementOptions) -> None:
        self._options = options
        super().__init__(options, *entities())

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """From settings."""
        return cls(SapGoodsMovementOptions.model_validate(options))

    def quantum(self, measure: str, attributes: Mapping[str, Any]) -> Decimal:
        """A thousandth of the unit; a serial number is one piece."""
        return Decimal(1) if measure.startswith(SERIAL) else super().quantum(measure, attributes)

    def build(self, step: Step) -> Request:
        """POST header and item."""
        kind = movement_type(step, self._options.movement_types)
        on = posting_date(step)
        header = {
            "GoodsMovementCode": GOODS_MOVEMENT_CODE.get(step.attributes.get("movement", ""), "04"),
            "PostingDate": on,
            "DocumentDate": on,
            "ReferenceDocument": short_reference(step.external_reference),
            "MaterialDocumentHeaderText": self._options.header_text,
        }
        if kind == "101" and step.attributes.get("purchase_order"):
            header["GoodsMovementCode"] = "01"
        item = {**self._item(step, kind), **_order(step, kind), **_other_end(step)}
        return self.create(step, HEADER, {**header, "to_MaterialDocumentItem": [item]})

    def _item(self, step: Step, kind: str) -> dict[str, Any]:
        of = step.attributes
        reason = of.get("reason") or of.get("defect")
        return {
            "Material": of["material"],
            "Plant": step.plant,
            "StorageLocation": of.get("storage_location") or None,
            "Batch": of.get("batch"),
            "GoodsMovementType": kind,
            "GoodsMovementReasonCode": self._options.reasons.get(reason, _number_or_none(reason)) if reason else None,
            "InventoryUsabilityCode": STOCK_TYPES.get(of.get("stock_type_to", "")) if _is_receipt(step) else None,
            "EntryUnit": self._options.unit_or_code(of),
            "QuantityInEntryUnit": step.quantities.get(QUANTITY, Decimal(0)),
            "to_SerialNumbers": [{"Material": of["material"], "SerialNumber": n} for n in serials(step.quantities)],
        }

    def reverse(self, step: Step) -> Request:
        """Cancel the whole material document, on the step's posting date."""
        year, _, number = (step.reverses_document or "").partition("/")
        values = {"MaterialDocumentYear": year, "MaterialDocument": number, "PostingDate": posting_date(step)}
        return self.call(step, CANCEL, values)

    def booked(self, step: Step, entity: Mapping[str, Any]) -> Verdict:
        """Booked where the document carries the step's reference; for a reversal, where it is another document."""
        document = f"{entity['MaterialDocumentYear']}/{entity['MaterialDocument']}"
        if is_reversal(step):
            if document == step.reverses_document or not entity["MaterialDocument"]:
                return about_another(document, f"the reversal of {step.reverses_document}")
            return Verdict(Kind.BOOKED, erp_document=document)
        wanted, found = short_reference(step.external_reference), str(entity["ReferenceDocument"])
        return Verdict(Kind.BOOKED, erp_document=document) if found == wanted else about_another(found, wanted)

    def question(self, step: Step) -> tuple[str, Mapping[str, str], tuple[str, ...]]:
        """A document by its reference; a reversal by the document that it reverses, which its items name."""
        number = ("MaterialDocumentYear", "MaterialDocument")
        if not is_reversal(step):
            literal = odata.string_literal(short_reference(step.external_reference), "ReferenceDocument")
            return HEADER, {"ReferenceDocument": literal}, (*number, "ReferenceDocument")
        year, _, reversed_number = (step.reverses_document or "").partition("/")
        wanted = {"ReversedMaterialDocumentYear": year, "ReversedMaterialDocument": reversed_number}
        return ITEMS, {name: odata.string_literal(value, name) for name, value in wanted.items()}, number


def _is_receipt(step: Step) -> bool:
    return step.attributes.get("movement") in ("RECEIPT", "BY_PRODUCT")


def _order(step: Step, kind: str) -> dict[str, Any]:
    """What the movement is for: purchase order, production order, reservation."""
    of = step.attributes
    if of.get("purchase_order"):
        item = of.get("purchase_order_item")
        return {"PurchaseOrder": of["purchase_order"], "PurchaseOrderItem": item, "GoodsMovementRefDocType": "B"}
    order = of.get("order_id") or None
    if kind == "101" and order:
        return {"ManufacturingOrder": order, "ManufacturingOrderItem": "1", "GoodsMovementRefDocType": "F"}
    if has_other_end(step):
        return {}
    reserved = {"Reservation": of.get("reservation"), "ReservationItem": of.get("reservation_item")}
    closed = True if step.final and of.get("reservation") else None
    return {"ManufacturingOrder": order, **reserved, "ReservationIsFinallyIssued": closed}


def _other_end(step: Step) -> dict[str, Any]:
    """Where a transfer or a change of status ends: elsewhere, or at the same place in another status."""
    if not has_other_end(step):
        return {}
    of = step.attributes
    return {
        "IssgOrRcvgMaterial": of["material"],
        "IssuingOrReceivingPlant": of.get("to_plant") or step.plant,
        "IssuingOrReceivingStorageLoc": of.get("to_storage_location") or of.get("storage_location") or None,
        "IssgOrRcvgBatch": of.get("batch"),
    }


def _number_or_none(reason: str) -> str | None:
    return reason if reason.isdigit() else None
