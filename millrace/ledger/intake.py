"""Routing of new totals to the ERP systems, and of their orders to the posters."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection, Engine, case, func, or_, select, update

from millrace.ledger.dialect import insert
from millrace.ledger.model import DocumentState
from millrace.ledger.tables import NEW_DOCUMENT, documents, lanes

#: Name of the system for a plant and kind of document; None where none is configured.
Router = Callable[[str, str], str | None]
#: Documents that go in at once. A backlog of thousands must not keep a more urgent one waiting.
AT_ONCE = 2000


def intake(engine: Engine, connection: Connection, route: Router, now: int) -> list[tuple[str, str]]:
    """Make new totals postable. Returns the (plant, kind) pairs without a route; these stay new.

    At most `AT_ONCE` documents go in, the most urgent tiers first: what comes in meanwhile waits for them alone.
    """
    columns = (documents.c.tier, documents.c.plant, documents.c.kind)
    groups = connection.execute(select(*columns).where(NEW_DOCUMENT).distinct().order_by(*columns)).all()
    unrouted: dict[tuple[str, str], None] = {}
    room = AT_ONCE
    for tier, plant, kind in groups:
        system = route(plant, kind)
        if system is None:
            unrouted[plant, kind] = None
        elif room > 0:
            opened = _open(connection, (tier, plant, kind), system, room)
            _wake_lanes(engine, connection, opened, now)
            room -= len(opened)
    return list(unrouted)


def _open(
    connection: Connection, group: tuple[int, str, str], system: str, room: int
) -> list[tuple[str, str, str, int]]:
    tier, plant, kind = group
    of_group = (NEW_DOCUMENT, documents.c.tier == tier, documents.c.plant == plant, documents.c.kind == kind)
    some = select(documents.c.key).where(*of_group).order_by(documents.c.tier).limit(room)
    rows = connection.execute(
        update(documents)
        .where(NEW_DOCUMENT, documents.c.key.in_(some.with_for_update(skip_locked=True)))
        .values(
            state=DocumentState.OPEN.value,
            system=func.coalesce(documents.c.system, system),
            waits_for=None,
            waits_since=None,
        )
        .returning(documents.c.system, documents.c.plant, documents.c.order_id, documents.c.tier)
    )
    return [(row.system, row.plant, row.order_id, row.tier) for row in rows]


def _wake_lanes(engine: Engine, connection: Connection, opened: Iterable[tuple[str, str, str, int]], now: int) -> None:
    urgency: dict[tuple[str, str, str], int] = {}
    for system, plant, order_id, tier in opened:
        lane = (system, plant, order_id)
        urgency[lane] = min(tier, urgency.get(lane, tier))
    rows = [
        {
            "system": system,
            "plant": plant,
            "order_id": order_id,
            "tier": tier,
            "due_at": now,
            "fence": 0,
        }
        for (system, plant, order_id), tier in urgency.items()
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
