"""Writing what became of postings: status, booked totals, dead letters and audit in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid5

from sqlalchemy import Connection, Engine, bindparam, insert, select, update

from millrace.ledger import alerts, short_stock
from millrace.ledger.compensation import moves_to_current_period
from millrace.ledger.dialect import among
from millrace.ledger.letter_states import put
from millrace.ledger.locks import lock_documents
from millrace.ledger.model import Action, DeadLetter, DocumentState, LetterState, Outcome, Status, Step
from millrace.ledger.reasons import error_class
from millrace.ledger.rows import NAMESPACE, audit_row
from millrace.ledger.settling import LaneKey, settle
from millrace.ledger.tables import audit, documents, lanes, postings
from millrace.ledger.text import add, dump_json, dump_quantities, load_quantities

Fence = tuple[str | None, int]  # who holds the lane, number of the claim


def record_outcomes(
    engine: Engine,
    connection: Connection,
    outcomes: Sequence[Outcome],
    now: int,
    who: str,
    owner: str,
    answers_for: Callable[[str], str],
) -> list[Outcome]:
    """Write a round. Writing it again after a commit whose answer was lost changes nothing.

    Returns:
        Outcomes that were left out because their lane was taken over meanwhile.
    """
    fences = _fences(connection, outcomes)
    fresh = _still_claimed(_newest(outcomes), fences, owner)
    if fresh:
        keys = {outcome.step.document_key for outcome in fresh} | short_stock.waiting_for(connection, fresh)
        lock_documents(connection, keys)
        _write_postings(connection, fresh, now)
        write_booked(connection, [outcome for outcome in fresh if outcome.status is Status.BOOKED])
        _hold_documents(connection, fresh)
        short_stock.hold(connection, fresh, now)
        short_stock.wake(connection, fresh, now)
        letters = [dead_letter(o, now, who, answers_for(o.step.kind)) for o in fresh if _is_given_up(o)]
        put(engine, connection, letters, now, who)
        alerts.put(engine, connection, alerts.of_outcomes(fresh, answers_for), now, who, answers_for)
        entries = [audit_row(_as_sent(o.step), o.status, now, who, o.detail or o.reason) for o in fresh]
        connection.execute(insert(audit), entries)
        _release_lanes(connection, fresh, now, settle(connection, fresh))
    return [o for o in outcomes if _taken_over(fences.get(_lane(o)), owner, o.step.fence)]


def _as_sent(step: Step) -> Step:
    """What was pending when it was claimed has been in flight since."""
    return replace(step, status=Status.IN_FLIGHT) if step.status is Status.PENDING else step


def _lane(outcome: Outcome) -> LaneKey:
    return (outcome.step.system, outcome.step.plant, outcome.step.order_id)


def _newest(outcomes: Iterable[Outcome]) -> Iterable[Outcome]:
    return {outcome.step.external_reference: outcome for outcome in outcomes}.values()


def _fences(connection: Connection, outcomes: Iterable[Outcome]) -> dict[LaneKey, Fence]:
    """Holder and fence of the lanes, which stay locked until the outcomes are written."""
    key = (lanes.c.system, lanes.c.plant, lanes.c.order_id)
    rows = connection.execute(
        select(*key, lanes.c.lease_owner, lanes.c.fence)
        .where(among(key, {_lane(outcome) for outcome in outcomes}))
        .order_by(*key)
        .with_for_update()
    )
    return {(row.system, row.plant, row.order_id): (row.lease_owner, row.fence) for row in rows}


def _still_claimed(outcomes: Iterable[Outcome], fences: Mapping[LaneKey, Fence], owner: str) -> list[Outcome]:
    """Outcomes of steps whose very claim still stands: what comes later must not be written."""
    return [outcome for outcome in outcomes if fences.get(_lane(outcome)) == (owner, outcome.step.fence)]


def _taken_over(held: Fence | None, owner: str, fence: int) -> bool:
    """A lane that is free under the very fence was given back when the outcome was first written."""
    return held not in ((owner, fence), (None, fence))


def _write_postings(connection: Connection, outcomes: Iterable[Outcome], now: int) -> None:
    rows = [
        {
            "reference": outcome.step.external_reference,
            "new_status": outcome.status.value,
            "number": outcome.erp_document,
            "new_reason": outcome.reason,
            "new_detail": outcome.detail or None,
            "due": outcome.next_attempt_at,
            "count": outcome.step.failures + 1 if outcome.failed else outcome.step.failures,
        }
        for outcome in outcomes
    ]
    connection.execute(
        update(postings)
        .where(postings.c.external_reference == bindparam("reference"))
        .values(
            status=bindparam("new_status"),
            erp_document=bindparam("number"),
            reason=bindparam("new_reason"),
            detail=bindparam("new_detail"),
            next_attempt_at=bindparam("due"),
            failures=bindparam("count"),
            updated_at=now,
        ),
        rows,
    )


def write_booked(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """Add what was booked to its documents; a reversal's quantities are negative."""
    if not outcomes:
        return
    steps = {outcome.step.document_key: outcome.step for outcome in outcomes}
    rows = connection.execute(
        select(documents.c.key, documents.c.booked, documents.c.booked_final).where(documents.c.key.in_(steps))
    )
    connection.execute(
        update(documents)
        .where(documents.c.key == bindparam("of"))
        .values(booked=bindparam("total"), booked_final=bindparam("with_final")),
        [_booked_row(row, steps[row.key]) for row in rows],
    )


def _booked_row(row: Any, step: Step) -> dict[str, Any]:
    final = step.action is Action.BOOK if step.final else row.booked_final
    total = add(load_quantities(row.booked), step.quantities)
    return {"of": row.key, "total": dump_quantities(total), "with_final": final}


def _is_given_up(outcome: Outcome) -> bool:
    if moves_to_current_period(outcome) or short_stock.waits_for_stock(outcome):
        return False
    return outcome.status in (Status.REJECTED, Status.PARKED)


def _hold_documents(connection: Connection, outcomes: Iterable[Outcome]) -> None:
    """A rejected version waits for a newer one (or a person), a parked document for a person."""
    for outcome in filter(_is_given_up, outcomes):
        step = outcome.step
        held = update(documents).where(documents.c.key == step.document_key)
        if outcome.status is Status.REJECTED:
            held = held.where(
                documents.c.revision == step.revision,
                documents.c.reference_version == step.reference_version,
            )
            connection.execute(held.values(state=DocumentState.REJECTED.value))
        else:
            connection.execute(held.values(state=DocumentState.PARKED.value))
        connection.execute(
            update(documents)
            .where(documents.c.key == step.document_key)
            .values(reason=outcome.detail or outcome.reason)
        )


def dead_letter(outcome: Outcome, now: int, who: str, owner: str = "") -> DeadLetter:
    """The letter of a document that was given up: one per document, whatever the step."""
    step = outcome.step
    payload = {
        "external_reference": step.external_reference,
        "action": step.action.value,
        "order_id": step.order_id,
        "operation": step.operation,
        "quantities": {name: str(value) for name, value in step.quantities.items()},
        "attributes": dict(step.attributes),
        "final": step.final,
    }
    return DeadLetter(
        event_id=str(uuid5(NAMESPACE, f"dead\n{step.document_key}")),
        event_time=now,
        plant=step.plant,
        source=who,
        kind="POSTING",
        reason=outcome.reason or outcome.status.value,
        detail=outcome.detail,
        topic=step.system,
        payload=dump_json(payload).encode(),
        document_key=step.document_key,
        revision=step.revision,
        correlation_id=step.correlation_id,
        error_class=error_class(outcome.reason or outcome.status.value),
        owner=owner,
        state=LetterState.PARKED if outcome.status is Status.PARKED else LetterState.OPEN,
    )


def _release_lanes(connection: Connection, outcomes: Iterable[Outcome], now: int, resting: set[LaneKey]) -> None:
    connection.execute(
        update(lanes)
        .where(
            lanes.c.system == bindparam("of_system"),
            lanes.c.plant == bindparam("of_plant"),
            lanes.c.order_id == bindparam("of_order"),
        )
        .values(lease_owner=None, lease_until=None, due_at=bindparam("due")),
        [
            {
                "of_system": outcome.step.system,
                "of_plant": outcome.step.plant,
                "of_order": outcome.step.order_id,
                "due": None if _lane(outcome) in resting else outcome.next_attempt_at or now,
            }
            for outcome in outcomes
        ],
    )
