"""What a replay made goes into the ledger, document by document, with an audit row each.

More events supersede fewer, as always. A document of the *same* version with another content (a rule or master data
without a version was changed) is put in place only while nothing of it is under way, by compare and swap: so a total
that a flow raises meanwhile wins, now and later, and the poster never mixes two contents of one version
(docs/adr/0019-a-replay-replaces-the-same-version.md).

Delivery: exactly once in effect. What is put already is `SAME` when it is put again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update

from millrace.ledger import desired
from millrace.ledger.dialect import among
from millrace.ledger.letter_states import Person, note
from millrace.ledger.locks import Lane, hold_lanes, keep_archive_out
from millrace.ledger.model import OPEN_STATUSES, DesiredDocument, DocumentState
from millrace.ledger.standing import LATE
from millrace.ledger.tables import audit, documents, lanes, postings
from millrace.ledger.text import dump_json, dump_quantities, payload_hash
from millrace.ledger.tombstones import bring_back

#: Documents of one transaction.
AT_ONCE = 500
REPLAYED = "replayed"
_NEVER = 2**62


class Fate(StrEnum):
    """What became of a document that a replay made.

    PUT: it is desired now. SAME: it was already. SUPERSEDED: the ledger knows of more events by now, in it or as late
    additions of its order. UNDER_WAY: a posting of it has no outcome yet, try again later. PARKED: a person has to
    decide about it first.
    """

    PUT = "put"
    SAME = "same"
    SUPERSEDED = "superseded"
    UNDER_WAY = "under_way"
    PARKED = "parked"


@dataclass(slots=True)
class Put:
    """What a transaction did.

    Args:
        counts: Documents by fate.
        again: Documents that are under way.
    """

    counts: Counter[Fate]
    again: list[DesiredDocument]


def begin(connection: Connection, by: Person, what: str, now: int) -> None:
    """One audit row that tells of the replay as a whole."""
    entry = {"at": now, "who": by.who, "to_status": REPLAYED, "why": f"{what}: {by.why}"}
    connection.execute(insert(audit).values(entry))


def put(
    engine: Engine, connection: Connection, made: Sequence[DesiredDocument], by: Person, now: int, since: int = _NEVER
) -> Put:
    """Put documents, at most `AT_ONCE`, within the transaction of `connection`.

    Args:
        engine: Engine of the connection.
        connection: Write transaction.
        made: Documents.
        by: Who and why.
        now: Microseconds UTC.
        since: Nothing is put of orders with late additions that came at this instant or after it: a replay that did
            not know of them may have counted them in their window.
    """
    ordered = sorted(made, key=lambda each: each.key)  # one order for all writers: no deadlocks
    keep_archive_out(connection)
    orders = {(each.plant, each.order_id) for each in ordered}
    hold_lanes(connection, among((lanes.c.plant, lanes.c.order_id), orders))
    units = [{"plant": each.plant, "order_id": each.order_id, "key": each.key} for each in ordered]
    bring_back(connection, units, now, by.who)
    query = select(documents).where(documents.c.key.in_([each.key for each in ordered])).with_for_update()
    known = {row.key: row for row in connection.execute(query)}
    late = _with_late_additions(connection, orders, since)
    done = Put(Counter(), [])
    for document in ordered:
        superseded = (document.plant, document.order_id) in late
        row = known.get(document.key)
        fate = Fate.SUPERSEDED if superseded else _put_one(engine, connection, document, row, by, now)
        done.counts[fate] += 1
        if fate is Fate.UNDER_WAY:
            done.again.append(document)
    return done


def _with_late_additions(connection: Connection, orders: Collection[Lane], since: int) -> set[Lane]:
    of = documents.c
    late = (of.key >= LATE, of.key < f"{LATE[:-1]}}}", of.created_at >= since)
    rows = connection.execute(select(of.plant, of.order_id).where(*late, among((of.plant, of.order_id), orders)))
    return {(row.plant, row.order_id) for row in rows}


def _put_one(
    engine: Engine, connection: Connection, document: DesiredDocument, known: Row[Any] | None, by: Person, now: int
) -> Fate:
    at = (known.revision, known.reference_version) if known is not None else (-1, -1)
    if document.version < at:
        return Fate.SUPERSEDED
    if document.version > at or known is None:
        desired.put_desired(engine, connection, [document], now, by.who)
        _tell(connection, document, known, by, now)
        return Fate.PUT
    content = _content(document)
    if content["payload_hash"] == known.payload_hash and document.cancelled == known.cancelled:
        return Fate.SAME
    if known.state == DocumentState.PARKED.value:
        return Fate.PARKED
    if _under_way(connection, known, now):
        return Fate.UNDER_WAY
    connection.execute(update(documents).where(documents.c.key == known.key).values(_swap(known, content, now)))
    _tell(connection, document, known, by, now)
    return Fate.PUT


def _content(document: DesiredDocument) -> dict[str, Any]:
    quantities, attributes = dump_quantities(document.quantities), dump_json(dict(document.attributes))
    return {
        "sort_key": document.sort_key,
        "tier": document.tier,
        "quantities": quantities,
        "attributes": attributes,
        "final": document.final,
        "payload_hash": payload_hash(quantities, attributes, str(document.final)),
        "correlation_id": document.correlation_id,
        "requires": dump_json(list(document.requires)),
        "cancelled": document.cancelled,
    }


def _swap(known: Row[Any], content: Mapping[str, Any], now: int) -> dict[str, Any]:
    settled = known.state == DocumentState.SETTLED.value
    opened = now if settled else known.open_since
    return {**content, "state": DocumentState.NEW.value, "open_since": opened, "updated_at": now}


def _under_way(connection: Connection, known: Row[Any], now: int) -> bool:
    """Whether a poster works on the order, or a posting of the document has no outcome yet.

    The order's lane is held until the transaction ends, so that no poster plans with what is about to change.
    """
    mine = (lanes.c.plant == known.plant, lanes.c.order_id == known.order_id, lanes.c.system == known.system)
    lane = connection.execute(select(lanes).where(*mine).with_for_update()).one_or_none()
    if lane is not None and lane.lease_owner is not None and lane.lease_until > now:
        return True
    open_statuses = [status.value for status in OPEN_STATUSES]
    of_document = (postings.c.document_key == known.key, postings.c.status.in_(open_statuses))
    return connection.scalar(select(postings.c.step).where(*of_document).limit(1)) is not None


def _tell(connection: Connection, document: DesiredDocument, known: Row[Any] | None, by: Person, now: int) -> None:
    before = f"revision {known.revision}.{known.reference_version}" if known is not None else "none"
    after = f"{REPLAYED} revision {document.revision}.{document.reference_version}"
    note(connection, by, now, document_key=document.key, change=(before, after))


__all__ = ["AT_ONCE", "REPLAYED", "Fate", "Put", "begin", "put"]
