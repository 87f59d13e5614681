"""Short stock: a posting that the ERP refuses because stock is missing is an open item, posted when stock arrives.

The refused step is over, so that the rest of its order goes on. Its document waits, shown by `millrace status` as
`short stock`, until something that brings stock of its material to its place is booked, and at the latest for
`RETRY_SECONDS`. What is posted then is a new step, of what is missing by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, TextClause, select, update

from millrace.ledger.model import Action, DocumentState, Outcome, Status
from millrace.ledger.neighbour import Neighbour
from millrace.ledger.neighbours import Neighbourhood
from millrace.ledger.tables import UNSETTLED_DOCUMENT, documents, lanes, postings

#: Reason that a connector gives where the ERP refuses a posting because stock is missing.
SHORT_STOCK = "stock_short"
#: What the wait is called in `millrace status`.
RULE = "short stock"
#: Stock may also come by ways that the ledger does not see: asked again after so long.
RETRY_SECONDS = 900
#: Movements that bring stock, and where to.
_BRINGS = {
    "RECEIPT": "storage_location",
    "BY_PRODUCT": "storage_location",
    "RETURN": "storage_location",
    "STATUS_CHANGE": "storage_location",
    "TRANSFER": "to_storage_location",
}


def waits_for_stock(outcome: Outcome) -> bool:
    """Whether a refused posting is an open item: what the ERP could not take back for want of stock is none."""
    refused = outcome.status is Status.REJECTED and outcome.reason == SHORT_STOCK
    return refused and outcome.step.action is Action.BOOK and outcome.step.reverses is None


def hold(connection: Connection, outcomes: Iterable[Outcome], now: int) -> None:
    """Have the documents of refused steps wait; a newer version that came meanwhile goes on at once."""
    for outcome in filter(waits_for_stock, outcomes):
        step = outcome.step
        connection.execute(
            update(documents)
            .where(
                documents.c.key == step.document_key,
                documents.c.revision == step.revision,
                documents.c.reference_version == step.reference_version,
            )
            .values(
                state=DocumentState.WAITING.value,
                waits_for=f"{_place(step.attributes)}: {outcome.detail or SHORT_STOCK} ({RULE})",
                waits_since=now,
            )
        )


def still_short(near: Neighbourhood, document: Neighbour) -> bool:
    """Whether a document that waits for stock was asked for too lately to ask again."""
    if document.state is not DocumentState.WAITING or not str(document.row.waits_for).endswith(f"({RULE})"):
        return False
    asked_at = near.connection.scalar(
        select(postings.c.updated_at)
        .where(
            postings.c.document_key == document.key,
            postings.c.status == Status.REJECTED.value,
            postings.c.reason == SHORT_STOCK,
        )
        .order_by(postings.c.step.desc())
        .limit(1)
    )
    return asked_at is not None and near.now < asked_at + RETRY_SECONDS * 1_000_000


def waiting_for(connection: Connection, outcomes: Iterable[Outcome]) -> set[str]:
    """Keys of the documents that booked steps have brought stock for."""
    found: set[str] = set()
    for plant, place in _brought(outcomes):
        found.update(connection.scalars(select(documents.c.key).where(*_waits(plant, place))))
    return found


def wake(connection: Connection, outcomes: Iterable[Outcome], now: int) -> None:
    """What waits for stock of the material at the place that a booked step has brought some to is posted now.

    Documents are held before, lanes are not: one that another transaction holds is due soon as it is.
    """
    for plant, place in _brought(outcomes):
        woken = connection.execute(
            update(documents)
            .where(*_waits(plant, place))
            .values(state=DocumentState.OPEN.value, waits_for=None, waits_since=None)
            .returning(documents.c.system, documents.c.order_id)
        )
        for system, order_id in {(row.system, row.order_id) for row in woken}:
            key = (lanes.c.system == system, lanes.c.plant == plant, lanes.c.order_id == order_id)
            if connection.execute(select(lanes.c.fence).where(*key).with_for_update(skip_locked=True)).first():
                connection.execute(update(lanes).where(*key).values(due_at=now))


def _brought(outcomes: Iterable[Outcome]) -> Iterator[tuple[str, str]]:
    """Plants, and what of which place there."""
    for outcome in outcomes:
        place = brought_to(outcome)
        if place is not None:
            yield outcome.step.plant, place


def _waits(plant: str, place: str) -> tuple[ColumnElement[bool] | TextClause, ...]:
    return (
        UNSETTLED_DOCUMENT,
        documents.c.state == DocumentState.WAITING.value,
        documents.c.plant == plant,
        documents.c.waits_for.startswith(f"{place}: ", autoescape=True),
        documents.c.waits_for.endswith(f"({RULE})", autoescape=True),
    )


def brought_to(outcome: Outcome) -> str | None:
    """What a booked step has brought stock of, and where to; None where it brought none."""
    step = outcome.step
    where = _BRINGS.get(str(step.attributes.get("movement")))
    if outcome.status is not Status.BOOKED or where is None or step.action is not Action.BOOK:
        return None
    return _place({**step.attributes, "storage_location": step.attributes.get(where)})


def _place(attributes: Mapping[str, Any]) -> str:
    return f"stock of {attributes.get('material')} at {attributes.get('storage_location')}"
