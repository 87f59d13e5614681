"""What the ledger can be asked: by order, in numbers, and whether it agrees with itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, func, select

from millrace.ledger.model import Status
from millrace.ledger.tables import (
    OPEN_LETTER,
    OPEN_POSTING,
    UNSETTLED_DOCUMENT,
    audit,
    dead_letters,
    documents,
    postings,
)
from millrace.ledger.text import Quantities, add, load_json, load_quantities

#: plant, order, operation
OperationKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class DocumentReport:
    """One document of an order with its postings, in step order.

    Args:
        document: Columns of the document, quantities and attributes decoded.
        postings: Columns of its postings, decoded alike.
        audit: Changes of these postings, oldest first.
    """

    document: Mapping[str, Any]
    postings: list[Mapping[str, Any]]
    audit: list[Mapping[str, Any]]


def order_report(connection: Connection, order_id: str) -> list[DocumentReport]:
    """Everything about an order, documents in posting order."""
    steps: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    of_order = select(postings).where(postings.c.order_id == order_id)
    for row in connection.execute(of_order.order_by(postings.c.step)):
        steps[row.document_key].append(_decoded(row._asdict()))
    changes = _changes(connection, order_id)
    return [
        DocumentReport(_decoded(row._asdict()), steps[row.key], changes.get(row.key, []))
        for row in connection.execute(
            select(documents).where(documents.c.order_id == order_id).order_by(documents.c.sort_key, documents.c.key)
        )
    ]


def _changes(connection: Connection, order_id: str) -> dict[str, list[Mapping[str, Any]]]:
    """Audit by document: changes of its postings and of itself, oldest first."""
    query = (
        select(audit)
        .join(documents, documents.c.key == audit.c.document_key)
        .where(audit.c.document_key.is_not(None), documents.c.order_id == order_id)
    )
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in connection.execute(query.order_by(audit.c.id)):
        found[row.document_key].append(row._asdict())
    return found


def _decoded(out: dict[str, Any]) -> dict[str, Any]:
    for name in {"quantities", "booked"} & out.keys():
        out[name] = load_quantities(out[name])
    out["attributes"] = load_json(out["attributes"])
    return out


def documents_by_state(connection: Connection) -> dict[str, int]:
    """Number of documents by state."""
    return _counts(connection, documents.c.state)


def postings_by_status(connection: Connection) -> dict[str, int]:
    """Number of postings by status."""
    return _counts(connection, postings.c.status)


def dead_letters_by_reason(connection: Connection) -> dict[str, int]:
    """Unresolved dead letters by reason."""
    reasons = connection.execute(
        select(dead_letters.c.reason, func.count()).where(OPEN_LETTER).group_by(dead_letters.c.reason)
    )
    return {row[0]: row[1] for row in reasons}


def _counts(connection: Connection, column: Any) -> dict[str, int]:
    rows = connection.execute(select(column, func.count()).group_by(column))
    return {row[0]: row[1] for row in rows}


def unfinished(connection: Connection) -> int:
    """Documents that still have something to post and are not waiting for a person or a newer version."""
    states = connection.execute(
        select(documents.c.state, func.count()).where(UNSETTLED_DOCUMENT).group_by(documents.c.state)
    )
    return sum(count for state, count in states if state in ("new", "open", "reversing", "reopening"))


def oldest_unsettled(connection: Connection) -> int | None:
    """Since when the oldest unsettled document has waited, microseconds UTC; None where none waits."""
    oldest: int | None = connection.scalar(select(func.min(documents.c.updated_at)).where(UNSETTLED_DOCUMENT))
    return oldest


def overdue(connection: Connection, system: str, before: int) -> int:
    """Postings of a system that were first sent before the given time and are still open."""
    query = select(func.count()).where(OPEN_POSTING, postings.c.system == system, postings.c.created_at < before)
    return connection.scalar(query) or 0


def booked_totals(connection: Connection) -> dict[OperationKey, Quantities]:
    """What the ERPs have booked by operation: the sum over booked postings, reversals subtracted."""
    columns = (postings.c.plant, postings.c.order_id, postings.c.operation, postings.c.quantities)
    rows = connection.execute(select(*columns).where(postings.c.status == Status.BOOKED.value))
    return _totals((row[:3], row[3]) for row in rows)


def desired_totals(connection: Connection) -> dict[OperationKey, Quantities]:
    """What the ERPs should show by operation; nothing of what is withdrawn."""
    columns = (documents.c.plant, documents.c.order_id, documents.c.operation, documents.c.quantities)
    wanted = select(*columns).where(documents.c.cancelled.is_(False))
    return _totals((row[:3], row[3]) for row in connection.execute(wanted))


def _totals(rows: Iterator[tuple[Any, str]]) -> dict[OperationKey, Quantities]:
    totals: dict[OperationKey, dict[str, Decimal]] = defaultdict(dict)
    for key, quantities in rows:
        total = totals[tuple(key)]
        for name, amount in load_quantities(quantities).items():
            total[name] = total.get(name, Decimal(0)) + amount
    return {key: add(total, {}) for key, total in totals.items()}


def inconsistent(connection: Connection) -> list[str]:
    """Keys of documents whose booked total is not the sum of their booked steps; a sound ledger has none."""
    sums: dict[str, Quantities] = defaultdict(dict)
    booked = select(postings.c.document_key, postings.c.quantities).where(postings.c.status == Status.BOOKED.value)
    for key, quantities in connection.execute(booked):
        sums[key] = add(sums[key], load_quantities(quantities))
    return [
        key
        for key, quantities in connection.execute(select(documents.c.key, documents.c.booked))
        if load_quantities(quantities) != sums[key]
    ]
