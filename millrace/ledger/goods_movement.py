"""GoodsMovement records as desired documents: the names that flows and connectors agree on.

Measures: `quantity`, and for serialised material `serial:<number>` = 1 for each piece in the total. The role is the
movement in lower case (`issue`, `receipt` ...), for declared dependencies. `order_id` of a step is its lane, which is
the order only where there is one: connectors send the attribute `order_id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from millrace.ledger.model import DesiredDocument
from millrace.ledger.records import attributes, lane_of, measures

KIND = "GoodsMovement"
_ATTRIBUTES = (
    *("movement", "reason", "order_id", "operation", "purchase_order", "purchase_order_item"),
    *("reservation", "reservation_item", "material", "batch", "storage_location", "to_plant", "to_storage_location"),
    *("stock_type_from", "stock_type_to", "unit", "posting_date", "window_start", "window_end"),
    *("first_event_time", "last_event_time", "event_count", "adjustment", "origins"),
)


def desired_document(record: Mapping[str, Any]) -> DesiredDocument:
    """A desired document from a decoded record: decimals, dates and aware datetimes as values."""
    return DesiredDocument(
        key=record["document_key"],
        kind=KIND,
        plant=record["plant"],
        order_id=lane_of(record),
        sort_key=f"{record['window_start'].isoformat()}|{record['operation']}|{record['document_key']}",
        tier=record["tier"],
        revision=record["revision"],
        reference_version=record["reference_version"],
        quantities=measures(record),
        attributes=attributes(record, _ATTRIBUTES, role=record["movement"].lower()),
        final=record["is_final"],
        correlation_id=record.get("correlation_id"),
        cancelled=record["withdrawn"],
    )
