"""GoodsMovement records as desired documents: the names that flows and connectors agree on.

Measures: `quantity`, and for serialised material `serial:<number>` = 1 for each piece in the total. The role is the
movement in lower case (`issue`, `receipt` ...), for declared dependencies. `order_id` of a step is its lane, which is
the order only where there is one: connectors send the attribute `order_id`.

What a confirmation implied (backflush) names it as `correlation_id`, and keeps the versions of order and confirmation
that it was made with: so it can follow them where no flow remembers it (`millrace.ledger.withdrawals`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from millrace.ledger.model import DesiredDocument
from millrace.ledger.records import attributes, lane_of, measures
from millrace.ledger.text import dump_json, load_json

KIND = "GoodsMovement"
#: Behind the confirmation's key: all of its components, and before the key of one of them.
BACKFLUSH = "backflush"
#: Behind the key of a document that its order leaves to another side, for its letter, which outlives the document.
LEFT = "|booked_elsewhere"
#: Versions that a row of what was implied brings beside the fields of its contract.
VERSIONS = ("order_version", "confirmation_version")
_ATTRIBUTES = (
    *("movement", "reason", "order_id", "operation", "purchase_order", "purchase_order_item"),
    *("reservation", "reservation_item", "material", "batch", "storage_location", "to_plant", "to_storage_location"),
    *("stock_type_from", "stock_type_to", "unit", "posting_date", "window_start", "window_end"),
    *("first_event_time", "last_event_time", "event_count", "adjustment", "origins"),
    *VERSIONS,
)


@dataclass(frozen=True, slots=True)
class Implied:
    """What a movement follows from.

    Args:
        confirmation: Key of the confirmation.
        confirmation_version: Its `reference_version`; -1 where an earlier release made the movement.
        order_version: Version of the order; -1 likewise.
    """

    confirmation: str
    confirmation_version: int
    order_version: int

    @classmethod
    def of(cls, document: Any) -> Self | None:
        """Of a document (a row, as attributes); None of what no confirmation implied."""
        source = document.correlation_id
        if document.kind != KIND or source is None or not document.key.startswith(f"{source}|{BACKFLUSH}|"):
            return None
        known = load_json(document.attributes)
        return cls(source, known.get("confirmation_version", -1), known.get("order_version", -1))

    @staticmethod
    def told(document: Any, **versions: int) -> str:
        """The document's attributes with other versions."""
        return dump_json({**load_json(document.attributes), **versions})


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
        # A withdrawn one keeps what it had: its order may be released again when no flow knows of it any more.
        quantities=measures({**record, "withdrawn": False}),
        attributes=attributes(record, _ATTRIBUTES, role=record["movement"].lower()),
        final=record["is_final"],
        correlation_id=record.get("correlation_id"),
        cancelled=record["withdrawn"],
    )
