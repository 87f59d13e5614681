"""Moving old, settled orders out of the ledger: first into Parquet files, then in one transaction out of the tables.

Killed at any point, the next run goes on: a batch whose files were written but whose rows were not deleted is written
again, and its first files are removed. Nothing is deleted that is not durable in a file that the ledger names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, and_, case, delete, func, insert, or_, select, text, tuple_

from millrace.ledger.model import DocumentState
from millrace.ledger.tables import archives, audit, documents, lanes, postings, tombstones
from millrace.ledger.tombstones import ENDLESS, pack, unit_of

Row = dict[str, Any]
_ORDER = (documents.c.order_id, documents.c.plant)
#: Orders that are looked at together; about as many documents go into one batch of files.
PAGE = 1000


@dataclass
class Batch:
    """What is moved together: rows of whole orders, as they stood when they were read."""

    documents: list[Row] = field(default_factory=list)
    postings: list[Row] = field(default_factory=list)
    audit: list[Row] = field(default_factory=list)
    lanes: list[Row] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The same for the same content."""
        digest = blake2b(digest_size=8)
        for row in self.documents:
            digest.update(f"{row['key']}\n{row['revision']}\n{row['steps']}\n".encode())
        return digest.hexdigest()


def next_orders(connection: Connection, after: str) -> list[str]:
    """The next orders behind `after`, old or not, in their order."""
    column = documents.c.order_id
    query = select(column).where(column > after).distinct().order_by(column).limit(PAGE)
    return list(connection.scalars(query))


def old_orders(connection: Connection, before: int, among: Sequence[str]) -> list[tuple[str, str]]:
    """Those (order, plant) of some orders that have something old and settled."""
    settled = documents.c.state == DocumentState.SETTLED.value
    whole = and_(func.min(case((settled, 1), else_=0)) == 1, func.max(documents.c.updated_at) < before)
    some = func.max(case((and_(settled, documents.c.updated_at < before), 1), else_=0)) == 1
    query = (
        select(*_ORDER)
        .where(documents.c.order_id.in_(among))
        .group_by(*_ORDER)
        .having(or_(whole, and_(documents.c.order_id.startswith(ENDLESS), some)))
        .order_by(*_ORDER)
    )
    return [(row.order_id, row.plant) for row in connection.execute(query)]


def read_batch(connection: Connection, orders: Sequence[tuple[str, str]], before: int) -> Batch:
    """All about some orders, without what is not quite settled and old after all."""
    of_orders = tuple_(documents.c.order_id, documents.c.plant).in_(orders)
    query = select(documents).where(of_orders).order_by(documents.c.key)
    units: dict[str, list[Row]] = defaultdict(list)
    for row in connection.execute(query):
        units[unit_of(dict(row._mapping))].append(dict(row._mapping))
    steps = _by_document(connection, orders)
    busy = _busy(connection, orders)
    batch = Batch()
    for of_unit in units.values():
        with_steps = [step for row in of_unit for step in steps.get(row["key"], [])]
        if all(_is_old(row, before, busy) for row in of_unit) and all(s["updated_at"] < before for s in with_steps):
            batch.documents += of_unit
            batch.postings += with_steps
    batch.audit = list(_audit_of(connection, batch))
    in_batch = {(row["order_id"], row["plant"]) for row in batch.documents}
    lane = tuple_(lanes.c.order_id, lanes.c.plant).in_(in_batch)
    batch.lanes = [dict(row._mapping) for row in connection.execute(select(lanes).where(lane))] if in_batch else []
    return batch


def _is_old(document: Row, before: int, busy: set[tuple[str, str]]) -> bool:
    ours = (document["order_id"], document["plant"])
    return document["state"] == DocumentState.SETTLED.value and document["updated_at"] < before and ours not in busy


def _busy(connection: Connection, orders: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Orders that a poster works on, or is to look at."""
    of_orders = tuple_(lanes.c.order_id, lanes.c.plant).in_(orders)
    in_use = or_(lanes.c.due_at.is_not(None), lanes.c.lease_owner.is_not(None))
    return {tuple(row) for row in connection.execute(select(lanes.c.order_id, lanes.c.plant).where(of_orders, in_use))}


def _by_document(connection: Connection, orders: Sequence[tuple[str, str]]) -> dict[str, list[Row]]:
    of_orders = tuple_(postings.c.order_id, postings.c.plant).in_(orders)
    found: dict[str, list[Row]] = defaultdict(list)
    for row in connection.execute(select(postings).where(of_orders).order_by(postings.c.step)):
        found[row.document_key].append(dict(row._mapping))
    return found


def _audit_of(connection: Connection, batch: Batch) -> Iterator[Row]:
    keys = [row["key"] for row in batch.documents]
    for start in range(0, len(keys), PAGE):
        some = audit.c.document_key.in_(keys[start : start + PAGE])
        for row in connection.execute(select(audit).where(some).order_by(audit.c.id)):
            yield dict(row._mapping)


def move(connection: Connection, batch: Batch, before: int, folder: str, at: int, who: str) -> bool:
    """Take a batch that is durable in `folder` out of the tables, within the transaction of `connection`.

    Returns:
        False where something has changed since it was read: then nothing is done.
    """
    if connection.dialect.name == "postgresql":  # SQLite's write transaction keeps everybody out as it is
        connection.execute(text("LOCK TABLE lanes, documents IN SHARE ROW EXCLUSIVE MODE"))
    orders = sorted({(row["order_id"], row["plant"]) for row in batch.documents})
    if read_batch(connection, orders, before) != batch:
        return False
    _bury(connection, batch)
    for table, column, rows in (
        (audit, audit.c.id, [row["id"] for row in batch.audit]),
        (postings, postings.c.external_reference, [row["external_reference"] for row in batch.postings]),
        (documents, documents.c.key, [row["key"] for row in batch.documents]),
    ):
        for start in range(0, len(rows), PAGE):
            connection.execute(delete(table).where(column.in_(rows[start : start + PAGE])))
    for row in batch.lanes:
        if not row["order_id"].startswith(ENDLESS):
            connection.execute(delete(lanes).where(*(lanes.c[n] == row[n] for n in ("system", "plant", "order_id"))))
    counts = {"documents": len(batch.documents), "postings": len(batch.postings), "audit": len(batch.audit)}
    connection.execute(insert(archives).values(batch=batch.name, folder=folder, at=at, who=who, **counts))
    return True


def _bury(connection: Connection, batch: Batch) -> None:
    units: dict[str, list[Row]] = defaultdict(list)
    for row in batch.documents:
        units[unit_of(row)].append(row)
    steps: dict[str, list[Row]] = defaultdict(list)
    for step in batch.postings:
        steps[step["document_key"]].append(step)
    of_order = defaultdict(list)
    for lane in batch.lanes:
        of_order[lane["order_id"], lane["plant"]].append(lane)
    rows = []
    for unit, of_unit in units.items():
        ours = [step for row in of_unit for step in steps[row["key"]]]
        its_lanes = of_order[of_unit[0]["order_id"], of_unit[0]["plant"]] if unit.startswith("order|") else []
        rows.append({"unit": unit, "batch": batch.name, "packed": pack(of_unit, ours, its_lanes)})
    connection.execute(insert(tombstones), rows)


__all__ = ["PAGE", "Batch", "move", "next_orders", "old_orders", "read_batch"]
