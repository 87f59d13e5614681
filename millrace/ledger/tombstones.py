"""What stays of an archived order: enough to bring it back, so that a late revision books its difference and no more.

An order is archived as a whole and comes back as a whole: its documents with what is booked and the number of their
last step, and the booked postings that no reversal has cancelled. Planning then finds all that it goes by. A lane
of stock movements, which never ends, is archived document by document.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from millrace.ledger.model import Action, Status
from millrace.ledger.tables import audit, documents, lanes, postings, tombstones

#: Lanes that go on for ever begin with this, see `records.lane_of`.
ENDLESS = "stock:"
_MOST = 500
Record = Mapping[str, Any]


def unit_of(document: Record) -> str:
    """What a document is archived together with."""
    if str(document["order_id"]).startswith(ENDLESS):
        return f"document|{document['key']}"
    return f"order|{document['plant']}|{document['order_id']}"


def possible_units(key: str, plant: str, orders: Iterable[str]) -> set[str]:
    """Units that a document of some key may be archived in: its key names plant and order, but for late additions."""
    parts = [part.replace("%7C", "|").replace("%25", "%") for part in key.split("|")]
    named = [(parts[0], parts[1])] if len(parts) > 1 else []
    places = [*named, *((plant, order) for order in orders)]
    return {f"document|{key}", *(f"order|{place}|{order}" for place, order in places if order)}


def pack(of_unit: Sequence[Record], steps: Iterable[Record], lane_rows: Iterable[Record]) -> bytes:
    """Documents, standing postings and lanes of one unit."""
    booked = [step for step in steps if step["status"] == Status.BOOKED.value]
    cancelled = {step["reverses"] for step in booked if step["action"] == Action.REVERSE.value}
    standing = [
        dict(step)
        for step in booked
        if step["action"] == Action.BOOK.value and step["external_reference"] not in cancelled
    ]
    kept = {
        "documents": [dict(row) for row in of_unit],
        "postings": standing,
        "lanes": [dict(row) for row in lane_rows],
    }
    return zlib.compress(json.dumps(kept, separators=(",", ":"), ensure_ascii=False).encode(), 9)


def bring_back(connection: Connection, rows: Sequence[Record], now: int, who: str) -> set[str]:
    """Bring back what is archived of the units of some documents; these were just inserted as if they were new.

    Called after the insert: the archive locks the table against it, so a tombstone that is not to be seen now was not
    there before either.

    Returns:
        Keys of the given documents that have to be put again, upon what was brought back.
    """
    by_unit: dict[str, list[str]] = {}
    for row in rows:
        by_unit.setdefault(unit_of(row), []).append(row["key"])
    again: set[str] = set()
    for found in _found(connection, sorted(by_unit)):
        keys = by_unit[found.unit]
        connection.execute(delete(documents).where(documents.c.key.in_(keys)))
        restore(connection, found.unit, found.packed, now, who, f"brought back from archive batch {found.batch}")
        again.update(keys)
    return again


def archived_documents(packed: bytes) -> list[Any]:
    """Documents of an archived unit, with the columns of their rows as attributes."""
    return [SimpleNamespace(**row) for row in json.loads(zlib.decompress(packed))["documents"]]


def restore(connection: Connection, unit: str, packed: bytes, now: int, who: str, why: str) -> int:
    """Put a unit back where it was. Returns how many documents."""
    kept = json.loads(zlib.decompress(packed))
    connection.execute(insert(documents), kept["documents"])
    if kept["postings"]:
        connection.execute(insert(postings), kept["postings"])
    for lane in kept["lanes"]:
        if not connection.scalar(select(lanes.c.fence).where(*(lanes.c[n] == lane[n] for n in _LANE))):
            connection.execute(delete(lanes).where(*(lanes.c[n] == lane[n] for n in _LANE)))
            connection.execute(insert(lanes).values(lane))
    entry = {"at": now, "who": who, "from_status": "archived", "why": why}
    entries = [{**entry, "document_key": row["key"], "to_status": row["state"]} for row in kept["documents"]]
    connection.execute(insert(audit), entries)
    connection.execute(delete(tombstones).where(tombstones.c.unit == unit))
    return len(entries)


_LANE = ("system", "plant", "order_id")


def _found(connection: Connection, units: Sequence[str]) -> list[Any]:
    found: list[Any] = []
    for start in range(0, len(units), _MOST):
        query = select(tombstones).where(tombstones.c.unit.in_(units[start : start + _MOST]))
        found += connection.execute(query).all()
    return found


__all__ = ["ENDLESS", "archived_documents", "bring_back", "pack", "possible_units", "restore", "unit_of"]
