"""What the sandbox ERP's services declare: the fields of SAP's services that matter for posting, in a table of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class EntityFields:
    """An entity set or function import.

    Args:
        fields: Type by name: a number of characters, or `decimal`, `date`, `time`, `guid`, `flag`.
        keys: Names of the key fields; the service gives them out.
        parts: Entity set by navigation property.
    """

    fields: Mapping[str, int | str]
    keys: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceFields:
    """A service: entity sets, and function imports with the entity set that they answer with."""

    sets: Mapping[str, EntityFields]
    functions: Mapping[str, tuple[EntityFields, str]] = field(default_factory=dict)


_MOVED: Mapping[str, int | str] = {
    "Material": 40, "Plant": 4, "StorageLocation": 4, "Batch": 10, "GoodsMovementType": 3, "GoodsMovementRefDocType": 1,
    "Reservation": 10, "ReservationItem": 4, "EntryUnit": 3, "QuantityInEntryUnit": "decimal",
}  # fmt: skip

CONFIRMATION = ServiceFields(
    sets={
        "ProdnOrdConf2": EntityFields(
            {
                "ConfirmationGroup": 10, "ConfirmationCount": 8, "OrderID": 12, "Sequence": 6, "OrderOperation": 4,
                "ConfirmationText": 40, "Plant": 4, "WorkCenter": 8, "EnteredByExternalUser": 12,
                "VarianceReasonCode": 4, "ConfirmationUnit": 3, "ConfirmationUnitISOCode": 3,
                "FinalConfirmationType": 1, "IsFinalConfirmation": "flag", "OpenReservationsIsCleared": "flag",
                "APIConfHasNoGoodsMovements": "flag", "IsReversal": "flag", "IsReversed": "flag",
                "ExternalSystemConfirmation": "guid", "PostingDate": "date",
                "ConfirmedExecutionStartDate": "date", "ConfirmedExecutionStartTime": "time",
                "ConfirmedExecutionEndDate": "date", "ConfirmedExecutionEndTime": "time",
                "ConfirmationYieldQuantity": "decimal", "ConfirmationScrapQuantity": "decimal",
                "ConfirmationReworkQuantity": "decimal",
                **{f"OpConfirmedWorkQuantity{n}": "decimal" for n in range(1, 7)},
                **{f"OpWorkQuantityUnit{n}": 3 for n in range(1, 7)},
            },
            ("ConfirmationGroup", "ConfirmationCount"),
            {"to_ProdnOrdConfMatlDocItm": "ProdnOrdConfMatlDocItm"},
        ),
        "ProdnOrdConfMatlDocItm": EntityFields(
            {
                "ConfirmationGroup": 10, "ConfirmationCount": 8, "MaterialDocument": 10, "MaterialDocumentItem": 4,
                "MaterialDocumentYear": 4, "OrderID": 12, "OrderItem": 4, **_MOVED,
            },
            ("ConfirmationGroup", "ConfirmationCount", "MaterialDocument", "MaterialDocumentItem"),
        ),
    },
    functions={
        "CancelProdnOrdConf": (
            EntityFields(
                {
                    "ConfirmationGroup": 10, "ConfirmationCount": 8, "PostingDate": "date",
                    "ExternalSystemConfirmation": "guid",
                }
            ),
            "ProdnOrdConf2",
        )
    },
)  # fmt: skip

MATERIAL_DOCUMENT = ServiceFields(
    sets={
        "A_MaterialDocumentHeader": EntityFields(
            {
                "MaterialDocumentYear": 4, "MaterialDocument": 10, "GoodsMovementCode": 2, "PostingDate": "date",
                "DocumentDate": "date", "ReferenceDocument": 16, "MaterialDocumentHeaderText": 25,
            },
            ("MaterialDocumentYear", "MaterialDocument"),
            {"to_MaterialDocumentItem": "A_MaterialDocumentItem"},
        ),
        "A_MaterialDocumentItem": EntityFields(
            {
                "MaterialDocumentYear": 4, "MaterialDocument": 10, "MaterialDocumentItem": 4, **_MOVED,
                "GoodsMovementReasonCode": 4, "InventoryUsabilityCode": 1, "PurchaseOrder": 10,
                "PurchaseOrderItem": 5, "ManufacturingOrder": 12, "ManufacturingOrderItem": 4,
                "ReservationIsFinallyIssued": "flag", "IssgOrRcvgMaterial": 40, "IssgOrRcvgBatch": 10,
                "IssuingOrReceivingPlant": 4, "IssuingOrReceivingStorageLoc": 4,
                "GoodsMovementIsCancelled": "flag", "ReversedMaterialDocumentYear": 4,
                "ReversedMaterialDocument": 10, "ReversedMaterialDocumentItem": 4,
            },
            ("MaterialDocumentYear", "MaterialDocument", "MaterialDocumentItem"),
            {"to_SerialNumbers": "A_SerialNumberMaterialDocument"},
        ),
        "A_SerialNumberMaterialDocument": EntityFields(
            {
                "Material": 40, "SerialNumber": 18, "MaterialDocument": 10, "MaterialDocumentItem": 4,
                "MaterialDocumentYear": 4,
            },
            ("Material", "SerialNumber", "MaterialDocument", "MaterialDocumentItem", "MaterialDocumentYear"),
        ),
    },
    functions={
        "Cancel": (
            EntityFields({"MaterialDocumentYear": 4, "MaterialDocument": 10, "PostingDate": "date"}),
            "A_MaterialDocumentHeader",
        )
    },
)  # fmt: skip

REQUISITION = ServiceFields(
    sets={
        "A_PurchaseRequisitionHeader": EntityFields(
            {"PurchaseRequisition": 10, "PurchaseRequisitionType": 4, "PurReqnDescription": 40},
            ("PurchaseRequisition",),
            {"to_PurchaseReqnItem": "A_PurchaseRequisitionItem"},
        ),
        "A_PurchaseRequisitionItem": EntityFields(
            {
                "PurchaseRequisition": 10, "PurchaseRequisitionItem": 5, "PurReqnExternalReference": 35,
                "PurchaseRequisitionItemText": 40, "PurchaseRequisitionType": 4, "Material": 40, "Plant": 4,
                "StorageLocation": 4, "RequestedQuantity": "decimal", "BaseUnit": 3, "DeliveryDate": "date",
                "PurchasingGroup": 3, "PurchasingOrganization": 4, "FixedSupplier": 10, "RequisitionerName": 12,
                "RequirementTracking": 10, "IsDeleted": 1,
            },
            ("PurchaseRequisition", "PurchaseRequisitionItem"),
        ),
    },
)  # fmt: skip

#: Services below `/sap/opu/odata/sap/`.
SERVICES: Mapping[str, ServiceFields] = {
    "API_PROD_ORDER_CONFIRMATION_2_SRV": CONFIRMATION,
    "API_MATERIAL_DOCUMENT_SRV": MATERIAL_DOCUMENT,
    "API_PURCHASEREQ_PROCESS_SRV": REQUISITION,
}
