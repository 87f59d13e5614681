"""What stands behind documents goes away, or comes back: they follow, also those that no flow keeps.

An order that is cancelled withdraws its documents. A withdrawn document keeps the total that it had and wants nothing
of it; so an order that comes back wants what it wanted before, without anybody having to announce it. A confirmation
that shows nothing any more leaves nothing of what it implied. An archived order is brought back for either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, bindparam, case, insert, or_, select, update

from millrace.ledger.dialect import among
from millrace.ledger.goods_movement import KIND as MOVEMENT
from millrace.ledger.goods_movement import Implied
from millrace.ledger.locks import keep_archive_out
from millrace.ledger.model import DocumentState
from millrace.ledger.tables import audit, documents, tombstones
from millrace.ledger.text import dump_quantities, payload_hash
from millrace.ledger.tombstones import archived_documents, restore, unit_of

_AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class OrderStanding:
    """Whether an order takes anything.

    Args:
        plant: ISA-95 Site.
        order_id: Order.
        kind: Contract of the documents that follow; of movements those that a confirmation implied.
        version: Version of the order; documents made with it or a later one follow already.
        cancelled: The order is cancelled: its documents are withdrawn; else they count again.
    """

    plant: str
    order_id: str
    kind: str
    version: int
    cancelled: bool

    @property
    def identity(self) -> tuple[str, ...]:
        """What it stands for."""
        return (self.plant, self.order_id, self.kind)

    @property
    def rank(self) -> tuple[int, int]:
        """Of two standings the higher one counts."""
        return (self.version, 0)

    @property
    def looks_at_all(self) -> bool:
        """Whether it may concern documents that are not withdrawn."""
        return self.cancelled

    def concerns(self, document: Any) -> bool:
        """Whether a document (a row, as attributes) has to follow."""
        if document.kind != self.kind or document.cancelled == self.cancelled:
            return False
        if self.kind != MOVEMENT:
            return bool(document.reference_version < self.version)
        implied = Implied.of(document)
        return implied is not None and implied.order_version < self.version

    def changes(self, document: Any) -> dict[str, Any]:
        """Columns of the document that follows: it takes over the order's version."""
        if self.kind != MOVEMENT:
            return {"cancelled": self.cancelled, "reference_version": self.version}
        # The reference version of a movement is a sum, of which the order's is a part that is not known here.
        attributes = Implied.told(document, order_version=self.version)
        return {"cancelled": self.cancelled, **_content(document, document.quantities, attributes)}

    def told(self) -> tuple[str, str]:
        """What the document becomes, and why."""
        what = "cancelled" if self.cancelled else "released again"
        why = f"order {self.order_id} {what} in version {self.version}"
        return ("withdrawn" if self.cancelled else "counts again", why)


@dataclass(frozen=True, slots=True)
class NothingConfirmed:
    """A confirmation without any yield: what an earlier version of it implied is wanted no more.

    Args:
        plant: ISA-95 Site.
        order_id: Order.
        document_key: Key of its document.
        revision: Its version; movements that follow from it or a later one follow already.
        reference_version: Breaks ties of `revision`.
    """

    plant: str
    order_id: str
    document_key: str
    revision: int
    reference_version: int
    kind = MOVEMENT
    looks_at_all = True

    @property
    def identity(self) -> tuple[str, ...]:
        """What it stands for."""
        return (self.document_key,)

    @property
    def rank(self) -> tuple[int, int]:
        """Of two the higher one counts."""
        return (self.revision, self.reference_version)

    def concerns(self, document: Any) -> bool:
        """Whether a document (a row, as attributes) has to follow."""
        implied = Implied.of(document)
        if implied is None or implied.confirmation != self.document_key:
            return False
        return (document.revision, implied.confirmation_version) < self.rank

    def changes(self, document: Any) -> dict[str, Any]:
        """Columns of the document that follows: a total of nothing under the confirmation's revision."""
        attributes = Implied.told(document, confirmation_version=self.reference_version)
        return {"revision": self.revision, **_content(document, dump_quantities({}), attributes)}

    def told(self) -> tuple[str, str]:
        """What the document becomes, and why."""
        return ("nothing", f"revision {self.revision} of {self.document_key} confirms nothing any more")


Standing = OrderStanding | NothingConfirmed


def apply(connection: Connection, standings: Iterable[Standing], now: int, who: str) -> int:
    """Let documents follow what they stand on; of one thing the newest standing counts. Returns how many changed.

    Idempotent: a document that follows takes over the version. What a flow puts with that version or a higher one stays
    as it is.
    """
    newest: dict[tuple[str, ...], Standing] = {}
    for each in sorted(standings, key=lambda standing: standing.rank):
        newest[each.identity] = each
    every, changed = list(newest.values()), 0
    if every:
        keep_archive_out(connection)
    for first in range(0, len(every), _AT_ONCE):
        changed += _apply_some(connection, every[first : first + _AT_ONCE], now, who)
    return changed


def _apply_some(connection: Connection, standings: Sequence[Standing], now: int, who: str) -> int:
    _bring_back(connection, standings, now, who)
    of_order: dict[tuple[str, str], list[Standing]] = defaultdict(list)
    for each in standings:
        of_order[each.plant, each.order_id].append(each)
    changed: list[tuple[str, dict[str, Any]]] = []
    entries: list[dict[str, Any]] = []
    for row in _documents(connection, standings):
        followed, changes = row, {}
        for each in of_order[row.plant, row.order_id]:
            if each.concerns(followed):
                entries.append(_entry(row, each, now, who))
                changes.update(each.changes(followed))
                followed = SimpleNamespace(**{**row._mapping, **changes})
        if changes:
            changed.append((row.key, changes))
    if changed:
        _write(connection, changed, now)
        connection.execute(insert(audit), entries)
    return len(changed)


def _documents(connection: Connection, standings: Sequence[Standing]) -> Sequence[Any]:
    """Documents of the orders, locked; of those that are released only what is withdrawn."""
    of = documents.c
    place = (of.plant, of.order_id)
    every = {(each.plant, each.order_id) for each in standings}
    whole = {(each.plant, each.order_id) for each in standings if each.looks_at_all}
    return connection.execute(
        select(documents)
        .where(among(place, every), of.kind.in_({each.kind for each in standings}))
        .where(or_(of.cancelled, among(place, whole)))
        .order_by(of.key)
        .with_for_update()
    ).all()


def _content(document: Any, quantities: str, attributes: str) -> dict[str, Any]:
    digest = payload_hash(quantities, attributes, str(document.final))
    return {"quantities": quantities, "attributes": attributes, "payload_hash": digest}


def _write(connection: Connection, changed: Sequence[tuple[str, Mapping[str, Any]]], now: int) -> None:
    """As a newer total would: a parked posting stays parked, since only a person can say whether it was booked."""
    state = documents.c.state
    alike: dict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for key, changes in changed:
        alike[tuple(sorted(changes))].append({"of": key, **{f"new_{name}": changes[name] for name in changes}})
    for names, rows in alike.items():
        connection.execute(
            update(documents)
            .where(documents.c.key == bindparam("of"))
            .values(
                **{name: bindparam(f"new_{name}") for name in names},
                state=case((state == DocumentState.PARKED.value, state), else_=DocumentState.NEW.value),
                open_since=case((state == DocumentState.SETTLED.value, now), else_=documents.c.open_since),
                updated_at=now,
            ),
            rows,
        )


def _entry(row: Any, standing: Standing, now: int, who: str) -> dict[str, Any]:
    becomes, why = standing.told()
    return {
        "document_key": row.key,
        "at": now,
        "who": who,
        "from_status": row.state,
        "to_status": becomes,
        "why": why,
    }


def _bring_back(connection: Connection, standings: Sequence[Standing], now: int, who: str) -> None:
    """Archived orders of which a document has to follow."""
    units = defaultdict(list)
    for each in standings:
        units[unit_of({"plant": each.plant, "order_id": each.order_id, "key": ""})].append(each)
    rows = connection.execute(select(tombstones).where(tombstones.c.unit.in_(units)).order_by(tombstones.c.unit))
    for row in rows.all():
        if any(each.concerns(kept) for kept in archived_documents(row.packed) for each in units[row.unit]):
            why = f"brought back from archive batch {row.batch}"
            restore(connection, row.unit, row.packed, now, who, why)


__all__ = ["NothingConfirmed", "OrderStanding", "Standing", "apply"]
