"""SAP S/4HANA purchase requisition (OData V2, API_PURCHASEREQ_PROCESS_SRV).

Effect: one requisition of one item per step; looked up by the item's `PurReqnExternalReference`, on which SAP
enforces no uniqueness. A total that rises makes one more requisition for the difference. A reversal marks the item as
deleted, which SAP refuses once buyers have ordered it; it is looked up by that mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar, Self

from pydantic import Field

from millrace.ledger.model import Step
from millrace.ledger.records import QUANTITY
from millrace.ledger.requisition import KIND
from sinks.erp import odata
from sinks.erp.connector import Answer, Kind, Request, Verdict
from sinks.erp.odata_entity import Entity
from sinks.erp.odata_fields import Field as Property
from sinks.erp.odata_fields import decimal, text
from sinks.erp.odata_service import ODataService, about_another, is_reversal
from sinks.erp.sap_reference import plain_reference
from sinks.erp.sap_units import QuantityOptions

_HEADER, _ITEMS = "A_PurchaseRequisitionHeader", "A_PurchaseRequisitionItem"
_KEY = {"PurchaseRequisition": text(10, required=True), "PurchaseRequisitionItem": text(5, required=True)}
_ITEM = {
    **_KEY,
    "PurReqnExternalReference": text(35, required=True),
    "PurchaseRequisitionItemText": text(40),
    "PurchaseRequisitionType": text(4),
    "Material": text(40, required=True),
    "Plant": text(4, required=True),
    "StorageLocation": text(4),
    "RequestedQuantity": decimal(13, 3, required=True),
    "BaseUnit": text(3, required=True),
    "DeliveryDate": Property("Edm.DateTime", required=True),
    "PurchasingGroup": text(3),
    "PurchasingOrganization": text(4),
    "FixedSupplier": text(10),
    "RequisitionerName": text(12),
    "RequirementTracking": text(10),
    "IsDeleted": text(1, required=True),
}


class SapRequisitionOptions(QuantityOptions):
    """Options of the connector.

    Args:
        document_type: Type of the requisition.
        purchasing_group: Buyers that it goes to where the request names none.
        purchasing_organization: Plant to purchasing organisation, where SAP does not find it by itself.
        requisitioner: Name to show as requisitioner.
        header_text: Description of the requisition.
    """

    document_type: str = "NB"
    purchasing_group: str | None = None
    purchasing_organization: dict[str, str] = Field(default_factory=dict)
    requisitioner: str = "MILLRACE"
    header_text: str = "MILLRACE"


class SapRequisition(ODataService):
    """Connector; see the module."""

    kinds: ClassVar[frozenset[str]] = frozenset({KIND})

    def __init__(self, options: SapRequisitionOptions) -> None:
        self._options = options
        item = Entity(_ITEMS, _ITEM)
        fields = {"PurchaseRequisitionType": text(4, required=True), "PurReqnDescription": text(40)}
        super().__init__(options, Entity(_HEADER, fields, {"to_PurchaseReqnItem": item}), item)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """From settings."""
        return cls(SapRequisitionOptions.model_validate(options))

    def build(self, step: Step) -> Request:
        """POST header and item."""
        kind = self._options.document_type
        head = {"PurchaseRequisitionType": kind, "PurReqnDescription": self._options.header_text}
        return self.create(step, _HEADER, {**head, "to_PurchaseReqnItem": [self._item(step, kind)]})

    def _item(self, step: Step, kind: str) -> dict[str, Any]:
        of = step.attributes
        return {
            "PurReqnExternalReference": plain_reference(step.external_reference),
            "PurchaseRequisitionItemText": of.get("request_number"),
            "PurchaseRequisitionType": kind,
            "Material": of["material"],
            "Plant": step.plant,
            "StorageLocation": of.get("storage_location") or None,
            "RequestedQuantity": step.quantities.get(QUANTITY, Decimal(0)),
            "BaseUnit": self._options.unit_or_code(of),
            "DeliveryDate": date.fromisoformat(of["delivery_date"]),
            "PurchasingGroup": of.get("purchasing_group") or self._options.purchasing_group,
            "PurchasingOrganization": self._options.purchasing_organization.get(step.plant),
            "FixedSupplier": of.get("supplier"),
            "RequisitionerName": self._options.requisitioner,
        }

    def reverse(self, step: Step) -> Request:
        """Mark the item as deleted."""
        item = self.entity(_ITEMS)
        return self.change(step, item.key(_key(step)), item.body({"IsDeleted": "X"}), method="PATCH")

    def classify(self, step: Step, answer: Answer) -> Verdict:
        """A change is answered without a body: 204 says that the mark is set."""
        if is_reversal(step) and answer.status == 204:
            return Verdict(Kind.BOOKED, erp_document=step.reverses_document)
        return super().classify(step, answer)

    def booked(self, step: Step, entity: Mapping[str, Any]) -> Verdict:
        """Booked where the item carries the step's reference; a reversal where it is marked as deleted."""
        item = (odata.results(entity.get("to_PurchaseReqnItem")) or [entity])[0]
        document = f"{item['PurchaseRequisition']}/{item['PurchaseRequisitionItem']}"
        if is_reversal(step):
            return Verdict(Kind.BOOKED, erp_document=document) if item["IsDeleted"] else Verdict(Kind.ABSENT)
        wanted, found = plain_reference(step.external_reference), str(item["PurReqnExternalReference"])
        return Verdict(Kind.BOOKED, erp_document=document) if found == wanted else about_another(found, wanted)

    def question(self, step: Step) -> tuple[str, Mapping[str, str], tuple[str, ...]]:
        """An item by its reference; a reversal by the item that it deletes."""
        values = (
            _key(step) if is_reversal(step) else {"PurReqnExternalReference": plain_reference(step.external_reference)}
        )
        wanted = {name: odata.string_literal(value, name) for name, value in values.items()}
        return _ITEMS, wanted, (*_KEY, "PurReqnExternalReference", "IsDeleted")


def _key(step: Step) -> dict[str, str]:
    number, _, item = (step.reverses_document or "").partition("/")
    return {"PurchaseRequisition": number, "PurchaseRequisitionItem": item}
