"""What the ledger holds of documents, archived ones too: what a replay is compared with. Nothing is changed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select

from millrace.ledger.tables import WAITING_TOTAL, dead_letters, documents, tombstones
from millrace.ledger.text import Quantities, load_json, load_quantities
from millrace.ledger.tombstones import unit_of

#: Keys of late additions begin with this.
LATE = "late|"
_COLUMNS = (
    *("key", "kind", "plant", "order_id", "operation", "sort_key", "revision", "reference_version"),
    *("tier", "quantities", "attributes", "final", "cancelled", "state"),
)
_MOST = 500


@dataclass(frozen=True, slots=True)
class Standing:
    """A document as the ledger desires it now; fields as in `DesiredDocument`.

    Args:
        state: Where it stands on its way to the ERP.
        archived: It was moved out of the tables, and comes back with its next version.
    """

    key: str
    kind: str
    plant: str
    order_id: str
    operation: str
    sort_key: str
    tier: int
    revision: int
    reference_version: int
    quantities: Quantities
    attributes: Mapping[str, Any]
    final: bool
    cancelled: bool
    state: str
    archived: bool = False

    @property
    def version(self) -> tuple[int, int]:
        """What orders two totals of one key."""
        return (self.revision, self.reference_version)

    @property
    def wants_nothing(self) -> bool:
        """Whether an ERP should show nothing of it."""
        return self.cancelled or not (self.quantities or self.final)


@dataclass(frozen=True, slots=True)
class Which:
    """Documents to look at; what is None does not matter.

    Args:
        kinds: Contracts.
        first: `sort_key` from which on, inclusive.
        until: `sort_key` before which.
        plants: Plants.
        orders: Orders.
    """

    kinds: Collection[str]
    first: str | None = None
    until: str | None = None
    plants: Collection[str] | None = None
    orders: Collection[str] | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """For the database, but for orders, of which there may be more than it takes at once."""
        found: list[ColumnElement[bool]] = [documents.c.kind.in_(list(self.kinds))]
        if self.first is not None:
            found.append(documents.c.sort_key >= self.first)
        if self.until is not None:
            found.append(documents.c.sort_key < self.until)
        if self.plants is not None:
            found.append(documents.c.plant.in_(list(self.plants)))
        return found


def standing_in(connection: Connection, which: Which) -> Iterator[Standing]:
    """Documents of the tables that are meant."""
    query = select(*(documents.c[name] for name in _COLUMNS)).where(*which.conditions())
    for chunk in _chunks(which.orders):
        of_orders = [documents.c.order_id.in_(chunk)] if chunk is not None else []
        for row in connection.execute(query.where(*of_orders)):
            yield _standing(row._mapping)


def archived_of(connection: Connection, orders: Iterable[tuple[str, str]] | None) -> Iterator[Standing]:
    """Archived documents of some orders (plant, order_id), or of all."""
    units = None if orders is None else sorted({unit_of({"plant": p, "order_id": o, "key": ""}) for p, o in orders})
    for chunk in _chunks(units):
        mine = [tombstones.c.unit.in_(chunk)] if chunk is not None else []
        for packed in connection.scalars(select(tombstones.c.packed).where(*mine)):
            for row in json.loads(zlib.decompress(packed))["documents"]:
                yield _standing(row, archived=True)


def waiting_adjustments(connection: Connection) -> dict[str, str]:
    """Plants by keys of late additions that may still become documents of their own."""
    mine = and_(dead_letters.c.document_key >= LATE, dead_letters.c.document_key < f"{LATE[:-1]}}}")
    query = select(dead_letters.c.document_key, dead_letters.c.plant).where(WAITING_TOTAL, mine)
    return {row.document_key: row.plant for row in connection.execute(query)}


def _standing(row: Mapping[Any, Any], *, archived: bool = False) -> Standing:
    values = {name: row[name] for name in _COLUMNS}
    values["quantities"] = load_quantities(values["quantities"])
    values["attributes"] = load_json(values["attributes"])
    return Standing(**values, archived=archived)


def _chunks(values: Collection[str] | None) -> Iterator[Sequence[str] | None]:
    if values is None:
        yield None
        return
    listed = list(values)
    for start in range(0, len(listed), _MOST):
        yield listed[start : start + _MOST]


__all__ = ["LATE", "Standing", "Which", "archived_of", "standing_in", "waiting_adjustments"]
