"""Claiming work: one posting per order, the most urgent orders first, marked before anything is sent.

A claim is a lease on the order's lane. Each claim raises the lane's fence, and an outcome counts only under the
fence that its step was given out with: who lost a lease cannot write any more. A lane whose lease has ended is taken
over, and what was in flight in it is asked for before anything else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, TextClause, bindparam, exists, or_, select, tuple_, update

from millrace.ledger.advance import Advance
from millrace.ledger.dialect import among
from millrace.ledger.difference import PostingRules
from millrace.ledger.locks import lock_documents_of
from millrace.ledger.marks import mark
from millrace.ledger.model import Step
from millrace.ledger.neighbours import Neighbourhood
from millrace.ledger.rows import step_of
from millrace.ledger.tables import (
    LANE_IN_USE,
    OPEN_POSTING,
    lanes,
    postings,
)

Lane = tuple[str, str]  # plant, order
_LANE_KEY = (lanes.c.plant, lanes.c.order_id)
#: From the most urgent to the rest.
TIERS = (1, 2, 3)


def free_at(now: int) -> ColumnElement[bool]:
    """Lanes that nobody works on, or whose lease has ended."""
    return or_(lanes.c.lease_owner.is_(None), lanes.c.lease_until <= now)


def due_tiers(connection: Connection, system: str, now: int) -> tuple[int, ...]:
    """Tiers with a lane that may be claimed now."""
    found = connection.execute(select(*(exists().where(*_due_in(system, tier, now)) for tier in TIERS))).one()
    return tuple(tier for tier, is_due in zip(TIERS, found, strict=True) if is_due)


def _due_in(system: str, tier: int, now: int) -> tuple[ColumnElement[bool] | TextClause, ...]:
    of_tier = lanes.c.tier == tier if tier < TIERS[-1] else lanes.c.tier >= tier
    return (LANE_IN_USE, lanes.c.system == system, of_tier, lanes.c.due_at <= now, free_at(now))


@dataclass
class Claims:
    """Work of one round, collected inside one transaction.

    Args:
        connection: Write transaction of the round.
        system: ERP system.
        rules: What planning must know about it.
        now: Microseconds UTC.
        who: Name for the audit.
        owner: Identity of the replica.
        lease_until: When the claims may be taken over, microseconds UTC.
    """

    connection: Connection
    system: str
    rules: PostingRules
    now: int
    who: str
    owner: str
    lease_until: int
    steps: list[Step] = field(default_factory=list)
    _lanes: dict[Lane, Row[Any]] = field(default_factory=dict)
    _put_off: set[Lane] = field(default_factory=set)
    _looked: bool = False
    _dues: list[dict[str, Any]] = field(default_factory=list)

    def take(self, rooms: Mapping[int, int], tiers: Collection[int] = TIERS) -> list[Step]:
        """Claim: PENDING steps are marked in flight, the others are to be asked for.

        Args:
            rooms: By tier: most steps of it and the less urgent tiers together.
            tiers: Tiers to look in.
        """
        left = dict(rooms)
        for tier in sorted(tiers):
            found = self._take_tier(tier, min(left[other] for other in TIERS if other <= tier))
            for other in TIERS:
                left[other] -= found if other <= tier else 0
        self.steps = mark(self.connection, self.steps, self._lanes, self)
        return self.steps

    def _take_tier(self, tier: int, limit: int) -> int:
        before = len(self.steps)
        wanted = limit
        while wanted > 0:
            due = self._due(tier, wanted)
            self._take_lanes(self._held(due))
            more = len(due) == wanted  # fewer: there are no others
            wanted = limit - (len(self.steps) - before) if more else 0
        return len(self.steps) - before

    def _due(self, tier: int, limit: int) -> list[Lane]:
        seen = [lane for lane in self._lanes if lane not in self._put_off]  # the others are due no more
        query = (
            select(*_LANE_KEY, lanes.c.tier, lanes.c.fence, lanes.c.lease_owner, lanes.c.lease_until)
            .where(*_due_in(self.system, tier, self.now))
            .order_by(lanes.c.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)  # SQLite's write transaction keeps the others out as it is
        )
        if seen:
            query = query.where(tuple_(*_LANE_KEY).not_in(seen))
        found = {(row.plant, row.order_id): row for row in self.connection.execute(query)}
        self._lanes.update(found)
        return list(found)

    def _held(self, due: list[Lane]) -> list[Lane]:
        """Those of which no document is written by another transaction; only the first look waits for such."""
        elsewhere = lock_documents_of(self.connection, due, wait=not self._looked)
        self._looked = self._looked or bool(due)
        return [lane for lane in due if lane not in elsewhere]

    def _take_lanes(self, due: list[Lane]) -> None:
        begun = self._take_open_postings(due)
        near = Neighbourhood(self.connection, self.rules, self.now)
        steps, rest = Advance(self.connection, self.system, near).take(lane for lane in due if lane not in begun)
        self.steps += steps
        for lane, due_at in rest.items():
            self._set_due(lane, due_at)
        self._write_dues()

    def _take_open_postings(self, due: list[Lane]) -> set[Lane]:
        """Postings that were begun before go first: nothing overtakes within an order."""
        rows = self.connection.execute(
            select(postings).where(
                OPEN_POSTING,
                postings.c.system == self.system,
                among((postings.c.plant, postings.c.order_id), due),
            )
        ).all()
        for row in rows:
            if (row.next_attempt_at or 0) > self.now:
                self._set_due((row.plant, row.order_id), row.next_attempt_at)
            else:
                self.steps.append(step_of(row))  # found in flight: its claim was lost, see `marks`
        return {(row.plant, row.order_id) for row in rows}

    def _set_due(self, lane: Lane, due_at: int | None) -> None:
        self._put_off.add(lane)
        self._dues.append({"of_plant": lane[0], "of_order": lane[1], "due": due_at})

    def _write_dues(self) -> None:
        if self._dues:
            self.connection.execute(
                update(lanes)
                .where(
                    lanes.c.system == self.system,
                    lanes.c.plant == bindparam("of_plant"),
                    lanes.c.order_id == bindparam("of_order"),
                )
                .values(due_at=bindparam("due"), lease_owner=None, lease_until=None),
                self._dues,
            )
        self._dues = []
