"""What comes next for one document: a step to send, a final flag that waits, or nothing any more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select

from millrace.ledger.difference import PostingRules, difference, next_part, to_reverse
from millrace.ledger.model import Action, DocumentState, Status, Step
from millrace.ledger.rows import external_reference, step_of
from millrace.ledger.tables import UNSETTLED_DOCUMENT, documents, postings
from millrace.ledger.text import Quantities, load_json, load_quantities


@dataclass(frozen=True, slots=True)
class WaitsFor:
    """Everything is booked but the final flag, which waits for another document of the operation."""

    document_key: str


#: None: nothing left to book.
Next = Step | WaitsFor | None


def next_for(connection: Connection, document: Row[Any], rules: PostingRules) -> Next:
    """Decide from the document's row and, where needed, from its booked steps and its neighbours."""
    attributes = load_json(document.attributes)

    def quantum(name: str) -> Decimal:
        return rules.quantum(name, attributes)

    amounts = difference(load_quantities(document.quantities), load_quantities(document.booked), quantum)
    wrong = to_reverse(amounts, _standing(connection, document.key)) if _shrinks(amounts) else None
    if wrong is not None:
        return _reversal(document, attributes, wrong)
    final = bool(document.final and not document.booked_final)
    blocker = _blocker(connection, document) if final else None
    part = next_part(amounts, final and blocker is None, rules.split)
    if part is None:
        return WaitsFor(blocker) if blocker is not None else None
    return _booking(document, attributes, *part)


def _shrinks(amounts: Quantities) -> bool:
    return any(amount < 0 for amount in amounts.values())


def _standing(connection: Connection, document_key: str) -> list[Step]:
    """Booked steps that no booked reversal has cancelled."""
    booked = connection.execute(
        select(postings).where(postings.c.document_key == document_key, postings.c.status == Status.BOOKED.value)
    ).all()
    cancelled = {row.reverses for row in booked}
    return [
        replace(step_of(row), reverses_document=row.erp_document)
        for row in booked
        if row.action == Action.BOOK.value and row.external_reference not in cancelled
    ]


def _blocker(connection: Connection, document: Row[Any]) -> str | None:
    """Document that keeps this one's final flag back: an earlier one, or a later one that is not final.

    Later final ones do not count, or two final documents would wait for each other.
    """
    other = documents.c
    earlier = or_(
        other.sort_key < document.sort_key,
        and_(other.sort_key == document.sort_key, other.key < document.key),
    )
    stuck = other.state.in_([DocumentState.REJECTED.value, DocumentState.PARKED.value])
    return connection.scalar(
        select(other.key)
        .where(
            UNSETTLED_DOCUMENT,
            other.order_id == document.order_id,
            other.plant == document.plant,
            other.operation == document.operation,
            other.kind == document.kind,
            other.key != document.key,
            or_(earlier, stuck, other.final.is_(False)),
        )
        .limit(1)
    )


def _booking(document: Row[Any], attributes: dict[str, Any], quantities: Quantities, final: bool) -> Step:
    return _step(document, attributes, action=Action.BOOK, quantities=quantities, final=final)


def _reversal(document: Row[Any], attributes: dict[str, Any], wrong: Step) -> Step:
    return _step(
        document,
        attributes,
        action=Action.REVERSE,
        quantities={name: -amount for name, amount in wrong.quantities.items()},
        final=wrong.final,
        reverses=wrong.external_reference,
        reverses_document=wrong.reverses_document,
    )


def _step(document: Row[Any], attributes: dict[str, Any], **content: Any) -> Step:
    number = document.steps + 1
    return Step(
        external_reference=external_reference(document.key, number),
        document_key=document.key,
        step=number,
        system=document.system,
        kind=document.kind,
        plant=document.plant,
        order_id=document.order_id,
        operation=document.operation,
        attributes=attributes,
        revision=document.revision,
        reference_version=document.reference_version,
        correlation_id=document.correlation_id,
        **content,
    )
