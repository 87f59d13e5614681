"""QualityNotification records as desired documents: hold and release as changes of stock status.

Measures as for goods movements: `quantity`, and `serial:<number>` = 1 for each piece. The role is the decision in
lower case (`hold`, `release`, `reject`). `order_id` of a step is its lane; connectors send the attribute `order_id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from millrace.ledger.model import DesiredDocument
from millrace.ledger.records import attributes, lane_of, measures

KIND = "QualityNotification"
_ATTRIBUTES = (
    *("notification_id", "decision", "defect", "inspection_lot", "order_id", "operation", "material", "batch"),
    *("storage_location", "stock_type_from", "stock_type_to", "unit", "posting_date"),
    *("first_event_time", "last_event_time", "event_count", "origins"),
)


def desired_document(record: Mapping[str, Any]) -> DesiredDocument:
    """A desired document from a decoded record: decimals, dates and aware datetimes as values."""
    return DesiredDocument(
        key=record["document_key"],
        kind=KIND,
        plant=record["plant"],
        order_id=lane_of(record),
        sort_key=f"{record['first_event_time'].isoformat()}|{record['operation']}|{record['document_key']}",
        tier=record["tier"],
        revision=record["revision"],
        reference_version=record["reference_version"],
        quantities=measures(record),
        attributes=attributes(record, _ATTRIBUTES, role=record["decision"].lower()),
        correlation_id=record.get("correlation_id"),
        cancelled=record["withdrawn"],
    )
