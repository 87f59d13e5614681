"""Whether anything was posted out of order within an order: the ERP's own sequence against the ledger's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from millrace.ledger.model import Action, Status
from millrace.ledger.tables import audit, documents, postings

_REFERENCE = "ExternalSystemConfirmation"


def out_of_order(connection: Connection, entities: Iterable[Mapping[str, Any]], system: str) -> list[str]:
    """One sentence for each violation.

    Args:
        connection: The ledger.
        entities: The ERP's documents in the order in which it booked them.
        system: The ERP's name in the ledger.
    """
    steps = {row.external_reference: row for row in connection.execute(_steps(system))}
    booked: dict[str, list[Row[Any]]] = defaultdict(list)
    for entity in entities:
        step = steps.get(entity[_REFERENCE])
        if step is None:
            return [f"the ERP holds {entity[_REFERENCE]}, of which the ledger knows nothing"]
        booked[step.order_id].append(step)
    found = [sentence for order in booked.values() for sentence in _within(order)]
    return found + list(_overtaken(connection.execute(_first_claims(system)).all()))


def _steps(system: str) -> Any:
    """Postings with the place of their booking in the audit."""
    place = (
        select(audit.c.external_reference, func.max(audit.c.id).label("place"))
        .where(audit.c.to_status == Status.BOOKED.value)
        .group_by(audit.c.external_reference)
        .subquery()
    )
    return (
        select(postings, place.c.place)
        .join(place, place.c.external_reference == postings.c.external_reference, isouter=True)
        .where(postings.c.system == system)
    )


def _within(order: Sequence[Row[Any]]) -> Iterator[str]:
    """One order's postings as the ERP booked them."""
    seen: dict[str, int] = {}
    references = set()
    for step in order:
        if step.step < seen.get(step.document_key, 0):
            yield f"{step.document_key}: step {step.step} was booked after step {seen[step.document_key]}"
        if step.action == Action.REVERSE.value and step.reverses not in references:
            yield f"{step.document_key}: step {step.step} reverses what was not booked yet"
        seen[step.document_key] = step.step
        references.add(step.external_reference)
    for first, second in pairwise(step for step in order if step.place is not None):
        if first.place > second.place:
            yield f"{second.order_id}: the ledger heard of {second.document_key} before {first.document_key}"


def _first_claims(system: str) -> Any:
    """Documents with the place of their first step's first sending in the audit.

    Those that begin with a final flag are left out, since it waits for others by declaration.
    """
    first = and_(postings.c.step == 1, postings.c.final.is_(False))
    return (
        select(
            documents.c.key,
            documents.c.plant,
            documents.c.order_id,
            documents.c.sort_key,
            documents.c.created_at,
            documents.c.updated_at,
            func.min(audit.c.id).label("sent"),
        )
        .join(postings, postings.c.document_key == documents.c.key)
        .join(audit, audit.c.external_reference == postings.c.external_reference)
        .where(first, documents.c.system == system, audit.c.to_status == Status.IN_FLIGHT.value)
        .group_by(documents.c.key)
    )


def _overtaken(rows: Sequence[Row[Any]]) -> Iterator[str]:
    """A document that was there first and sorts first was sent first.

    One that was revised is left out: its new total is routed anew, and meanwhile the next one may go.
    """
    lanes: dict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    for row in rows:
        lanes[row.plant, row.order_id].append(row)
    for lane in lanes.values():
        for a in lane:
            revised = a.updated_at > a.created_at
            yield from (f"{a.order_id}: {b.key} overtook {a.key}" for b in lane if not revised and _is_late(a, b))


def _is_late(a: Row[Any], b: Row[Any]) -> bool:
    comes_first = a.created_at < b.created_at and (a.sort_key, a.key) < (b.sort_key, b.key)
    return bool(comes_first and a.sent > b.sent)
