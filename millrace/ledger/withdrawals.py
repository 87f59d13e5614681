"""Orders that are cancelled, or released again: all documents of the order follow, also those that no flow keeps.

A withdrawn document keeps the total that it had and wants nothing of it; so an order that comes back wants what it
wanted before, without anybody having to announce it. An archived order is brought back for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, case, insert, or_, select, update

from millrace.ledger.dialect import among
from millrace.ledger.locks import keep_archive_out
from millrace.ledger.model import DocumentState
from millrace.ledger.tables import audit, documents, tombstones
from millrace.ledger.tombstones import archived_documents, restore, unit_of

_AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class OrderStanding:
    """Whether an order takes anything.

    Args:
        plant: ISA-95 Site.
        order_id: Order.
        kind: Contract of the documents that follow.
        version: Version of the order; documents made with it or a later one follow already.
        cancelled: The order is cancelled: its documents are withdrawn; else they count again.
    """

    plant: str
    order_id: str
    kind: str
    version: int
    cancelled: bool

    def concerns(self, document: Any) -> bool:
        """Whether a document (a row, as attributes) has to follow."""
        older = document.kind == self.kind and document.reference_version < self.version
        return bool(older and document.cancelled != self.cancelled)


def apply(connection: Connection, orders: Iterable[OrderStanding], now: int, who: str) -> int:
    """Withdraw documents of cancelled orders, let those of released ones count again. Returns how many changed.

    Idempotent: a document that follows takes over the order's version. What a flow puts with that version or a higher
    one stays as it is.
    """
    newest: dict[tuple[str, str, str], OrderStanding] = {}
    for order in sorted(orders, key=lambda each: each.version):
        newest[order.plant, order.order_id, order.kind] = order
    standings, changed = list(newest.values()), 0
    if standings:
        keep_archive_out(connection)
    for first in range(0, len(standings), _AT_ONCE):
        changed += _apply_some(connection, standings[first : first + _AT_ONCE], now, who)
    return changed


def _apply_some(connection: Connection, orders: Sequence[OrderStanding], now: int, who: str) -> int:
    _bring_back(connection, orders, now, who)
    by_order = {(order.plant, order.order_id, order.kind): order for order in orders}
    found = [(row, by_order.get((row.plant, row.order_id, row.kind))) for row in _documents(connection, orders)]
    concerned = [(row, order) for row, order in found if order is not None and order.concerns(row)]
    if concerned:
        _write(connection, concerned, now)
        connection.execute(insert(audit), [_entry(row, order, now, who) for row, order in concerned])
    return len(concerned)


def _documents(connection: Connection, orders: Sequence[OrderStanding]) -> Sequence[Any]:
    """Documents of the orders, locked; of those that are released only what is withdrawn."""
    of = documents.c
    place = (of.plant, of.order_id)
    cancelled = {(order.plant, order.order_id) for order in orders if order.cancelled}
    return connection.execute(
        select(of.key, of.plant, of.order_id, of.kind, of.reference_version, of.cancelled, of.state)
        .where(among(place, {(order.plant, order.order_id) for order in orders}))
        .where(or_(of.cancelled, among(place, cancelled)))
        .order_by(of.key)
        .with_for_update()
    ).all()


def _write(connection: Connection, concerned: Sequence[tuple[Any, OrderStanding]], now: int) -> None:
    """As a newer total would: a parked posting stays parked, since only a person can say whether it was booked."""
    state = documents.c.state
    connection.execute(
        update(documents)
        .where(documents.c.key == bindparam("of"))
        .values(
            cancelled=bindparam("withdrawn"),
            reference_version=bindparam("version"),
            state=case((state == DocumentState.PARKED.value, state), else_=DocumentState.NEW.value),
            open_since=case((state == DocumentState.SETTLED.value, now), else_=documents.c.open_since),
            updated_at=now,
        ),
        [{"of": row.key, "withdrawn": order.cancelled, "version": order.version} for row, order in concerned],
    )


def _entry(row: Any, order: OrderStanding, now: int, who: str) -> dict[str, Any]:
    what = "cancelled" if order.cancelled else "released again"
    return {
        "document_key": row.key,
        "at": now,
        "who": who,
        "from_status": row.state,
        "to_status": "withdrawn" if order.cancelled else "counts again",
        "why": f"order {order.order_id} {what} in version {order.version}",
    }


def _bring_back(connection: Connection, orders: Sequence[OrderStanding], now: int, who: str) -> None:
    """Archived orders of which a document has to follow."""
    units = defaultdict(list)
    for order in orders:
        units[unit_of({"plant": order.plant, "order_id": order.order_id, "key": ""})].append(order)
    rows = connection.execute(select(tombstones).where(tombstones.c.unit.in_(units)).order_by(tombstones.c.unit))
    for row in rows.all():
        if any(order.concerns(each) for each in archived_documents(row.packed) for order in units[row.unit]):
            why = f"brought back from archive batch {row.batch}"
            restore(connection, row.unit, row.packed, now, who, why)


__all__ = ["OrderStanding", "apply"]
