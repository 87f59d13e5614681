"""Cancelled orders and backflush: what a confirmation implied is taken back with it, however old it is."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from operators.clock import Tick
from operators.movement_documents import MovementConfig, MovementDocuments, MovementsOutput
from operators.movement_reference import MovementReference
from tests.flows.memory import START
from tests.flows.movement_memory import Book, component, confirmed, material, order
from tests.unit.test_movement_state import ALL, BEGIN, HOUR, reference, shard

STEEL = component("STEEL")
ISSUED = {("ISSUE", "STEEL"): Decimal(20)}
#: The window has left the correction horizon.
PAST = Tick(BEGIN + 30 * HOUR, BEGIN + 6 * HOUR)


def cancelled(version: int = 2, *components: dict[str, Any]) -> MovementReference:
    """The order's version that cancels it; it need not name components."""
    at = START + timedelta(hours=30)
    return reference(WorkOrder=[order(*components, version=version, status="CANCELLED", event_time=at)])


def totals(output: MovementsOutput) -> dict[tuple[str, str], Decimal]:
    """What a ledger would desire: of a document the highest version."""
    book = Book()
    for frame in output.movements:
        for row in frame.to_dicts():
            known = book.best.get(row["document_key"])
            version = (row["revision"], row["reference_version"])
            if known is None or (known["revision"], known["reference_version"]) < version:
                book.best[row["document_key"]] = row
    return book.totals()


def running(*ticks: Tick) -> tuple[MovementDocuments, MovementsOutput]:
    """An order with one confirmed window of ten pieces, after some time."""
    known = reference(Material=[material()], WorkOrder=[order(STEEL)], ProductionConfirmation=[confirmed(10, 5)])
    documents, output = shard(known, *ticks)
    assert totals(output) == ISSUED
    return documents, output


@pytest.mark.parametrize("components", [[], [STEEL]])
@pytest.mark.parametrize("ticks", [[], [PAST]])
def test_an_order_that_is_cancelled_takes_back_all_it_used_until_it_is_released_again(
    ticks: list[Tick], components: list[dict[str, Any]]
) -> None:
    documents, output = running(*ticks)
    documents.batch([cancelled(2, *components)], output)
    assert totals(output) == {}
    documents.batch([Tick(BEGIN + 32 * HOUR, BEGIN + 8 * HOUR)], output)
    documents.batch([reference(WorkOrder=[order(STEEL, version=3)])], output)
    assert totals(output) == ISSUED


def test_a_withdrawn_confirmation_takes_back_what_was_forgotten() -> None:
    """The flow of confirmations may keep a window for longer than this one."""
    documents, output = running()
    documents.backflush.confirmed = documents.backflush.confirmed.clear()
    documents.batch([reference(ProductionConfirmation=[confirmed(0, 5, reference_version=2, withdrawn=True)])], output)
    assert totals(output) == {}


@pytest.mark.parametrize("first", ["confirmation", "order"])
def test_what_was_withdrawn_by_its_confirmation_comes_back_with_its_order(first: str) -> None:
    """The window has left the flow of confirmations, which announces it no more."""
    documents, output = running()
    withdrawn = reference(ProductionConfirmation=[confirmed(0, 5, reference_version=2, withdrawn=True)])
    for each in (withdrawn, cancelled()) if first == "confirmation" else (cancelled(), withdrawn):
        documents.batch([each], output)
        assert totals(output) == {}
    documents.batch([reference(WorkOrder=[order(STEEL, version=3)])], output)
    assert totals(output) == ISSUED
    documents.batch([withdrawn], output)
    assert totals(output) == ISSUED, "it is read again"


def test_a_new_bill_corrects_only_what_is_within_the_horizon() -> None:
    documents, output = running(PAST)
    documents.batch([reference(WorkOrder=[order(component("STEEL", 3), version=2)])], output)
    assert totals(output) == ISSUED


def test_what_is_kept_for_its_order_outlives_a_snapshot_and_leaves_with_the_order() -> None:
    before, output = running(PAST)
    documents = MovementDocuments(MovementConfig(ALL))
    documents.restore(before.snapshot())
    documents.batch([cancelled()], output)
    assert totals(output) == {}
    documents.batch([Tick(BEGIN + 60 * HOUR, BEGIN + 36 * HOUR)], output)
    state = documents.backflush
    assert (state.confirmed.height, state.orders.height, state.bill.height) == (0, 0, 0)
