"""Leases on claimed orders: kept while their holder lives, given back, and ended early where it is known to be dead."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, or_, select, update

from millrace.ledger.dialect import among
from millrace.ledger.locks import hold_lanes
from millrace.ledger.model import Status
from millrace.ledger.replica import known_dead
from millrace.ledger.rows import audit_row, step_of
from millrace.ledger.tables import LANE_IN_USE, OPEN_POSTING, audit, lanes, postings

Lane = tuple[str, str]  # plant, order
_LANE_KEY = (lanes.c.plant, lanes.c.order_id)


def extend(connection: Connection, system: str, owner: str, held: Collection[Lane], until: int) -> set[Lane]:
    """Keep the leases on some lanes for longer. Returns those that are still held."""
    if not held:
        return set()
    kept = hold_lanes(connection, lanes.c.system == system, among(_LANE_KEY, held), lanes.c.lease_owner == owner)
    _set(connection, system, kept, lease_until=until)
    return set(kept)


def _set(connection: Connection, system: str, of: Collection[Lane], *those: ColumnElement[bool], **values: Any) -> None:
    """Write lanes that are held, or some of them; no others, which might not come in their order."""
    if of:
        here = (lanes.c.system == system, among(_LANE_KEY, of), *those)
        connection.execute(update(lanes).where(*here).values(**values))


def give_back(connection: Connection, system: str, owner: str, now: int, who: str) -> int:
    """Release all that a replica holds; what is in flight becomes unknown. Returns how many postings.

    For a replica that cannot know whether its claim was written.
    """
    held = hold_lanes(connection, LANE_IN_USE, lanes.c.system == system, lanes.c.lease_owner == owner)
    rows = connection.execute(
        select(postings).where(
            OPEN_POSTING,
            postings.c.system == system,
            among((postings.c.plant, postings.c.order_id), held),
            postings.c.status == Status.IN_FLIGHT.value,
        )
    ).all()
    if rows:
        connection.execute(
            update(postings)
            .where(postings.c.external_reference.in_([row.external_reference for row in rows]))
            .values(status=Status.UNKNOWN.value, next_attempt_at=None, updated_at=now)
        )
        entries = [audit_row(step_of(row), Status.UNKNOWN, now, who, "found in flight") for row in rows]
        connection.execute(insert(audit), entries)
    _set(connection, system, held, lease_owner=None, lease_until=None, due_at=now)
    return len(rows)


def end_of_dead(connection: Connection, system: str, now: int) -> int:
    """End the leases of replicas whose process is known to be dead. Returns how many such replicas."""
    holders = connection.scalars(
        select(lanes.c.lease_owner)
        .where(LANE_IN_USE, lanes.c.system == system, lanes.c.lease_owner.is_not(None), lanes.c.lease_until > now)
        .distinct()
    )
    dead = [holder for holder in holders if known_dead(holder)]
    if dead:
        theirs = hold_lanes(connection, LANE_IN_USE, lanes.c.system == system, lanes.c.lease_owner.in_(dead))
        _set(connection, system, theirs, lease_until=now)
    return len(dead)


def mend(connection: Connection, system: str, now: int, latest_due: int, latest_lease: int) -> None:
    """After the clock was put back: nothing waits, is leased or was sent later than can be."""
    of_lanes = (LANE_IN_USE, lanes.c.system == system)
    put_off, leased = lanes.c.due_at > latest_due, lanes.c.lease_until > latest_lease
    late = hold_lanes(connection, *of_lanes, or_(put_off, leased))
    _set(connection, system, late, put_off, due_at=now)
    _set(connection, system, late, leased, lease_until=latest_lease)
    of_postings = (OPEN_POSTING, postings.c.system == system)
    waits = postings.c.next_attempt_at > latest_due
    connection.execute(update(postings).where(*of_postings, waits).values(next_attempt_at=now))
    connection.execute(update(postings).where(*of_postings, postings.c.sent_at > latest_lease).values(sent_at=now))


__all__ = ["end_of_dead", "extend", "give_back", "mend"]
