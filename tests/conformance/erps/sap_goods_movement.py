"""SAP's material documents: the sandbox ERP."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from millrace.ledger import DesiredDocument
from sandbox.erp_service import ROOT
from sinks.erp.sap_reference import short_reference
from tests.conformance.erp_service import Booking
from tests.conformance.erps import sap_confirmation


class Erp(sap_confirmation.Erp):
    base_url = f"https://erp.test{ROOT}/API_MATERIAL_DOCUMENT_SRV"
    id_fields: ClassVar = {
        "order": "ManufacturingOrder",
        "plant": "Plant",
        "material": "Material",
        "batch": "Batch",
        "storage_location": "StorageLocation",
    }

    def document(
        self, number: int = 1, order: str = "1000001", revision: int = 1, total: str = "5", **ids: str
    ) -> DesiredDocument:
        known = {"plant": "P1", "material": "STEEL-1", "batch": "B1", "storage_location": "0001", **ids}
        plant = known.pop("plant")
        return DesiredDocument(
            key=f"{plant}|{order}|ISSUE|{number}",
            kind="GoodsMovement",
            plant=plant,
            order_id=order,
            sort_key=f"{number:06d}",
            tier=1,
            revision=revision,
            reference_version=1,
            quantities={"quantity": Decimal(total)},
            attributes={
                **known,
                "movement": "ISSUE",
                "order_id": order,
                "operation": "0010",
                "unit": "KGM",
                "posting_date": "2026-03-02",
            },
        )

    def bookings(self) -> list[Booking]:
        headers = {h["MaterialDocument"]: h for h in self.sandbox.entities.find("A_MaterialDocumentHeader", {})}
        items = self.sandbox.entities.find("A_MaterialDocumentItem", {})
        return [_booking(headers[item["MaterialDocument"]], item) for item in items]

    def reference(self, external_reference: str) -> str:
        return short_reference(external_reference)


def _booking(header: dict[str, Any], item: dict[str, Any]) -> Booking:
    """A reversal carries no reference of ours but the document that it reverses."""
    amount = Decimal(item["QuantityInEntryUnit"])
    if cancelled := item.get("ReversedMaterialDocument"):
        return Booking(f"reversal of {cancelled}", -amount)
    ids = {ours: item[theirs] for ours, theirs in Erp.id_fields.items()}
    return Booking(header["ReferenceDocument"], amount, ids)
