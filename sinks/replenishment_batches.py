"""What the replenishment flow hands to its sinks."""

from __future__ import annotations

from operators import replenishment_request
from operators.replenishment import Announced
from sinks.batches import Batch
from sinks.dead_letter import owner_of

#: Whose answers a kind of alert is about: its owner answers, unless the flow's settings name one.
_OWNERS = {
    "stock_mismatch": "InventoryBalance",
    "material_unknown": "Material",
    "acknowledgement_missing": "OrderAcknowledgement",
    "acknowledgement_rejected": "OrderAcknowledgement",
    "acknowledgement_quantity": "OrderAcknowledgement",
    "acknowledgement_date": "OrderAcknowledgement",
    "acknowledgement_price": "OrderAcknowledgement",
    "receipt_quantity": "GoodsReceipt",
    "over_delivery": "GoodsReceipt",
    "delivery_late": "ShipmentNotice",
    "request_unanswered": "PurchaseOrder",
}


def of_announced(announced: Announced, owner: str | None = None) -> Batch:
    """Requests, alerts with class and owner, projections, and how places and requests stand."""
    alerts = [{**alert, "owner": owner_of(_OWNERS.get(alert["kind"], ""), owner)} for alert in announced.alerts]
    requests = [replenishment_request.frame(announced.requests)] if announced.requests else []
    return Batch(
        documents=requests,
        contract=replenishment_request.CONTRACT,
        alerts=alerts,
        projections=announced.projections,
        standings=list(announced.summaries.values()),
    )
