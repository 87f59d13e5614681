"""Writing what is desired: idempotent, monotone, one transaction per batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Engine, and_, case, or_

from millrace.ledger.dialect import insert
from millrace.ledger.healing import heal
from millrace.ledger.model import DesiredDocument, DocumentState
from millrace.ledger.not_taken import keep_out
from millrace.ledger.tables import documents
from millrace.ledger.text import dump_json, dump_quantities, payload_hash
from millrace.ledger.tombstones import bring_back
from millrace.ledger.upserts import changed_by

_REPLACED = (
    "sort_key",
    "tier",
    "revision",
    "reference_version",
    "quantities",
    "attributes",
    "final",
    "payload_hash",
    "correlation_id",
    "requires",
    "cancelled",
    "updated_at",
)


def put_desired(
    engine: Engine,
    connection: Connection,
    batch: Iterable[DesiredDocument],
    now: int,
    who: str = "millrace",
    answers_for: Callable[[str], str] = lambda _kind: "",
) -> int:
    """Upsert; a higher version replaces a lower one, but no request another one. Returns how many documents changed."""
    rows = [_row(document, now) for document in _newest(batch)]
    rows = keep_out(engine, connection, rows, now, who, answers_for)
    if not rows:
        return 0
    changed = changed_by(connection, _upsert(engine), rows, documents.c.key)
    if archived := bring_back(connection, rows, now, who):
        late = [row for row in rows if row["key"] in archived]
        taken = keep_out(engine, connection, late, now, who, answers_for)
        changed += (changed_by(connection, _upsert(engine), taken, documents.c.key) if taken else 0) - len(late)
    heal(connection, [row["key"] for row in rows], now, who)
    return changed


def _newest(batch: Iterable[DesiredDocument]) -> Iterable[DesiredDocument]:
    """One document per key: the highest version."""
    newest: dict[str, DesiredDocument] = {}
    for document in batch:
        known = newest.get(document.key)
        if known is None or known.version < document.version:
            newest[document.key] = document
    return sorted(newest.values(), key=lambda document: document.key)  # one order for all writers: no deadlocks


def _row(document: DesiredDocument, now: int) -> dict[str, Any]:
    quantities = dump_quantities(document.quantities)
    attributes = dump_json(dict(document.attributes))
    return {
        "key": document.key,
        "kind": document.kind,
        "plant": document.plant,
        "order_id": document.order_id,
        "operation": document.operation,
        "sort_key": document.sort_key,
        "tier": document.tier,
        "revision": document.revision,
        "reference_version": document.reference_version,
        "quantities": quantities,
        "attributes": attributes,
        "final": document.final,
        "payload_hash": payload_hash(quantities, attributes, str(document.final)),
        "state": DocumentState.NEW.value,
        "steps": 0,
        "booked": "{}",
        "booked_final": False,
        "correlation_id": document.correlation_id,
        "requires": dump_json(list(document.requires)),
        "cancelled": document.cancelled,
        "open_since": now,
        "created_at": now,
        "updated_at": now,
    }


def _upsert(engine: Engine) -> Any:
    statement = insert(engine, documents)
    new, old = statement.excluded, documents.c
    higher = or_(
        new.revision > old.revision,
        and_(new.revision == old.revision, new.reference_version > old.reference_version),
    )
    # A parked posting may have been booked: only a person can say so, a newer total cannot.
    state = case((old.state == DocumentState.PARKED.value, old.state), else_=new.state)
    open_since = case((old.state == DocumentState.SETTLED.value, new.open_since), else_=old.open_since)
    return statement.on_conflict_do_update(
        index_elements=[old.key],
        set_={**{name: new[name] for name in _REPLACED}, "state": state, "open_since": open_since},
        where=higher,
    )
