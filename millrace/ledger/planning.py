"""What comes next for one document: a step to send, something to wait for, or nothing any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select

from millrace.ledger.compensation import TAKEN_BACK, Reopen, dated, dependents, excess, reopened, wrong_step
from millrace.ledger.difference import difference, next_part
from millrace.ledger.model import Action, DocumentState, Step
from millrace.ledger.neighbour import Neighbour
from millrace.ledger.neighbours import Neighbourhood
from millrace.ledger.rows import external_reference
from millrace.ledger.short_stock import still_short
from millrace.ledger.tables import UNSETTLED_DOCUMENT, documents
from millrace.ledger.text import Quantities
from millrace.ledger.waits import Wait, of_document


@dataclass(frozen=True, slots=True)
class WaitsFor:
    """Nothing of the document can be posted before something else has happened.

    Args:
        wait: What it waits for.
        reopen: Documents that have to be taken back for it.
    """

    wait: Wait
    reopen: tuple[Reopen, ...] = ()


#: None: nothing left to book.
Next = Step | WaitsFor | None


def next_for(near: Neighbourhood, row: Row[Any]) -> Next:
    """Decide from the document's row and, where needed, from its booked steps and its neighbours."""
    document = Neighbour(row)
    desired = {} if document.state is DocumentState.REVERSING else document.desired
    amounts = difference(desired, document.booked, lambda name: near.rules.quantum(name, document.attributes))
    wrong = _too_much(near, document, amounts)
    if wrong is not None:
        return _after_dependents(near, document) or wrong
    if document.state in TAKEN_BACK:
        return WaitsFor(Wait(row.waits_for or "what it was taken back for"))
    return _booking(near, document, amounts)


def _too_much(near: Neighbourhood, document: Neighbour, amounts: Quantities) -> Step | None:
    """The step that takes back what is booked too high: a reversal, or a counter posting where nothing is reversed."""
    wrong = wrong_step(near, document, amounts)
    if wrong is None:
        return None
    link = {"reverses": wrong.external_reference, "reverses_document": wrong.reverses_document}
    if document.kind not in near.rules.counters:
        negative = {name: -amount for name, amount in wrong.quantities.items()}
        return _step(near, document, action=Action.REVERSE, quantities=negative, final=wrong.final, **link)
    negative = excess(amounts)
    return _step(near, document, action=Action.BOOK, quantities=negative, final=False, **link) if negative else None


def _after_dependents(near: Neighbourhood, document: Neighbour) -> WaitsFor | None:
    """Nothing is taken back before what depends on it; None where nothing does any more."""
    found = list(dependents(near, document))
    if not found:
        return None
    rule, first = found[0]
    stuck = f": {first.state}" if first.is_stuck else ""
    text = f"{first.key} to be reversed first{stuck} ({rule.name})"
    reopen = {other.key: again for rule, other in found if (again := reopened(rule, document, other))}
    return WaitsFor(Wait(text, elsewhere=first.system != document.system), tuple(reopen.values()))


def _booking(near: Neighbourhood, document: Neighbour, amounts: Quantities) -> Next:
    final = bool(document.row.final and not document.row.booked_final and not document.row.cancelled)
    if not amounts and not final:
        return None
    if still_short(near, document):
        return WaitsFor(Wait(str(document.row.waits_for), elsewhere=True))
    declared = near.rules.dependencies or document.row.requires != "[]"
    if declared and (wait := of_document(near, document)):
        return WaitsFor(wait)
    flag = _flag_waits(near, document) if final else None
    part = next_part(amounts, final and flag is None, near.rules.split)
    if part is None:
        return WaitsFor(flag) if flag is not None else None
    return _step(near, document, action=Action.BOOK, quantities=part[0], final=part[1])


def _flag_waits(near: Neighbourhood, document: Neighbour) -> Wait | None:
    blocker = _blocker(near.connection, document.row)
    if blocker is not None:
        return Wait(blocker)
    return of_document(near, document, holds="final") if near.rules.dependencies else None


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


def _step(near: Neighbourhood, document: Neighbour, **content: Any) -> Step:
    row = document.row
    number = row.steps + 1
    return Step(
        external_reference=external_reference(row.key, number),
        document_key=row.key,
        step=number,
        system=row.system,
        kind=row.kind,
        plant=row.plant,
        order_id=row.order_id,
        operation=row.operation,
        attributes=dated(near, document),
        revision=row.revision,
        reference_version=row.reference_version,
        correlation_id=row.correlation_id,
        **content,
    )
