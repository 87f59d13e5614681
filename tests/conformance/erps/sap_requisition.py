"""SAP's purchase requisitions: the sandbox ERP."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ClassVar

import httpx

from millrace.ledger import DesiredDocument
from sandbox.erp_service import ROOT
from sinks.erp.sap_reference import plain_reference
from tests.conformance.erp_service import Booking
from tests.conformance.erps import sap_confirmation


class Erp(sap_confirmation.Erp):
    base_url = f"https://erp.test{ROOT}/API_PURCHASEREQ_PROCESS_SRV"
    id_fields: ClassVar = {"plant": "Plant", "material": "Material", "storage_location": "StorageLocation"}

    def document(
        self, number: int = 1, order: str = "1000001", revision: int = 1, total: str = "5", **ids: str
    ) -> DesiredDocument:
        known = {"plant": "P1", "material": "STEEL-1", "storage_location": "0001", **ids}
        plant = known.pop("plant")
        return DesiredDocument(
            key=f"{plant}||{known['material']}|{number}",
            kind="ReplenishmentRequest",
            plant=plant,
            order_id=order,
            sort_key=f"{number:06d}",
            tier=2,
            revision=revision,
            reference_version=1,
            quantities={"quantity": Decimal(total)},
            attributes={
                **known,
                "request_number": f"R{number}",
                "unit": "KGM",
                "delivery_date": "2026-03-12",
                "purchasing_group": "001",
            },
        )

    def books(self, request: httpx.Request) -> bool:
        return request.method in ("POST", "PATCH")

    def bookings(self) -> list[Booking]:
        items = self.sandbox.entities.find("A_PurchaseRequisitionItem", {})
        return [booking for item in items for booking in _bookings(item)]

    def reference(self, external_reference: str) -> str:
        return plain_reference(external_reference)


def _bookings(item: dict[str, Any]) -> Iterator[Booking]:
    """The request, and its withdrawal where the item is marked as deleted."""
    amount, reference = Decimal(item["RequestedQuantity"]), item["PurReqnExternalReference"]
    yield Booking(reference, amount, {ours: item[theirs] for ours, theirs in Erp.id_fields.items()})
    if item["IsDeleted"]:
        yield Booking(f"{reference} withdrawn", -amount)
