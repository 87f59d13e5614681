"""What becomes of dead letters: put, sent again, discarded; each change by a person with an audit row."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, and_, or_, select, update
from sqlalchemy import insert as plain_insert

from millrace.ledger.dialect import insert
from millrace.ledger.healing import heal
from millrace.ledger.model import DeadLetter, LetterState
from millrace.ledger.tables import audit, dead_letters
from millrace.ledger.upserts import changed_by

#: A letter put again keeps its identity, how often it was sent again, and where its pieces were seen.
_KEPT = ("event_id", "replays", "found_in")
_UNRESOLVED = (LetterState.OPEN.value, LetterState.REPLAYED.value, LetterState.PARKED.value)


@dataclasses.dataclass(frozen=True, slots=True)
class Person:
    """Who changes something, and why; both stand in the audit.

    Args:
        who: Name of the person.
        why: Reason, one sentence.
    """

    who: str
    why: str


def put(engine: Engine, connection: Connection, letters: Sequence[DeadLetter], now: int, who: str) -> int:
    """Upsert by event_id; the higher revision stays. Returns the letters that changed."""
    if not letters:
        return 0
    statement = insert(engine, dead_letters)
    changed = changed_by(
        connection,
        statement.on_conflict_do_update(
            index_elements=[dead_letters.c.event_id],
            set_={c.name: statement.excluded[c.name] for c in dead_letters.c if c.name not in _KEPT},
            where=or_(
                statement.excluded.revision > dead_letters.c.revision,
                # Told once for each refusal, in the transaction of its outcome: tried again, it may be refused again.
                and_(statement.excluded.kind == "POSTING", statement.excluded.revision == dead_letters.c.revision),
            ),
        ),
        [_row(letter) for letter in _newest(letters)],
        dead_letters.c.event_id,
    )
    heal(connection, [letter.document_key for letter in letters if letter.kind == "TOTAL"], now, who)
    return changed


def _newest(letters: Iterable[DeadLetter]) -> list[DeadLetter]:
    """One letter per event, since one statement may write a row once; sorted, as all writers of letters do."""
    newest: dict[str, DeadLetter] = {}
    for letter in letters:
        known = newest.get(letter.event_id)
        if known is None or letter.revision + (letter.kind == "POSTING") > known.revision:
            newest[letter.event_id] = letter
    return sorted(newest.values(), key=lambda letter: letter.event_id)


def _row(letter: DeadLetter) -> dict[str, Any]:
    return {**dataclasses.asdict(letter), "state": letter.state.value, "state_at": letter.event_time, "replays": 0}


def resolve_posting(connection: Connection, document_key: str, now: int) -> None:
    """Everything of the document is booked: what its letter told of is over."""
    connection.execute(
        update(dead_letters)
        .where(
            dead_letters.c.document_key == document_key,
            dead_letters.c.kind == "POSTING",
            dead_letters.c.state.in_(_UNRESOLVED),
        )
        .values(state=LetterState.RESOLVED.value, state_at=now)
    )


def count_replay(connection: Connection, letter_id: str, replays: int) -> None:
    """Note that a replay begins, before anything is sent: its number goes with the record."""
    connection.execute(update(dead_letters).where(dead_letters.c.event_id == letter_id).values(replays=replays))


def move(
    connection: Connection,
    letter_id: str,
    states: tuple[str, LetterState],
    by: Person,
    now: int,
    *,
    replay: int | None = None,
) -> bool:
    """Move a letter from one state to another, with an audit row. Returns whether it was still in the first.

    Args:
        connection: Write transaction.
        letter_id: The letter.
        states: The state it is in, and the one it goes to.
        by: Who and why.
        now: Microseconds UTC.
        replay: Number of the replay that was sent: a failure that was faster keeps the letter open.
    """
    before, after = states
    here = [dead_letters.c.event_id == letter_id, dead_letters.c.state == before]
    if replay is not None:
        here.append(dead_letters.c.revision < replay)
    moved = connection.execute(update(dead_letters).where(*here).values(state=after.value, state_at=now)).rowcount
    note(connection, by, now, letter_id=letter_id, change=(before, after.value))
    return bool(moved)


def note(
    connection: Connection,
    by: Person,
    now: int,
    *,
    change: tuple[str | None, str],
    letter_id: str | None = None,
    document_key: str | None = None,
    external_reference: str | None = None,
) -> None:
    """An audit row about what a person did."""
    connection.execute(
        plain_insert(audit).values(
            external_reference=external_reference,
            document_key=document_key,
            letter_id=letter_id,
            at=now,
            who=by.who,
            from_status=change[0],
            to_status=change[1],
            why=by.why,
        )
    )


def letters_of_documents(connection: Connection, document_keys: Collection[str]) -> list[tuple[str, str, int]]:
    """Identity, state and replays of the posting letters of some documents that nothing has resolved."""
    rows = connection.execute(
        select(dead_letters.c.event_id, dead_letters.c.state, dead_letters.c.replays).where(
            dead_letters.c.document_key.in_(document_keys),
            dead_letters.c.kind == "POSTING",
            dead_letters.c.state.in_(_UNRESOLVED),
        )
    )
    return [(row.event_id, row.state, row.replays) for row in rows]


__all__ = [
    "Person",
    "count_replay",
    "letters_of_documents",
    "move",
    "note",
    "put",
    "resolve_posting",
]
