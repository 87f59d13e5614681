"""Moves orders on: which document of each is next, and what the others wait for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, ScalarSelect, bindparam, func, select, update

from millrace.ledger.compensation import Reopen, undone_by_refusal
from millrace.ledger.dialect import among, orders_alone
from millrace.ledger.letter_states import resolve_posting
from millrace.ledger.model import DocumentState, Step
from millrace.ledger.neighbour import Neighbour
from millrace.ledger.neighbours import Neighbourhood
from millrace.ledger.planning import WaitsFor, next_for
from millrace.ledger.tables import UNSETTLED_DOCUMENT, documents, lanes

Lane = tuple[str, str]  # plant, order
#: States of documents that are looked at whatever else waits.
_ACTIVE = (DocumentState.REVERSING, DocumentState.REOPENING, DocumentState.OPEN)
#: A wait for another lane is looked at again after a quarter of its age, within these bounds (microseconds).
_SOONEST, _LATEST = 2_000_000, 60_000_000


@dataclass
class Advance:
    """One round's decisions about some orders of one system, inside the transaction that claims them.

    Args:
        connection: Write transaction of the round.
        system: ERP system.
        near: Rules, time, and the documents around each.
    """

    connection: Connection
    system: str
    near: Neighbourhood
    _states: list[dict[str, Any]] = field(default_factory=list)
    _moved: set[Lane] = field(default_factory=set)
    _reopened: set[str] = field(default_factory=set)
    _recheck: dict[Lane, int] = field(default_factory=dict)

    def take(self, todo: Iterable[Lane]) -> tuple[list[Step], dict[Lane, int | None]]:
        """Decide.

        Returns:
            The next step of each order that has one, and when to look at each of the others again (None: when
            something is put into it). An order that another system's poster is at just now is in neither: it
            stays due.
        """
        steps: list[Step] = []
        rest: dict[Lane, int | None] = {}
        # Posters of other systems that plan the same order would not see what is decided here.
        left = orders_alone(self.connection, todo) if self.near.rules.dependencies else list(todo)
        while left:
            heads = self._heads(left)
            waits = self._with_waiting([lane for lane in left if lane not in heads])
            again = []
            for lane in left:
                step = self._take_head(heads[lane]) if lane in heads else self._take_waiting(lane, lane in waits)
                if step is not None:
                    steps.append(step)
                elif lane in heads or lane in self._moved:
                    again.append(lane)
                else:
                    rest[lane] = self._recheck.get(lane)
            self._write_states()
            left = again
        return steps, rest

    def _heads(self, todo: list[Lane]) -> dict[Lane, Row[Any]]:
        """First active document of each lane: what is taken back goes before what is posted."""
        first = func.coalesce(*(_first_in(state) for state in _ACTIVE))
        theirs = among((lanes.c.plant, lanes.c.order_id), todo)
        keys = self.connection.scalars(select(first).select_from(lanes).where(lanes.c.system == self.system, theirs))
        rows = self.connection.execute(
            select(documents).where(documents.c.key.in_([key for key in keys if key is not None]))
        )
        return {(row.plant, row.order_id): row for row in rows}

    def _take_head(self, row: Row[Any]) -> Step | None:
        """The step of the first document; of withdrawn ones the last goes first."""
        first = Neighbour(row)
        if not (first.is_withdrawn and first.is_booked):
            return self._take(row)
        withdrawn = [
            other
            for other in self.near.unsettled(first)
            if (other.state, other.system) == (DocumentState.OPEN, self.system)
            and other.is_withdrawn
            and other.is_booked
        ]
        last = max([first, *withdrawn], key=lambda each: (each.row.sort_key, each.key))
        return self._take(last.row)

    def _with_waiting(self, todo: list[Lane]) -> set[Lane]:
        """Orders in which something waits; most have nothing left, and one query tells so for all of them."""
        if not todo:
            return set()
        query = select(documents.c.plant, documents.c.order_id).where(
            UNSETTLED_DOCUMENT,
            among((documents.c.plant, documents.c.order_id), todo),
            documents.c.system == self.system,
            documents.c.state == DocumentState.WAITING.value,
        )
        return {(row.plant, row.order_id) for row in self.connection.execute(query)}

    def _take_waiting(self, lane: Lane, waits: bool) -> Step | None:
        """With nothing else open in the order, what waited may be free to go."""
        self._moved.discard(lane)
        self._recheck.pop(lane, None)
        waiting = [] if not waits else self._waiting(lane)
        for row in waiting:
            step = self._take(row)
            if step is not None or lane in self._moved:  # the others may be free now, or taken back
                return step
        if self.near.rules.dependencies:
            self._undo_for_refused(lane)
        return None

    def _waiting(self, lane: Lane) -> Sequence[Row[Any]]:
        return self.connection.execute(
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

    def _undo_for_refused(self, lane: Lane) -> None:
        some = select(documents).where(
            UNSETTLED_DOCUMENT, documents.c.plant == lane[0], documents.c.order_id == lane[1]
        )
        row = self.connection.execute(some.limit(1)).first()
        if row is not None:
            self._reopen(undone_by_refusal(self.near, Neighbour(row)))

    def _take(self, row: Row[Any]) -> Step | None:
        """The document's next step; without one, note that it is settled or waits."""
        following = next_for(self.near, row)
        if isinstance(following, Step):
            return following
        lane = (row.plant, row.order_id)
        if isinstance(following, WaitsFor):
            if (row.state, row.waits_for) != (DocumentState.WAITING, following.wait.text):
                self._note(row, DocumentState.WAITING, following.wait.text, row.waits_since or self.near.now)
            self._reopen(following.reopen)
            if following.wait.elsewhere:
                self._recheck[lane] = self._later(row.waits_since or self.near.now)
        else:
            self._note(row, DocumentState.SETTLED, None, None)
            self._moved.add(lane)
        if row.reason is not None:
            resolve_posting(self.connection, row.key, self.near.now)
        return None

    def _later(self, since: int) -> int:
        return self.near.now + min(_LATEST, max(_SOONEST, (self.near.now - since) // 4))

    def _reopen(self, wanted: Iterable[Reopen]) -> None:
        """Have documents taken back; each once a round, so that a round ends."""
        for each in wanted:
            other = each.document
            if other.key in self._reopened:
                continue
            self._reopened.add(other.key)
            self._note(other.row, each.state, each.because, other.row.waits_since)
            if other.system == self.system:
                self._moved.add((other.row.plant, other.row.order_id))
            else:
                self._wake(other.row)

    def _wake(self, row: Row[Any]) -> None:
        """Another system's poster has to look; if it is at it just now, the next look of this one wakes it again."""
        key = (lanes.c.system == row.system, lanes.c.plant == row.plant, lanes.c.order_id == row.order_id)
        idle = select(lanes.c.order_id).where(*key, lanes.c.due_at.is_(None)).with_for_update(skip_locked=True)
        if self.connection.scalar(idle) is not None:
            self.connection.execute(update(lanes).where(*key).values(due_at=self.near.now))

    def _note(self, row: Row[Any], state: DocumentState, waits_for: str | None, since: int | None) -> None:
        self._states.append(
            {
                "of": row.key,
                "at_revision": row.revision,
                "at_version": row.reference_version,
                "becomes": state.value,
                "other": waits_for,
                "since": since,
            }
        )

    def _write_states(self) -> None:
        if self._states:
            # A newer total that came between reading and writing stays new.
            self.connection.execute(
                update(documents)
                .where(
                    documents.c.key == bindparam("of"),
                    documents.c.revision == bindparam("at_revision"),
                    documents.c.reference_version == bindparam("at_version"),
                )
                .values(
                    state=bindparam("becomes"),
                    waits_for=bindparam("other"),
                    waits_since=bindparam("since"),
                    reason=None,
                ),
                self._states,
            )
            self.near.forget()
        self._states = []


def _first_in(state: DocumentState) -> ScalarSelect[Any]:
    return (
        select(documents.c.key)
        .where(
            UNSETTLED_DOCUMENT,
            documents.c.order_id == lanes.c.order_id,
            documents.c.plant == lanes.c.plant,
            documents.c.system == lanes.c.system,
            documents.c.state == state.value,
        )
        .order_by(documents.c.sort_key, documents.c.key)
        .limit(1)
        .correlate(lanes)
        .scalar_subquery()
    )
