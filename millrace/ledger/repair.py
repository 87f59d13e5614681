"""What a person may do to postings: try again, take out of the queue, or say that the ERP has it.

Every change takes the order's lane first, so that no poster works on it meanwhile, and leaves an audit row. What may
be booked is never sent again blindly: a parked posting that is tried again is asked for first, unless the person has
looked into the ERP and says that it is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, select, update

from millrace.errors import Misconfigured, Rejected, Retriable
from millrace.ledger.letter_states import Person, letters_of_documents, note, put
from millrace.ledger.model import OPEN_STATUSES, DocumentState, LetterState, Outcome, Status
from millrace.ledger.outcomes import dead_letter, write_booked
from millrace.ledger.replica import name_of
from millrace.ledger.rows import audit_row, step_of
from millrace.ledger.tables import audit, dead_letters, documents, lanes, postings

#: Statuses in which a person may know more than the ledger.
_UNCERTAIN = (Status.PARKED, Status.UNKNOWN, Status.ACCEPTED, Status.REJECTED)


@dataclass(frozen=True, slots=True)
class Change:
    """What was done, or would be.

    Args:
        document_key: The document.
        external_reference: Its posting concerned; None where it is about the document alone.
        before: State of the posting, or of the document.
        after: Its new state.
    """

    document_key: str
    external_reference: str | None
    before: str
    after: str


def retry(connection: Connection, name: str, by: Person, now: int, *, not_booked: bool = False) -> Change:
    """Let a poster work on a document again.

    A rejected document is planned anew; a parked posting is asked for in the ERP and sent only where that says no; one
    that waits (unknown, accepted, pending) is looked at at once.

    Args:
        connection: Write transaction.
        name: External reference, document key or letter.
        by: Who and why.
        now: Microseconds UTC.
        not_booked: The person has looked: the ERP does not have it, so it is sent without asking.

    Raises:
        Misconfigured: There is nothing of that name.
        Rejected: There is nothing to try again.
        Retriable: A poster works on the order.
    """
    document, posting = _held(connection, name, now)
    if posting is not None and posting.status in (*OPEN_STATUSES, Status.PARKED):
        _alone(connection, posting)
        after = _status_again(Status(posting.status), not_booked)
        change = _set_status(connection, posting, after, by, now)
    elif document.state in (DocumentState.REJECTED, DocumentState.PARKED):
        change = Change(document.key, None, document.state, DocumentState.NEW.value)
        note(connection, by, now, document_key=document.key, change=(change.before, change.after))
    else:
        raise Rejected("nothing_to_retry", f"document {document.key} is {document.state}: nothing waits for a person")
    wake(connection, document, now)
    _move_letters(connection, document.key, LetterState.REPLAYED, by, now)
    return change


def _status_again(status: Status, not_booked: bool) -> Status:
    if not_booked or status is Status.PENDING:
        return Status.PENDING
    return Status.ACCEPTED if status is Status.ACCEPTED else Status.UNKNOWN


def park(engine: Engine, connection: Connection, name: str, by: Person, now: int) -> Change:
    """Take a document out of the queue until a person decides; nothing of it is sent or asked for.

    Raises:
        Misconfigured: There is nothing of that name.
        Rejected: It is settled or parked already.
        Retriable: A poster works on the order.
    """
    document, posting = _held(connection, name, now)
    if document.state in (DocumentState.SETTLED, DocumentState.PARKED):
        raise Rejected("nothing_to_park", f"document {document.key} is {document.state}")
    if posting is not None and posting.status in OPEN_STATUSES:
        change = _set_status(connection, posting, Status.PARKED, by, now)
    else:
        change = Change(document.key, None, document.state, DocumentState.PARKED.value)
        note(connection, by, now, document_key=document.key, change=(change.before, change.after))
    parked = {"state": DocumentState.PARKED.value, "reason": by.why, "updated_at": now}
    connection.execute(update(documents).where(documents.c.key == document.key).values(parked))
    if posting is not None:
        _put_letter(engine, connection, posting, by, now)
    _move_letters(connection, document.key, LetterState.PARKED, by, now)
    return change


def confirm_booked(connection: Connection, name: str, number: str, by: Person, now: int) -> Change:
    """A person says that the ERP has a posting, under a document number.

    What else the document desires is posted afterwards.

    Raises:
        Misconfigured: There is nothing of that name, or no number.
        Rejected: The ledger knows better, or the number is that of another posting.
        Retriable: A poster works on the order.
    """
    if not number.strip():
        raise Misconfigured("--number: the ERP's document number is needed, by which an auditor finds the booking")
    document, posting = _held(connection, name, now)
    if posting is None or posting.status not in _UNCERTAIN:
        stands = f"posting {posting.external_reference} is {posting.status}" if posting else "it has no posting"
        raise Rejected("nothing_to_confirm", f"document {document.key}: {stands}")
    _number_is_free(connection, posting, number)
    step = step_of(posting)
    change = _set_status(connection, posting, Status.BOOKED, by, now, erp_document=number)
    write_booked(connection, [Outcome(step, Status.BOOKED, erp_document=number)])
    wake(connection, document, now)
    return change


def _number_is_free(connection: Connection, posting: Row[Any], number: str) -> None:
    other = connection.scalar(
        select(postings.c.external_reference).where(
            postings.c.order_id == posting.order_id,
            postings.c.system == posting.system,
            postings.c.erp_document == number,
            postings.c.status == Status.BOOKED.value,
        )
    )
    if other is not None:
        raise Rejected("number_in_use", f"{number} is the number of posting {other} of the same order already")


def _held(connection: Connection, name: str, now: int) -> tuple[Row[Any], Row[Any] | None]:
    """Document and posting as they stand once the order is held: until then a poster may have written an outcome."""
    document, _ = _target(connection, name)
    hold(connection, document, now)
    return _target(connection, name)


def _target(connection: Connection, name: str) -> tuple[Row[Any], Row[Any] | None]:
    """Document and posting by external reference, document key or letter; of a document the newest step."""
    posting = connection.execute(select(postings).where(postings.c.external_reference == name)).one_or_none()
    key = posting.document_key if posting is not None else name
    document = connection.execute(select(documents).where(documents.c.key == key)).one_or_none()
    if document is None:
        of_letter = select(dead_letters.c.document_key).where(dead_letters.c.event_id == name)
        document = connection.execute(select(documents).where(documents.c.key.in_(of_letter))).one_or_none()
    if document is None:
        raise Misconfigured(f"{name!r} is neither an external reference nor a document nor a letter about one")
    newest: Any = (
        posting
        or connection.execute(
            select(postings).where(postings.c.document_key == document.key).order_by(postings.c.step.desc()).limit(1)
        ).one_or_none()
    )
    return document, newest


def hold(connection: Connection, document: Row[Any], now: int) -> None:
    """Keep posters away from the order until the transaction ends, and the one whose lease has ended for good."""
    mine = _lane_of(document)
    lane = connection.execute(select(lanes).where(*mine).with_for_update()).one_or_none()
    if lane is None or lane.lease_owner is None:
        return
    if lane.lease_until > now:
        holder, seconds = name_of(lane.lease_owner), (lane.lease_until - now) / 1e6
        raise Retriable(f"order {document.order_id} is worked on by {holder}, try again in {seconds:.0f} s")
    connection.execute(update(lanes).where(*mine).values(lease_owner=None, lease_until=None, fence=lanes.c.fence + 1))


def _alone(connection: Connection, posting: Row[Any]) -> None:
    """One posting of an order is under way at a time."""
    other = connection.scalar(
        select(postings.c.external_reference).where(
            postings.c.order_id == posting.order_id,
            postings.c.plant == posting.plant,
            postings.c.system == posting.system,
            postings.c.status.in_([status.value for status in OPEN_STATUSES]),
            postings.c.external_reference != posting.external_reference,
        )
    )
    if other is not None:
        raise Retriable(f"order {posting.order_id}: posting {other} is under way, try again when it is settled")


def _set_status(
    connection: Connection, posting: Row[Any], after: Status, by: Person, now: int, **values: Any
) -> Change:
    connection.execute(
        update(postings)
        .where(postings.c.external_reference == posting.external_reference)
        .values(status=after.value, next_attempt_at=None, failures=0, updated_at=now, **values)
    )
    connection.execute(audit.insert().values(audit_row(step_of(posting), after, now, by.who, by.why)))
    return Change(posting.document_key, posting.external_reference, posting.status, after.value)


def wake(connection: Connection, document: Row[Any], now: int) -> None:
    """Have a poster look at the order at once; one that waited for a person is taken in anew."""
    if document.state in (DocumentState.REJECTED, DocumentState.PARKED):
        anew = {"state": DocumentState.NEW.value, "reason": document.reason or "looked at again", "updated_at": now}
        connection.execute(update(documents).where(documents.c.key == document.key).values(anew))
    connection.execute(update(lanes).where(*_lane_of(document)).values(due_at=now))


def _lane_of(document: Row[Any]) -> list[ColumnElement[bool]]:
    of = lanes.c
    return [of.system == document.system, of.plant == document.plant, of.order_id == document.order_id]


def _put_letter(engine: Engine, connection: Connection, posting: Row[Any], by: Person, now: int) -> None:
    outcome = Outcome(step_of(posting), Status.PARKED, reason="parked_by_person", detail=by.why)
    put(engine, connection, [dead_letter(outcome, now, by.who)], now, by.who)


def _move_letters(connection: Connection, document_key: str, after: LetterState, by: Person, now: int) -> None:
    for letter, before, replays in letters_of_documents(connection, [document_key]):
        again = replays + (after is LetterState.REPLAYED)
        values = {"state": after.value, "state_at": now, "replays": again}
        connection.execute(update(dead_letters).where(dead_letters.c.event_id == letter).values(values))
        note(connection, by, now, letter_id=letter, change=(before, after.value))


__all__ = ["Change", "confirm_booked", "hold", "park", "retry", "wake"]
