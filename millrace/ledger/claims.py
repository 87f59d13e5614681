"""Claiming work: one posting per order, the most urgent orders first, marked before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, tuple_, update

from millrace.ledger.difference import PostingRules
from millrace.ledger.model import DocumentState, Status, Step
from millrace.ledger.planning import WaitsFor, next_for
from millrace.ledger.rows import audit_row, posting_row, step_of
from millrace.ledger.tables import (
    LANE_IN_USE,
    OPEN_POSTING,
    UNSETTLED_DOCUMENT,
    audit,
    dead_letters,
    documents,
    lanes,
    postings,
)

Lane = tuple[str, str]  # plant, order
_LANE_KEY = (lanes.c.plant, lanes.c.order_id)


@dataclass
class Claims:
    """Work of one round, collected inside one transaction.

    Args:
        connection: Write transaction of the round.
        system: ERP system.
        rules: What planning must know about it.
        now: Microseconds UTC.
        who: Name for the audit.
    """

    connection: Connection
    system: str
    rules: PostingRules
    now: int
    who: str
    steps: list[Step] = field(default_factory=list)
    _states: list[dict[str, Any]] = field(default_factory=list)
    _dues: list[dict[str, Any]] = field(default_factory=list)

    def take(self, limit: int) -> list[Step]:
        """Up to `limit` steps: PENDING ones are marked in flight, the others are to be asked for."""
        while len(self.steps) < limit and (due := self._due(limit - len(self.steps))):
            self._take_lanes(due)
        self._mark()
        return self.steps

    def _due(self, limit: int) -> list[Lane]:
        claimed = [(step.plant, step.order_id) for step in self.steps]
        query = (
            select(*_LANE_KEY)
            .where(
                LANE_IN_USE,
                lanes.c.system == self.system,
                lanes.c.due_at <= self.now,
                lanes.c.claimed.is_(False),
            )
            .order_by(lanes.c.tier, lanes.c.due_at)
            .limit(limit)
        )
        if claimed:
            query = query.where(tuple_(*_LANE_KEY).not_in(claimed))
        return [(row.plant, row.order_id) for row in self.connection.execute(query)]

    def _take_lanes(self, due: list[Lane]) -> None:
        begun = self._take_open_postings(due)
        todo = [lane for lane in due if lane not in begun]
        while todo:
            heads = self._heads(todo)
            for lane in todo:
                if lane not in heads and not self._take_waiting(lane):
                    self._set_due(lane, None)
            todo = [lane for lane, document in heads.items() if not self._take_document(document)]
            self._write_states()
        self._write_dues()

    def _take_open_postings(self, due: list[Lane]) -> set[Lane]:
        """Postings that were begun before go first: nothing overtakes within an order."""
        rows = self.connection.execute(
            select(postings).where(
                OPEN_POSTING,
                postings.c.system == self.system,
                tuple_(postings.c.plant, postings.c.order_id).in_(due),
            )
        ).all()
        for row in rows:
            if (row.next_attempt_at or 0) > self.now:
                self._set_due((row.plant, row.order_id), row.next_attempt_at)
            else:
                self.steps.append(step_of(row))
        return {(row.plant, row.order_id) for row in rows}

    def _heads(self, todo: list[Lane]) -> dict[Lane, Row[Any]]:
        """First open document of each lane."""
        head = (
            select(documents.c.key)
            .where(
                UNSETTLED_DOCUMENT,
                documents.c.order_id == lanes.c.order_id,
                documents.c.plant == lanes.c.plant,
                documents.c.system == lanes.c.system,
                documents.c.state == DocumentState.OPEN.value,
            )
            .order_by(documents.c.sort_key, documents.c.key)
            .limit(1)
            .correlate(lanes)
            .scalar_subquery()
        )
        keys = self.connection.scalars(
            select(head).select_from(lanes).where(lanes.c.system == self.system, tuple_(*_LANE_KEY).in_(todo))
        ).all()
        rows = self.connection.execute(
            select(documents).where(documents.c.key.in_([key for key in keys if key is not None]))
        )
        return {(row.plant, row.order_id): row for row in rows}

    def _take_waiting(self, lane: Lane) -> bool:
        """With nothing else open in the order, a final flag that waited may be free to go."""
        waiting = self.connection.execute(
            select(documents)
            .where(
                UNSETTLED_DOCUMENT,
                documents.c.plant == lane[0],
                documents.c.order_id == lane[1],
                documents.c.system == self.system,
                documents.c.state == DocumentState.WAITING.value,
            )
            .order_by(documents.c.sort_key, documents.c.key)
        ).all()
        return any(self._take_document(document) for document in waiting)

    def _take_document(self, document: Row[Any]) -> bool:
        """Claim the document's next step; without one, note that it is settled or waits."""
        following = next_for(self.connection, document, self.rules)
        if isinstance(following, Step):
            self.steps.append(following)
            return True
        waits_for = following.document_key if isinstance(following, WaitsFor) else None
        state = DocumentState.WAITING if waits_for else DocumentState.SETTLED
        self._states.append({"of": document.key, "becomes": state.value, "other": waits_for})
        if document.reason is not None:
            self._resolve_dead_letter(document.key)
        return False

    def _resolve_dead_letter(self, document_key: str) -> None:
        self.connection.execute(
            update(dead_letters)
            .where(dead_letters.c.document_key == document_key, dead_letters.c.kind == "POSTING")
            .values(resolved_at=self.now)
        )

    def _set_due(self, lane: Lane, due_at: int | None) -> None:
        self._dues.append({"of_plant": lane[0], "of_order": lane[1], "due": due_at})

    def _write_states(self) -> None:
        if self._states:
            self.connection.execute(
                update(documents)
                .where(documents.c.key == bindparam("of"))
                .values(state=bindparam("becomes"), waits_for=bindparam("other"), reason=None),
                self._states,
            )
        self._states = []

    def _write_dues(self) -> None:
        if self._dues:
            self.connection.execute(
                update(lanes)
                .where(
                    lanes.c.system == self.system,
                    lanes.c.plant == bindparam("of_plant"),
                    lanes.c.order_id == bindparam("of_order"),
                )
                .values(due_at=bindparam("due")),
                self._dues,
            )
        self._dues = []

    def _mark(self) -> None:
        """Everything that will be sent is durably in flight before it is sent."""
        sending = [step for step in self.steps if step.status is Status.PENDING]
        _mark_first(self.connection, [step for step in sending if step.attempts == 0], self.now)
        _mark_again(self.connection, [step for step in sending if step.attempts > 0], self.now)
        _claim_lanes(self.connection, self.system, self.steps)
        if sending:
            entries = [audit_row(step, Status.IN_FLIGHT, self.now, self.who, None) for step in sending]
            self.connection.execute(insert(audit), entries)


def _mark_first(connection: Connection, steps: list[Step], now: int) -> None:
    if not steps:
        return
    connection.execute(insert(postings), [posting_row(step, now) for step in steps])
    connection.execute(
        update(documents).where(documents.c.key == bindparam("of")).values(steps=bindparam("number")),
        [{"of": step.document_key, "number": step.step} for step in steps],
    )


def _mark_again(connection: Connection, steps: list[Step], now: int) -> None:
    if not steps:
        return
    connection.execute(
        update(postings)
        .where(postings.c.external_reference == bindparam("reference"))
        .values(status=Status.IN_FLIGHT.value, attempts=postings.c.attempts + 1, sent_at=now, updated_at=now),
        [{"reference": step.external_reference} for step in steps],
    )


def _claim_lanes(connection: Connection, system: str, steps: list[Step]) -> None:
    if not steps:
        return
    connection.execute(
        update(lanes)
        .where(
            lanes.c.system == bindparam("of_system"),
            lanes.c.plant == bindparam("of_plant"),
            lanes.c.order_id == bindparam("of_order"),
        )
        .values(claimed=True),
        [{"of_system": system, "of_plant": step.plant, "of_order": step.order_id} for step in steps],
    )


def recover(engine_connection: Connection, system: str, now: int, who: str) -> int:
    """What is in flight was sent by a poster that died: make it unknown. Returns how many postings."""
    rows = engine_connection.execute(
        select(postings).where(OPEN_POSTING, postings.c.system == system, postings.c.status == Status.IN_FLIGHT.value)
    ).all()
    if rows:
        engine_connection.execute(
            update(postings)
            .where(OPEN_POSTING, postings.c.system == system, postings.c.status == Status.IN_FLIGHT.value)
            .values(status=Status.UNKNOWN.value, next_attempt_at=None, updated_at=now)
        )
        entries = [audit_row(step_of(row), Status.UNKNOWN, now, who, "found in flight") for row in rows]
        engine_connection.execute(insert(audit), entries)
    engine_connection.execute(
        update(lanes).where(lanes.c.system == system, lanes.c.claimed.is_(True)).values(claimed=False, due_at=now)
    )
    return len(rows)
