"""ReplenishmentRequest records as desired documents: the names that flows and connectors agree on.

Measure: `quantity`, the total asked for under one request. The numbers that led to the request travel as attributes
under their contract names, decimals as text. Requests of one material and storage location are posted one at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from millrace.ledger.approval_requirement import asks
from millrace.ledger.model import DesiredDocument
from millrace.ledger.records import attributes, lane_of, measures

KIND = "ReplenishmentRequest"
ROLE = "request"
_ATTRIBUTES = (
    *("request_number", "material", "storage_location", "unit", "delivery_date", "supplier", "purchasing_group"),
    *("value", "currency", "approved_by", "crossed_at", "as_of", "reorder_point", "order_up_to", "lot_size"),
    *("safety_stock", "on_hand", "quality_hold", "allocated", "in_transit", "open_requests", "projected"),
    *("demand_mean", "demand_deviation", "demand_days", "lead_time_mean", "lead_time_deviation"),
    *("service_factor", "days_of_cover", "stock_out_at"),
)


def desired_document(record: Mapping[str, Any]) -> DesiredDocument:
    """A desired document from a decoded record: decimals, dates and aware datetimes as values."""
    return DesiredDocument(
        key=record["document_key"],
        kind=KIND,
        plant=record["plant"],
        order_id=lane_of(record),
        sort_key=f"{record['crossed_at'].isoformat()}|{record['document_key']}",
        tier=record["tier"],
        revision=record["revision"],
        reference_version=record["reference_version"],
        quantities=measures(record),
        attributes=attributes(record, _ATTRIBUTES, role=ROLE),
        correlation_id=record.get("correlation_id"),
        requires=_approval(record),
        cancelled=record["withdrawn"],
    )


def _approval(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a request of a high value requires; a request without the field is one of an older version."""
    if not record.get("approval_required") or record.get("approved_by"):
        return []
    value = record.get("value")
    told = "value not known" if value is None else f"value {value.normalize():f} {record['currency']}"
    return [asks(told)]
