"""A real OData server as the tests of SAP's connectors see it: what it holds by order and reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from millrace.ledger import DesiredDocument
from sandbox import erp_metadata
from tests.conformance.erp_service import service_of
from tests.servers.odata_gate import Forwarded

Entity = dict[str, Any]


@dataclass(frozen=True)
class Sap:
    """The server, and the metadata that it goes by."""

    client: httpx.Client
    url: str
    metadata: Path

    def entities(self, service: str, name: str) -> list[Entity]:
        """What the server holds, read past the gate."""
        schema = erp_metadata.read((self.metadata / f"{service}.edmx").read_bytes())
        return Forwarded(self.client, f"{self.url}/{service}", schema).find(name, {})


def confirmed(sap: Sap) -> Iterator[tuple[str, str, Decimal]]:
    """Order, reference and yield of every confirmation."""
    for entity in sap.entities("API_PROD_ORDER_CONFIRMATION_2_SRV", "ProdnOrdConf2"):
        amount = Decimal(entity["ConfirmationYieldQuantity"])
        sign = -1 if entity["IsReversal"] else 1
        yield entity["OrderID"], entity["ExternalSystemConfirmation"], sign * amount


def moved(sap: Sap) -> Iterator[tuple[str, str, Decimal]]:
    """Order, reference (of a reversal: what it reverses) and quantity of every item of a material document."""
    service = "API_MATERIAL_DOCUMENT_SRV"
    references = {
        h["MaterialDocument"]: h["ReferenceDocument"] for h in sap.entities(service, "A_MaterialDocumentHeader")
    }
    for item in sap.entities(service, "A_MaterialDocumentItem"):
        amount = Decimal(item["QuantityInEntryUnit"])
        reversed_one = item.get("ReversedMaterialDocument")
        reference = f"reverses {reversed_one}" if reversed_one else references[item["MaterialDocument"]]
        yield item["ManufacturingOrder"], reference, -amount if reversed_one else amount


def requested(sap: Sap) -> Iterator[tuple[str, str, Decimal]]:
    """Requisitioner's tracking, reference and quantity of every item that is not withdrawn."""
    for item in sap.entities("API_PURCHASEREQ_PROCESS_SRV", "A_PurchaseRequisitionItem"):
        amount = Decimal(item["RequestedQuantity"])
        yield item["Material"], item["PurReqnExternalReference"], Decimal(0) if item["IsDeleted"] else amount


READ_BACK = {"sap_confirmation": confirmed, "sap_goods_movement": moved, "sap_requisition": requested}
FIRST_ORDER = iter(range(1_000_000, 9_000_000, 1000))


def document(connector: str, order: str, number: int = 1, **more: str) -> DesiredDocument:
    """A document whose amounts can be told from those of other tests by its order, or material where it has none."""
    material = {"material": order} if connector == "sap_requisition" else {}
    return service_of(connector)().document(number=number, order=order, **material, **more)


def held(connector: str, sap: Sap, orders: list[str]) -> tuple[dict[str, Decimal], Counter[str]]:
    """What the server holds by order, and how often each reference."""
    found = [entry for entry in READ_BACK[connector](sap) if entry[0] in orders]
    totals = {order: sum((amount for of, _, amount in found if of == order), Decimal(0)) for order in orders}
    return totals, Counter(reference for _, reference, _ in found)
