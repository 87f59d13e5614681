"""Documents that a person has to approve before they are posted: approved by name, or refused, each with a reason.

Who approved stands in the document's attribute `approved_by`; a newer version of it says something else, so it has to
be approved anew.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from millrace.errors import Misconfigured, Rejected
from millrace.ledger.approval_requirement import APPROVED_BY, missing
from millrace.ledger.letter_states import Person, note
from millrace.ledger.model import DocumentState
from millrace.ledger.repair import Change, hold, wake
from millrace.ledger.tables import documents
from millrace.ledger.text import dump_json, load_json, payload_hash

_ASKING = (DocumentState.NEW, DocumentState.OPEN, DocumentState.WAITING)


def approve(connection: Connection, key: str, by: Person, now: int) -> Change:
    """Let a document be posted.

    Args:
        connection: Write transaction.
        key: Document.
        by: Who and why.
        now: Microseconds UTC.

    Raises:
        Misconfigured: There is no such document.
        Rejected: It asks for no approval.
        Retriable: A poster works on its lane.
    """
    row = _held(connection, key, now)
    attributes = dump_json({**load_json(row.attributes), APPROVED_BY: by.who})
    digest = payload_hash(row.quantities, attributes, str(row.final))
    changed = {"attributes": attributes, "payload_hash": digest, "updated_at": now}
    connection.execute(update(documents).where(documents.c.key == key).values(changed))
    note(connection, by, now, document_key=key, change=(row.state, "approved"))
    wake(connection, row, now)
    return Change(key, None, "awaiting approval", "approved")


def refuse(connection: Connection, key: str, by: Person, now: int) -> Change:
    """Keep a document from being posted; `post retry` asks for approval once more. Raises as `approve` does."""
    row = _held(connection, key, now)
    reason = f"not approved by {by.who}: {by.why}"
    changed = {"state": DocumentState.REJECTED.value, "reason": reason, "waits_for": None, "updated_at": now}
    connection.execute(update(documents).where(documents.c.key == key).values(changed))
    note(connection, by, now, document_key=key, change=(row.state, DocumentState.REJECTED.value))
    return Change(key, None, "awaiting approval", DocumentState.REJECTED.value)


def _held(connection: Connection, key: str, now: int) -> Row[Any]:
    """The document as it stands once its lane is held, kept from flows too: what is approved is what is posted."""
    hold(connection, _asking(connection, select(documents), key), now)
    return _asking(connection, select(documents).with_for_update(), key)


def _asking(connection: Connection, query: Select[Any], key: str) -> Row[Any]:
    row = connection.execute(query.where(documents.c.key == key)).one_or_none()
    if row is None:
        raise Misconfigured(f"{key!r}: there is no such document")
    attributes = load_json(row.attributes)
    awaited = any(missing(attributes, required) for required in load_json(row.requires))
    if not awaited or row.state not in _ASKING:
        raise Rejected("nothing_to_approve", f"document {key} is {row.state} and awaits no approval")
    return row


__all__ = ["approve", "refuse"]
