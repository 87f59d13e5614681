"""SAP's confirmations: the sandbox ERP."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, ClassVar

import httpx

from millrace.ledger import DesiredDocument
from sandbox.erp import SERVICE, SandboxErp
from sandbox.erp_store import Store
from tests.conformance.erp_service import Booking, ErpService
from tests.conformance.erp_world import document


def sap_error(code: str) -> httpx.Response:
    """How the gateway says no."""
    details = [{"code": code, "message": "said no", "severity": "error"}]
    error = {"code": code, "message": {"value": "said no"}, "innererror": {"errordetails": details}}
    return httpx.Response(400, content=json.dumps({"error": error}))


class Erp(ErpService):
    base_url = f"https://erp.test{SERVICE}"
    id_fields: ClassVar = {"order": "OrderID", "operation": "OrderOperation", "plant": "Plant"}

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.sandbox = SandboxErp(Store(":memory:"), self.sleep)

    def transport(self) -> httpx.AsyncBaseTransport:
        return httpx.ASGITransport(self.sandbox)

    def document(
        self, number: int = 1, order: str = "1000001", revision: int = 1, total: str = "5", **ids: str
    ) -> DesiredDocument:
        return document(number, order, revision, **ids, **{"yield": total})

    def books(self, request: httpx.Request) -> bool:
        return request.method == "POST"

    def asks(self, request: httpx.Request) -> bool:
        return request.method == "GET" and "filter" in str(request.url)

    def bookings(self) -> list[Booking]:
        return [_booking(entity) for entity in self.sandbox.store.documents()]

    def business_error(self) -> httpx.Response:
        return sap_error("M7/022")

    def lock(self) -> httpx.Response:
        return sap_error("CO/469")

    def session_expired(self) -> httpx.Response:
        return httpx.Response(403, headers={"x-csrf-token": "Required"})


def _booking(entity: dict[str, Any]) -> Booking:
    amount = Decimal(entity["ConfirmationYieldQuantity"])
    ids = {ours: entity[theirs] for ours, theirs in Erp.id_fields.items()}
    return Booking(entity["ExternalSystemConfirmation"], -amount if entity["IsReversal"] else amount, ids)
