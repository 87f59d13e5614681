"""Rows that stock had no room for, read back from their dead letters once their material is known.

Delivery: a read alone. Who takes the rows back says so with what it knows for sure (`healing.empty`); letters that are
resolved by then are not read again, and what a person discarded is counted and not given back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, select

from millrace.ledger.model import LetterState
from millrace.ledger.tables import dead_letters

REASON = "unit_conversion_unknown"
#: Payload of a letter, None of one that a person gave up for good.
Recalled = Mapping[str, Sequence[bytes | None]]
_MOST_KEYS = 400


def recall(connection: Connection, keys: Collection[str]) -> Recalled:
    """What letters of some places tell of that is not resolved, by `document_key`."""
    of, every = dead_letters.c, sorted(keys)
    found: dict[str, list[bytes | None]] = defaultdict(list)
    for first in range(0, len(every), _MOST_KEYS):
        some = of.document_key.in_(every[first : first + _MOST_KEYS])
        standing = (of.reason == REASON, of.kind == "TOTAL", of.state != LetterState.RESOLVED.value)
        rows = connection.execute(select(of.document_key, of.state, of.payload).where(some, *standing))
        for row in rows.all():
            gone = row.state == LetterState.DISCARDED.value
            found[row.document_key].append(None if gone else bytes(row.payload))
    return found


__all__ = ["REASON", "Recalled", "recall"]
