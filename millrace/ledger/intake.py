"""Routing of new totals to the ERP systems, and of their orders to the posters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from sqlalchemy import Connection, Engine, case, func, or_, select, update

from millrace.ledger.dialect import insert
from millrace.ledger.model import DocumentState
from millrace.ledger.tables import NEW_DOCUMENT, documents, lanes

#: Name of the system for a plant and kind of document; None where none is configured.
Router = Callable[[str, str], str | None]
#: Documents that go in at once. A backlog of thousands must not keep a more urgent one waiting.
AT_ONCE = 2000


class _New(NamedTuple):
    key: str
    system: str
    plant: str
    order_id: str
    tier: int


def intake(engine: Engine, connection: Connection, route: Router, now: int) -> list[tuple[str, str]]:
    """Make new totals postable. Returns the (plant, kind) pairs without a route; these stay new.

    At most `AT_ONCE` documents go in, the most urgent tiers first: what comes in meanwhile waits for them alone.
    Lanes before documents, as `locks` says.
    """
    columns = (documents.c.tier, documents.c.plant, documents.c.kind)
    groups = connection.execute(select(*columns).where(NEW_DOCUMENT).distinct().order_by(*columns)).all()
    unrouted: dict[tuple[str, str], None] = {}
    found: list[_New] = []
    for tier, plant, kind in groups:
        system = route(plant, kind)
        if system is None:
            unrouted[plant, kind] = None
        elif len(found) < AT_ONCE:
            found += _new(connection, (tier, plant, kind), system, AT_ONCE - len(found))
    _wake_lanes(engine, connection, found, now)
    _open(connection, found)
    return list(unrouted)


def _new(connection: Connection, group: tuple[int, str, str], system: str, room: int) -> list[_New]:
    tier, plant, kind = group
    of_group = (NEW_DOCUMENT, documents.c.tier == tier, documents.c.plant == plant, documents.c.kind == kind)
    rows = connection.execute(
        select(documents.c.key, documents.c.system, documents.c.order_id).where(*of_group).limit(room)
    )
    return [_New(row.key, row.system or system, plant, row.order_id, tier) for row in rows]


def _open(connection: Connection, found: Iterable[_New]) -> None:
    """A document that another transaction holds stays new until the next intake."""
    keys: dict[str, list[str]] = defaultdict(list)
    for document in found:
        keys[document.system].append(document.key)
    for system, theirs in keys.items():
        free = select(documents.c.key).where(NEW_DOCUMENT, documents.c.key.in_(theirs))
        connection.execute(
            update(documents)
            .where(NEW_DOCUMENT, documents.c.key.in_(free.with_for_update(skip_locked=True)))
            .values(
                state=DocumentState.OPEN.value,
                system=func.coalesce(documents.c.system, system),
                waits_for=None,
                waits_since=None,
            )
        )


def _wake_lanes(engine: Engine, connection: Connection, found: Iterable[_New], now: int) -> None:
    urgency: dict[tuple[str, str, str], int] = {}
    for document in found:
        lane = (document.system, document.plant, document.order_id)
        urgency[lane] = min(document.tier, urgency.get(lane, document.tier))
    rows = [
        {
            "system": system,
            "plant": plant,
            "order_id": order_id,
            "tier": tier,
            "due_at": now,
            "fence": 0,
        }
        for (system, plant, order_id), tier in sorted(urgency.items())
    ]
    if not rows:
        return
    statement = insert(engine, lanes)
    idle_or_less_urgent = or_(lanes.c.due_at.is_(None), lanes.c.tier > statement.excluded.tier)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[lanes.c.system, lanes.c.plant, lanes.c.order_id],
            set_={
                "tier": case((idle_or_less_urgent, statement.excluded.tier), else_=lanes.c.tier),
                "due_at": statement.excluded.due_at,
            },
        ),
        rows,
    )
