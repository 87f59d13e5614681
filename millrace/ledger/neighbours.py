"""Documents of the orders that are worked on in a round, read when a rule asks for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select

from millrace.ledger.difference import PostingRules
from millrace.ledger.model import DocumentState
from millrace.ledger.neighbour import Neighbour
from millrace.ledger.tables import OPEN_POSTING, UNSETTLED_DOCUMENT, documents, postings, tombstones
from millrace.ledger.tombstones import archived_documents, possible_units

_Lane = tuple[str, str]


@dataclass
class Neighbourhood:
    """What planning goes by in one round: rules, time, and neighbours by order.

    Args:
        connection: Transaction of the round.
        rules: What planning must know about the ERP.
        now: Microseconds UTC.
    """

    connection: Connection
    rules: PostingRules
    now: int
    _unsettled: dict[_Lane, list[Neighbour]] = field(default_factory=dict)

    def unsettled(self, document: Neighbour) -> list[Neighbour]:
        """Neighbours with something to do, in the order of their places."""
        lane = _lane(document)
        if lane not in self._unsettled:
            self._unsettled[lane] = self._read(document, UNSETTLED_DOCUMENT)
        return self._unsettled[lane]

    def settled(self, document: Neighbour, kind: str) -> list[Neighbour]:
        """Neighbours of one kind with nothing to do."""
        return self._read(document, and_(documents.c.kind == kind, documents.c.state == DocumentState.SETTLED.value))

    def of_kind(self, document: Neighbour, kind: str) -> list[Neighbour]:
        """All neighbours of one kind."""
        return self._read(document, documents.c.kind == kind)

    def by_key(self, key: str) -> Neighbour | None:
        """A document wherever it is."""
        row = self.connection.execute(select(documents).where(documents.c.key == key)).one_or_none()
        return None if row is None else Neighbour(row)

    def archived(self, key: str, document: Neighbour, order_id: str) -> Neighbour | None:
        """An archived document, from the tombstone of its order.

        Its order is the one that its key names, the one given, or that of the document that asks.
        """
        units = possible_units(key, str(document.row.plant), (order_id, str(document.row.order_id)))
        packed = self.connection.scalars(select(tombstones.c.packed).where(tombstones.c.unit.in_(units)))
        found = (row for unit in packed for row in archived_documents(unit) if row.key == key)
        return next((Neighbour(row) for row in found), None)

    def is_being_posted(self, document: Neighbour) -> bool:
        """Whether a posting of it may still be booked."""
        row = document.row
        key = select(postings.c.external_reference).where(
            OPEN_POSTING,
            postings.c.system == row.system,
            postings.c.order_id == row.order_id,
            postings.c.document_key == row.key,
        )
        return self.connection.scalar(key.limit(1)) is not None

    def forget(self) -> None:
        """Something was written."""
        self._unsettled.clear()

    def _read(self, document: Neighbour, condition: Any) -> list[Neighbour]:
        of_lane: ColumnElement[bool] = and_(
            documents.c.order_id == document.row.order_id, documents.c.plant == document.row.plant
        )
        rows = self.connection.execute(select(documents).where(condition, of_lane))
        return sorted((Neighbour(row) for row in rows), key=lambda each: each.place)


def _lane(document: Neighbour) -> _Lane:
    return (str(document.row.plant), str(document.row.order_id))
