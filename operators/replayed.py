"""Records that were sent again from the dead letters: a header ties a new failure to the letter it already has.

Without it each failed replay would be one letter more, and nobody could tell how often a record was tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from operators.lane_output import Dead
from schemas.batch import Header, RawBatch

#: Identity of the letter whose record this is.
LETTER_HEADER = "millrace-replay"
#: How many times it has been sent again, this time included.
NUMBER_HEADER = "millrace-replay-number"


@dataclass(frozen=True, slots=True)
class Replayed(Dead):
    """A replayed record that was given up again.

    Args:
        letter: Identity of its letter.
        replay: Number of the replay.
    """

    letter: str = ""
    replay: int = 0


def replay_headers(letter: str, replay: int) -> list[tuple[str, bytes]]:
    """Headers of a record that is sent again."""
    return [(LETTER_HEADER, letter.encode()), (NUMBER_HEADER, str(replay).encode())]


def replay_of(headers: Sequence[Header] | None) -> tuple[str, int] | None:
    """Letter and number of a replay; None for any other record."""
    found = dict(headers or ())
    letter, number = found.get(LETTER_HEADER), found.get(NUMBER_HEADER)
    if not letter or not number or not number.isdigit():
        return None
    return letter.decode(errors="replace"), int(number)


def with_letters(dead: Iterable[Dead], raw: RawBatch) -> list[Dead]:
    """Dead letters of a batch, those of replayed records under their letter's name.

    A letter names the topic and partition it came from, and is sent to the same again: a header that says otherwise
    was copied by somebody and is left alone.
    """
    return [_with_letter(each, raw) for each in dead]


def _with_letter(dead: Dead, raw: RawBatch) -> Dead:
    if raw.headers is None:
        return dead
    rows = np.flatnonzero((raw.partitions == dead.partition) & (raw.offsets == dead.offset))
    replay = replay_of(raw.headers(int(rows[0]))) if len(rows) else None
    if replay is None or not replay[0].startswith(f"{dead.topic}/{dead.partition}/"):
        return dead
    values = (dead.contract, dead.topic, dead.partition, dead.offset, dead.reason, dead.detail, dead.payload)
    return Replayed(*values, *replay)


__all__ = ["LETTER_HEADER", "NUMBER_HEADER", "Replayed", "replay_headers", "replay_of", "with_letters"]
