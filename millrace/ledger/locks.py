"""One order in which all transactions lock what they share on PostgreSQL, so that none waits for another in a circle.

Lanes come before documents, lanes by their key, documents by theirs. Who holds a document never waits for a lane. What
cannot keep to the order (a second look within a transaction) passes by what others hold instead of waiting for it.
SQLite has one writer at a time and needs none of this.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, TextClause, select, text

from millrace.ledger.dialect import among
from millrace.ledger.tables import UNSETTLED_DOCUMENT, documents, lanes

Lane = tuple[str, str]  # plant, order


def hold_lanes(connection: Connection, *condition: ColumnElement[bool] | TextClause) -> list[Lane]:
    """Hold the lanes of one system that meet a condition until the transaction ends. Returns which."""
    key = (lanes.c.system, lanes.c.plant, lanes.c.order_id)
    rows = connection.execute(select(*key).where(*condition).order_by(*key).with_for_update())
    return [(row.plant, row.order_id) for row in rows]


def keep_archive_out(connection: Connection) -> None:
    """Let the archive move nothing until the transaction ends; for whoever looks for an order before writing to it.

    The archive keeps writers out, not readers: what is in its hands would be neither seen in the table nor in the
    archive.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE documents IN ROW EXCLUSIVE MODE"))


def lock_documents(connection: Connection, keys: Collection[str]) -> None:
    """Hold documents until the transaction ends; called once, before any of them is written."""
    if connection.dialect.name == "postgresql":
        key = documents.c.key
        connection.execute(select(key).where(key.in_(keys)).order_by(key).with_for_update()).all()


def lock_documents_of(connection: Connection, orders: Collection[Lane], *, wait: bool) -> set[Lane]:
    """Hold what is not settled of some orders.

    Args:
        connection: Write transaction, which holds the orders' lanes.
        orders: Plant and order.
        wait: For others that hold some of it; only where the transaction holds no document yet.

    Returns:
        Orders of which another transaction holds something.
    """
    if connection.dialect.name != "postgresql" or not orders:
        return set()
    of = documents.c
    theirs = select(of.key, of.plant, of.order_id).where(UNSETTLED_DOCUMENT, among((of.plant, of.order_id), orders))
    held = connection.execute(theirs.order_by(of.key).with_for_update(skip_locked=not wait)).all()
    if wait:
        return set()
    keys = {row.key for row in held}
    return {(row.plant, row.order_id) for row in connection.execute(theirs) if row.key not in keys}


__all__ = ["hold_lanes", "keep_archive_out", "lock_documents", "lock_documents_of"]
