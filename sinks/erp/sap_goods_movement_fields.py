"""Fields of SAP's material documents that the connector may send."""

from __future__ import annotations

from sinks.erp.odata_entity import Entity
from sinks.erp.odata_fields import DATE, FLAG, Field, decimal, text

HEADER, ITEMS, CANCEL = "A_MaterialDocumentHeader", "A_MaterialDocumentItem", "Cancel"
SERIAL_NUMBERS = "A_SerialNumberMaterialDocument"
_DAY = Field("Edm.DateTime", required=True)

_HEADER = {
    "GoodsMovementCode": text(2, required=True),
    "PostingDate": _DAY,
    "DocumentDate": DATE,
    "ReferenceDocument": text(16, required=True),
    "MaterialDocumentHeaderText": text(25),
}
_ITEM = {
    "Material": text(40, required=True),
    "Plant": text(4, required=True),
    "StorageLocation": text(4, required=True),
    "Batch": text(10, required=True),
    "GoodsMovementType": text(3, required=True),
    "GoodsMovementReasonCode": text(4),
    "GoodsMovementRefDocType": text(1, required=True),
    "InventoryUsabilityCode": text(1, required=True),
    "PurchaseOrder": text(10, required=True),
    "PurchaseOrderItem": text(5, required=True),
    "ManufacturingOrder": text(12, required=True),
    "ManufacturingOrderItem": text(4),
    "Reservation": text(10),
    "ReservationItem": text(4),
    "ReservationIsFinallyIssued": FLAG,
    "IssgOrRcvgMaterial": text(40),
    "IssgOrRcvgBatch": text(10),
    "IssuingOrReceivingPlant": text(4, required=True),
    "IssuingOrReceivingStorageLoc": text(4, required=True),
    "EntryUnit": text(3, required=True),
    "QuantityInEntryUnit": decimal(13, 3, required=True),
}
_SERIAL_NUMBER = {"Material": text(40), "SerialNumber": text(18, required=True)}
_CANCEL = {
    "MaterialDocumentYear": text(4, required=True),
    "MaterialDocument": text(10, required=True),
    "PostingDate": _DAY,
}


def entities() -> tuple[Entity, Entity]:
    """The document with its item and serial numbers, and its reversal."""
    numbers = {"to_SerialNumbers": Entity(SERIAL_NUMBERS, _SERIAL_NUMBER)}
    item = {"to_MaterialDocumentItem": Entity(ITEMS, _ITEM, numbers)}
    return Entity(HEADER, _HEADER, item), Entity(CANCEL, _CANCEL)
