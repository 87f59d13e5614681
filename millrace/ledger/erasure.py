"""Personal data taken out of dead letters: what is done with loses its payload, what is open is only counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from millrace.ledger.letter_states import Person, note
from millrace.ledger.model import LetterState
from millrace.ledger.tables import dead_letters

ERASED = "erased"
_DONE = {LetterState.REPLAYED.value, LetterState.RESOLVED.value, LetterState.DISCARDED.value}
_ROWS = 1_000


class Letter(NamedTuple):
    """A dead letter that names a person."""

    event_id: str
    state: str
    detail: str

    @property
    def is_done_with(self) -> bool:
        """Nobody will send it again: it needs its payload no more."""
        return self.state in _DONE


def letters_naming(connection: Connection, names: Callable[[bytes], bool]) -> list[Letter]:
    """Dead letters whose payload names a person, as `names` tells."""
    columns = dead_letters.c
    found = connection.execution_options(yield_per=_ROWS).execute(
        select(columns.event_id, columns.state, columns.detail, columns.payload).order_by(columns.event_id)
    )
    return [Letter(row.event_id, row.state, row.detail) for row in found if names(row.payload)]


def erase_letters(connection: Connection, letters: Sequence[Letter], person: str, by: Person, now: int) -> int:
    """Take the payload of letters that are done with, and the name out of their sentence; returns how many.

    Each gets an audit row, and the run as a whole one more. A letter that was moved on meanwhile is left alone.

    Args:
        connection: Write transaction.
        letters: What `letters_naming` found.
        person: As the payloads name the person.
        by: Who erases, and why.
        now: Microseconds UTC.
    """
    erased = 0
    for letter in letters:
        here = (dead_letters.c.event_id == letter.event_id, dead_letters.c.state == letter.state)
        values = {"payload": b"", "detail": letter.detail.replace(person, ERASED)}
        if letter.is_done_with and connection.execute(update(dead_letters).where(*here).values(values)).rowcount:
            note(connection, by, now, change=(letter.state, ERASED), letter_id=letter.event_id)
            erased += 1
    note(connection, by, now, change=(None, ERASED))
    return erased
