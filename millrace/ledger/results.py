"""What became of postings, as records of the contract PostingResult, in the order of the audit.

The audit is the outbox: a row is there exactly if the outcome is. A document that a person refuses before it was ever
posted, takes out of the queue or has tried again has an outcome too, under no external reference. A refusal for want
of stock is none: its document waits (`millrace.ledger.short_stock`), and what is posted in the end is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid5

from sqlalchemy import ColumnElement, Connection, and_, func, not_, or_, select

from millrace.ledger.model import Action, DocumentState, Status
from millrace.ledger.outbox import Outbox, Outgoing
from millrace.ledger.rows import NAMESPACE
from millrace.ledger.short_stock import SHORT_STOCK
from millrace.ledger.tables import audit, documents, postings
from millrace.ledger.text import load_json

#: Outcomes that somebody waits for; the others are on the way to one of these.
TOLD = (Status.ACCEPTED, Status.BOOKED, Status.REJECTED, Status.PARKED)

#: What a person makes of a document without a posting, as a status of postings.
_BY_PERSON = {
    DocumentState.REJECTED.value: Status.REJECTED.value,
    DocumentState.PARKED.value: Status.PARKED.value,
    DocumentState.NEW.value: Status.PENDING.value,
}
#: Reasons of what a person did; the person's own words stay in the audit.
_REASONS = {Status.REJECTED.value: "not_approved", Status.PARKED.value: "parked_by_person"}


def after(connection: Connection, number: int, limit: int) -> list[Outgoing]:
    """Outcomes behind a number, in order."""
    shared = [
        func.coalesce(postings.c[name], documents.c[name]).label(name)
        for name in ("plant", "order_id", "system", "kind", "revision", "attributes", "correlation_id")
    ]
    rows: Iterable[Any] = connection.execute(
        select(
            *(audit.c.id, audit.c.at, audit.c.who, audit.c.to_status, audit.c.document_key, audit.c.external_reference),
            *(postings.c.erp_document, postings.c.attempts, postings.c.reason),
            *shared,
        )
        .outerjoin(postings, postings.c.external_reference == audit.c.external_reference)
        .outerjoin(documents, and_(audit.c.external_reference.is_(None), documents.c.key == audit.c.document_key))
        .where(audit.c.id > number, or_(_of_posting(), _of_document()))
        .order_by(audit.c.id)
        .limit(limit)
    )
    return [Outgoing(row.id, row.at, _record(row)) for row in rows]


def _of_posting() -> ColumnElement[bool]:
    refused = and_(audit.c.to_status == Status.REJECTED.value, postings.c.action == Action.BOOK.value)
    waits = and_(refused, postings.c.reverses.is_(None), func.coalesce(postings.c.reason, "") == SHORT_STOCK)
    told = audit.c.to_status.in_([status.value for status in TOLD])
    return and_(postings.c.external_reference.is_not(None), told, not_(waits))


def _of_document() -> ColumnElement[bool]:
    """What a person did to a document as a whole."""
    return and_(documents.c.key.is_not(None), audit.c.letter_id.is_(None), audit.c.to_status.in_(list(_BY_PERSON)))


def _record(row: Any) -> dict[str, Any]:
    by_person = row.external_reference is None
    status = _BY_PERSON[row.to_status] if by_person else row.to_status
    reason = _REASONS.get(status) if by_person else row.reason
    name = row.document_key if by_person else row.external_reference
    return {
        "event_id": str(uuid5(NAMESPACE, f"result\n{name}\n{row.id}")),
        "event_time": datetime.fromtimestamp(row.at / 1e6, UTC),
        "plant": row.plant,
        "source": "desk" if by_person else row.who,
        "sequence": None,
        "correlation_id": row.correlation_id,
        "document_key": row.document_key,
        "external_reference": row.external_reference or "",
        "system": row.system or "",
        "kind": row.kind,
        "order_id": load_json(row.attributes).get("order_id", row.order_id),
        "revision": row.revision,
        "status": status,
        "erp_document": row.erp_document,
        "attempts": row.attempts or 0,
        "reason": None if status == Status.BOOKED.value else reason,
    }


RESULTS = Outbox("posting-result", "PostingResult", after)

__all__ = ["RESULTS", "TOLD", "after"]
