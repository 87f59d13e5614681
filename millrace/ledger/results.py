"""What became of postings, as records of the contract PostingResult, in the order of the audit.

The audit is the outbox: a row is there exactly if the outcome is.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid5

from sqlalchemy import Connection, select

from millrace.ledger.model import Status
from millrace.ledger.outbox import Outbox, Outgoing
from millrace.ledger.rows import NAMESPACE
from millrace.ledger.tables import audit, postings
from millrace.ledger.text import load_json

#: Outcomes that somebody waits for; the others are on the way to one of these.
TOLD = (Status.ACCEPTED, Status.BOOKED, Status.REJECTED, Status.PARKED)


def after(connection: Connection, number: int, limit: int) -> list[Outgoing]:
    """Outcomes behind a number, in order."""
    rows: Iterable[Any] = connection.execute(
        select(
            *(audit.c.id, audit.c.at, audit.c.who, audit.c.to_status),
            *(postings.c.external_reference, postings.c.document_key, postings.c.plant, postings.c.order_id),
            *(postings.c.system, postings.c.kind, postings.c.revision, postings.c.erp_document),
            *(postings.c.attempts, postings.c.reason, postings.c.attributes, postings.c.correlation_id),
        )
        .join(postings, postings.c.external_reference == audit.c.external_reference)
        .where(audit.c.id > number, audit.c.to_status.in_([status.value for status in TOLD]))
        .order_by(audit.c.id)
        .limit(limit)
    )
    return [Outgoing(row.id, row.at, _record(row)) for row in rows]


def _record(row: Any) -> dict[str, Any]:
    booked = row.to_status == Status.BOOKED.value
    return {
        "event_id": str(uuid5(NAMESPACE, f"result\n{row.external_reference}\n{row.id}")),
        "event_time": datetime.fromtimestamp(row.at / 1e6, UTC),
        "plant": row.plant,
        "source": row.who,
        "sequence": None,
        "correlation_id": row.correlation_id,
        "document_key": row.document_key,
        "external_reference": row.external_reference,
        "system": row.system,
        "kind": row.kind,
        "order_id": load_json(row.attributes).get("order_id", row.order_id),
        "revision": row.revision,
        "status": row.to_status,
        "erp_document": row.erp_document,
        "attempts": row.attempts,
        "reason": None if booked else row.reason,
    }


RESULTS = Outbox("posting-result", "PostingResult", after)

__all__ = ["RESULTS", "TOLD", "after"]
