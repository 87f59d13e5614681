"""Personal data taken out of dead letters: what is done with loses its payload, what is open is only counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from millrace.ledger.letter_states import Person, note
from millrace.ledger.model import LetterState
from millrace.ledger.tables import dead_letters

ERASED = "erased"
_DONE = {LetterState.REPLAYED.value, LetterState.RESOLVED.value, LetterState.DISCARDED.value}
_ROWS = 1_000


@dataclass(slots=True)
class LettersErased:
    """Letters that named a person.

    Args:
        erased: Letters that are done with and lost their payload, or would.
        open: Letters that a replay still needs: they keep it until they are replayed or discarded.
    """

    erased: int = 0
    open: int = 0


def erase_letters(
    connection: Connection, names: Callable[[bytes], bool], person: str, by: Person, now: int, *, dry_run: bool = False
) -> LettersErased:
    """Go through all dead letters; each that changes gets an audit row.

    Args:
        connection: Write transaction.
        names: Whether a payload names the person.
        person: Taken out of the sentence that tells what was wrong.
        by: Who erases, and why.
        now: Microseconds UTC.
        dry_run: Count only.
    """
    found = LettersErased()
    letters = dead_letters.c
    rows = connection.execution_options(yield_per=_ROWS).execute(
        select(letters.event_id, letters.state, letters.detail, letters.payload).order_by(letters.event_id)
    )
    mine = [(row.event_id, row.state, row.detail) for row in rows if names(row.payload)]
    for letter_id, state, detail in mine:
        if state not in _DONE:
            found.open += 1
            continue
        found.erased += 1
        if not dry_run:
            changed = {"payload": b"", "detail": detail.replace(person, ERASED)}
            connection.execute(update(dead_letters).where(letters.event_id == letter_id).values(changed))
            note(connection, by, now, change=(state, ERASED), letter_id=letter_id)
    if not dry_run:
        note(connection, by, now, change=(None, ERASED))
    return found
