"""Fields of SAP's production order confirmation that the connector may send."""

from __future__ import annotations

from collections.abc import Iterable

from sinks.erp.odata_entity import Entity
from sinks.erp.odata_fields import DATE, FLAG, TIME, Field, decimal, text

_REFERENCE = Field("Edm.Guid", required=True)

_CONFIRMATION = {
    "ExternalSystemConfirmation": _REFERENCE,
    "OrderID": text(12, required=True),
    "OrderOperation": text(4, required=True),
    "Sequence": text(6),
    "Plant": text(4),
    "WorkCenter": text(8),
    "ConfirmationText": text(40),
    "EnteredByExternalUser": text(12),
    "IsFinalConfirmation": Field("Edm.Boolean", required=True),
    "FinalConfirmationType": text(1),
    "OpenReservationsIsCleared": FLAG,
    "PostingDate": Field("Edm.DateTime", required=True),
    "ConfirmedExecutionStartDate": DATE,
    "ConfirmedExecutionStartTime": TIME,
    "ConfirmedExecutionEndDate": DATE,
    "ConfirmedExecutionEndTime": TIME,
    "ConfirmationYieldQuantity": decimal(13, 3, required=True),
    "ConfirmationScrapQuantity": decimal(13, 3, required=True),
    "ConfirmationReworkQuantity": decimal(13, 3, required=True),
    "VarianceReasonCode": text(4),
    "ConfirmationUnit": text(3),
    "ConfirmationUnitISOCode": text(3),
}
_MOVEMENT = {
    "OrderID": text(12),
    "OrderItem": text(4),
    "Material": text(40, required=True),
    "Plant": text(4, required=True),
    "StorageLocation": text(4),
    "Batch": text(10),
    "Reservation": text(10),
    "ReservationItem": text(4),
    "GoodsMovementType": text(3, required=True),
    "GoodsMovementRefDocType": text(1),
    "EntryUnit": text(3, required=True),
    "QuantityInEntryUnit": decimal(13, 3, required=True),
}
_CANCEL = {
    "ConfirmationGroup": text(10, required=True),
    "ConfirmationCount": text(8, required=True),
    "ExternalSystemConfirmation": _REFERENCE,
    "PostingDate": DATE,
}


def entities(activities: Iterable[int], *, suppresses: bool, lists: bool) -> tuple[Entity, Entity]:
    """The confirmation and its reversal.

    Args:
        activities: Numbers of the activities that times go to; a service without them would lose the times.
        suppresses: Goods movements are suppressed; a release that cannot would book them a second time.
        lists: Goods movements are listed.
    """
    fields = {**_CONFIRMATION, "APIConfHasNoGoodsMovements": Field("Edm.Boolean", required=suppresses)}
    for number in activities:
        fields[f"OpConfirmedWorkQuantity{number}"] = decimal(13, 3, required=True)
        fields[f"OpWorkQuantityUnit{number}"] = text(3, required=True)
    parts = {"to_ProdnOrdConfMatlDocItm": Entity("ProdnOrdConfMatlDocItm", _MOVEMENT)} if lists else {}
    return Entity("ProdnOrdConf2", fields, parts), Entity("CancelProdnOrdConf", _CANCEL)
