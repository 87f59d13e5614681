"""Documents that come to rest with their outcome, so that nobody has to claim their order once more to find out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from millrace.ledger.dialect import among, orders_alone
from millrace.ledger.model import Action, DocumentState, Outcome, Status
from millrace.ledger.tables import UNSETTLED_DOCUMENT, documents
from millrace.ledger.text import load_quantities

LaneKey = tuple[str, str, str]  # system, plant, order


def settle(connection: Connection, outcomes: Iterable[Outcome]) -> set[LaneKey]:
    """Settle documents of which exactly what is desired is booked, where nothing else of their order is left.

    All others are decided by the next claim, which knows the rules: rounding, dependencies, what is taken back.
    Their booked totals have to be written before, which also keeps newer totals out until the transaction ends.

    Returns:
        Orders in which nothing is left to do.
    """
    booked = [o.step.document_key for o in outcomes if o.status is Status.BOOKED and o.step.action is Action.BOOK]
    plain = [row for row in _candidates(connection, booked) if _is_whole(row)]
    orders = _resting(connection, {(row.plant, row.order_id) for row in plain})
    alone = [row for row in plain if (row.plant, row.order_id) in orders]
    if alone:
        connection.execute(
            update(documents)
            .where(documents.c.key == bindparam("of"))
            .values(state=DocumentState.SETTLED.value, waits_for=None, waits_since=None),
            [{"of": row.key} for row in alone],
        )
    return {(row.system, row.plant, row.order_id) for row in alone}


def _candidates(connection: Connection, keys: Sequence[str]) -> Sequence[Any]:
    """Documents about which there is nothing to decide but their quantities."""
    if not keys:
        return []
    of = documents.c
    return connection.execute(
        select(of.key, of.system, of.plant, of.order_id, of.quantities, of.booked).where(
            of.key.in_(keys),
            of.state == DocumentState.OPEN.value,
            of.reason.is_(None),
            of.cancelled.is_(False),
            of.final == of.booked_final,
        )
    ).all()


def _is_whole(row: Any) -> bool:
    return _without_zeros(load_quantities(row.quantities)) == _without_zeros(load_quantities(row.booked))


def _without_zeros(quantities: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {name: amount for name, amount in quantities.items() if amount}


def _resting(connection: Connection, orders: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Orders (plant, order) with a single document that is not settled, and which no system's poster plans just now."""
    ours = orders_alone(connection, orders) if orders else []
    if not ours:
        return set()
    key = (documents.c.plant, documents.c.order_id)
    found = connection.execute(
        select(*key).where(UNSETTLED_DOCUMENT, among(key, ours)).group_by(*key).having(func.count() == 1)
    )
    return {(row.plant, row.order_id) for row in found}


__all__ = ["settle"]
