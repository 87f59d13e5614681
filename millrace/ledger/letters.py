"""Dead letters as people look for them: filtered, a page at a time, counted, and one with all that is known of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from millrace.errors import Misconfigured
from millrace.ledger.model import LetterState
from millrace.ledger.reasons import ErrorClass
from millrace.ledger.tables import audit, dead_letters, documents, postings

_CLASSES = {each.value for each in ErrorClass}
_STATES = {each.value for each in LetterState}
KINDS = ("RECORD", "TOTAL", "POSTING")


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters; what is left out does not matter, several values of one field mean either.

    Args:
        kinds: RECORD, TOTAL, POSTING.
        classes: transport, mapping, partner_data, application.
        reasons: Machine-readable reasons.
        flows: Flows or posters that gave them up.
        owners: Who answers for the flow.
        plants: ISA-95 Sites.
        orders: Orders, of totals and postings, and of records that were readable.
        states: open, replayed, resolved, discarded, parked.
        since: Given up at or after, microseconds UTC.
        until: Given up at or before, microseconds UTC.
        ids: Identities.
    """

    kinds: Sequence[str] = ()
    classes: Sequence[str] = ()
    reasons: Sequence[str] = ()
    flows: Sequence[str] = ()
    owners: Sequence[str] = ()
    plants: Sequence[str] = ()
    orders: Sequence[str] = ()
    states: Sequence[str] = ()
    since: int | None = None
    until: int | None = None
    ids: Sequence[str] = ()

    def plain(self) -> dict[str, Any]:
        """What is set, as JSON values."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: sorted(v) if isinstance(v, tuple | list) else v for name, v in found.items() if v not in ((), None)
        }

    def check(self) -> None:
        """Refuse names that no letter can have.

        Raises:
            Misconfigured: A kind, class or state does not exist.
        """
        names = ("kind", self.kinds, set(KINDS)), ("class", self.classes, _CLASSES), ("state", self.states, _STATES)
        for what, given, known in names:
            if strange := sorted(set(given) - known):
                raise Misconfigured(f"{what}: {strange[0]!r} is none of {', '.join(sorted(known))}")


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as the ledger keeps it.

    Args:
        event_id: Identity; of a record its first place: topic/partition/offset.
        event_time: When it was last given up, microseconds UTC.
        plant: ISA-95 Site, "" where the record could not be read.
        source: Flow or poster that gave it up.
        kind: RECORD, TOTAL or POSTING.
        reason: Machine-readable reason.
        error_class: Where the fault lies.
        detail: One sentence for a person.
        owner: Who answers for the flow.
        topic: Topic or file of the record that failed last; of a posting the ERP system.
        partition: Its partition.
        offset: Its offset or line.
        document_key: Document it concerns, for TOTAL and POSTING.
        revision: Revision of that document; of a record the number of the replay that failed.
        events: Events it stands for.
        correlation_id: Ties together what one cause brought about.
        state: open, replayed, resolved, discarded or parked.
        state_at: Since when, microseconds UTC.
        replays: How often it was sent again.
        payload: The record or document; empty in lists.
    """

    event_id: str
    event_time: int
    plant: str
    source: str
    kind: str
    reason: str
    error_class: str
    detail: str
    owner: str
    topic: str
    partition: int
    offset: int
    document_key: str | None
    revision: int
    events: int
    correlation_id: str | None
    state: str
    state_at: int
    replays: int
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Page:
    """Some letters, newest first; `cursor` asks for what comes after them, None at the end."""

    letters: list[Letter]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class LetterCount:
    """How many letters of one reason stand in one state."""

    kind: str
    error_class: str
    reason: str
    owner: str
    state: str
    letters: int
    events: int
    oldest: int


@dataclass(frozen=True, slots=True)
class LetterReport:
    """One letter and what is known around it.

    Args:
        letter: The letter, with its payload.
        audit: What was done to it, its document and its postings, oldest first.
        document: Columns of the document it concerns, as JSON values; None without one.
        postings: That document's postings, in their order.
    """

    letter: Letter
    audit: list[Mapping[str, Any]]
    document: Mapping[str, Any] | None
    postings: list[Mapping[str, Any]]


_COLUMNS = [dead_letters.c[each.name] for each in fields(Letter) if each.name != "payload"]


def page(connection: Connection, wanted: LetterFilter, limit: int = 100, cursor: str | None = None) -> Page:
    """Letters, newest first.

    Raises:
        Misconfigured: The filter or the cursor is none.
    """
    query = select(*_COLUMNS).where(*conditions(connection, wanted))
    if cursor is not None:
        at, name = _read_cursor(cursor)
        older = dead_letters.c.event_time < at
        query = query.where(or_(older, and_(dead_letters.c.event_time == at, dead_letters.c.event_id > name)))
    query = query.order_by(dead_letters.c.event_time.desc(), dead_letters.c.event_id).limit(limit + 1)
    letters = [letter_of(row) for row in connection.execute(query)]
    more = len(letters) > limit
    return Page(letters[:limit], _cursor(letters[limit - 1]) if more else None)


def _cursor(letter: Letter) -> str:
    return f"{letter.event_time}:{letter.event_id}"


def _read_cursor(cursor: str) -> tuple[int, str]:
    at, colon, name = cursor.partition(":")
    if not colon or not at.isdigit():
        raise Misconfigured(f"cursor: {cursor!r} is none that a list gave out")
    return int(at), name


def counts(connection: Connection, wanted: LetterFilter) -> list[LetterCount]:
    """Letters by reason and state, the most first."""
    of = dead_letters.c
    key = (of.kind, of.error_class, of.reason, of.owner, of.state)
    number = func.count()
    query = select(*key, number, func.sum(of.events), func.min(of.event_time)).where(*conditions(connection, wanted))
    rows = connection.execute(query.group_by(*key).order_by(number.desc(), *key))
    return [
        LetterCount(row.kind, row.error_class, row.reason, row.owner, row.state, row[5], int(row[6]), row[7])
        for row in rows
    ]


def find(connection: Connection, letter_id: str) -> Letter | None:
    """A letter with its payload."""
    row = connection.execute(select(*_COLUMNS, dead_letters.c.payload).where(dead_letters.c.event_id == letter_id))
    found: Any = row.one_or_none()
    return None if found is None else letter_of(found)


def report(connection: Connection, letter_id: str) -> LetterReport | None:
    """A letter and what is known around it; None where there is none of that name."""
    letter = find(connection, letter_id)
    if letter is None:
        return None
    key = letter.document_key
    document = connection.execute(select(documents).where(documents.c.key == key)).one_or_none() if key else None
    steps = (
        connection.execute(select(postings).where(postings.c.document_key == key).order_by(postings.c.step)).all()
        if key
        else []
    )
    mentioned = [audit.c.letter_id == letter_id]
    if key:
        mentioned.append(audit.c.document_key == key)
    changes = connection.execute(select(audit).where(or_(*mentioned)).order_by(audit.c.id))
    return LetterReport(
        letter,
        [row._asdict() for row in changes],
        None if document is None else _plain(document),
        [_plain(step) for step in steps],
    )


def _plain(row: Row[Any]) -> dict[str, Any]:
    values = row._asdict()
    for name in {"quantities", "booked", "attributes", "requires"} & values.keys():
        values[name] = json.loads(values[name])
    return values


def letter_of(row: Row[Any]) -> Letter:
    """A letter from its row, with or without payload."""
    values = row._asdict()
    return Letter(**{**values, "payload": bytes(values.get("payload", b""))})


def conditions(connection: Connection, wanted: LetterFilter) -> list[ColumnElement[bool]]:
    """The filter as conditions on `dead_letters`."""
    wanted.check()
    of = dead_letters.c
    lists = (
        (of.kind, wanted.kinds),
        (of.error_class, wanted.classes),
        (of.reason, wanted.reasons),
        (of.source, wanted.flows),
        (of.owner, wanted.owners),
        (of.plant, wanted.plants),
        (of.state, wanted.states),
        (of.event_id, wanted.ids),
    )
    found: list[ColumnElement[bool]] = [column.in_(values) for column, values in lists if values]
    if wanted.since is not None:
        found.append(of.event_time >= wanted.since)
    if wanted.until is not None:
        found.append(of.event_time <= wanted.until)
    if wanted.orders:
        found.append(or_(*(_of_order(connection, order) for order in wanted.orders)))
    return found


def _of_order(connection: Connection, order: str) -> ColumnElement[bool]:
    """The order of a document, or one that a readable payload names."""
    keys = select(documents.c.key).where(documents.c.order_id == order)
    named = [_holds(connection, f'"order_id":{space}{json.dumps(order)}'.encode()) for space in ("", " ")]
    return or_(dead_letters.c.document_key.in_(keys), *named)


def _holds(connection: Connection, text: bytes) -> ColumnElement[bool]:
    payload = dead_letters.c.payload
    if connection.dialect.name == "postgresql":
        return func.strpos(func.encode(payload, "escape"), func.encode(text, "escape")) > 0
    return func.instr(payload, text) > 0
