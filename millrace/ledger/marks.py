"""What a claim leaves behind before anything is sent: the lease, and every posting durably in flight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from sqlalchemy import Connection, Row, bindparam, insert, update

from millrace.ledger.model import Status, Step
from millrace.ledger.replica import name_of
from millrace.ledger.rows import audit_row, posting_row
from millrace.ledger.tables import audit, documents, lanes, postings

Lane = tuple[str, str]  # plant, order


class Claimant(Protocol):
    """Who claims, when, and until when."""

    system: str
    now: int
    who: str
    owner: str
    lease_until: int


def mark(connection: Connection, steps: Sequence[Step], held: Mapping[Lane, Row[Any]], by: Claimant) -> list[Step]:
    """Lease the lanes and mark what will be sent as in flight; the steps with their fences.

    A step that another replica left in flight comes out unknown: it may only be asked for.
    """
    out = [_given(step, held[step.plant, step.order_id], by.now) for step in steps]
    lost = [step for step in steps if step.status is Status.IN_FLIGHT]
    sending = [step for step in out if step.status is Status.PENDING]
    _first(connection, [step for step in sending if step.attempts == 0], by.now)
    _again(connection, [step for step in sending if step.attempts > 0], by.now)
    _asked(connection, [step for step in out if step.status is not Status.PENDING], by.now)
    _lease(connection, out, by)
    entries = [audit_row(step, Status.IN_FLIGHT, by.now, by.who, None) for step in sending]
    for step in lost:
        holder = held[step.plant, step.order_id].lease_owner
        why = f"the lease of {name_of(holder)} ended" if holder else "found in flight"
        entries.append(audit_row(step, Status.UNKNOWN, by.now, by.who, why))
    if entries:
        connection.execute(insert(audit), entries)
    return out


def _given(step: Step, lane: Row[Any], now: int) -> Step:
    """The step under its new fence. Whoever lost it may have sent it as late as at the end of the lease."""
    if step.status is not Status.IN_FLIGHT:
        return replace(step, fence=lane.fence + 1, tier=lane.tier)
    sent_at = max(step.sent_at or 0, min(lane.lease_until or now, now))
    return replace(step, fence=lane.fence + 1, tier=lane.tier, status=Status.UNKNOWN, sent_at=sent_at)


def _first(connection: Connection, steps: Sequence[Step], now: int) -> None:
    if not steps:
        return
    connection.execute(insert(postings), [posting_row(step, now) for step in steps])
    connection.execute(
        update(documents).where(documents.c.key == bindparam("of")).values(steps=bindparam("number")),
        [{"of": step.document_key, "number": step.step} for step in steps],
    )


def _again(connection: Connection, steps: Sequence[Step], now: int) -> None:
    if not steps:
        return
    connection.execute(
        update(postings)
        .where(postings.c.external_reference == bindparam("reference"))
        .values(
            status=Status.IN_FLIGHT.value,
            attempts=postings.c.attempts + 1,
            fence=bindparam("claim"),
            sent_at=now,
            updated_at=now,
        ),
        [{"reference": step.external_reference, "claim": step.fence} for step in steps],
    )


def _asked(connection: Connection, steps: Sequence[Step], now: int) -> None:
    """What is asked for stays what it is, except that in flight has become unknown."""
    if not steps:
        return
    connection.execute(
        update(postings)
        .where(postings.c.external_reference == bindparam("reference"))
        .values(status=bindparam("becomes"), fence=bindparam("claim"), sent_at=bindparam("at"), updated_at=now),
        [
            {"reference": s.external_reference, "becomes": s.status.value, "claim": s.fence, "at": s.sent_at}
            for s in steps
        ],
    )


def _lease(connection: Connection, steps: Sequence[Step], by: Claimant) -> None:
    if not steps:
        return
    connection.execute(
        update(lanes)
        .where(
            lanes.c.system == bindparam("of_system"),
            lanes.c.plant == bindparam("of_plant"),
            lanes.c.order_id == bindparam("of_order"),
        )
        .values(lease_owner=by.owner, lease_until=by.lease_until, fence=bindparam("claim")),
        [
            {"of_system": by.system, "of_plant": step.plant, "of_order": step.order_id, "claim": step.fence}
            for step in steps
        ],
    )


__all__ = ["mark"]
