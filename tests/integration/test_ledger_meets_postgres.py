"""Who meets whom in a ledger on PostgreSQL: cancellations the archive, replays, receipts and people the posters."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from millrace.errors import Rejected
from millrace.ledger import Ledger, Status, outcomes, repair, replaying, short_stock, withdrawals
from millrace.ledger.archive import move, read_batch
from millrace.ledger.letter_states import Person
from millrace.ledger.model import DesiredDocument, Outcome
from millrace.ledger.withdrawals import OrderStanding
from tests.conformance.erp_world import Clock, document
from tests.servers import Postgres
from tests.unit.ledger_desk import book_all, claim, finish, want
from tests.unit.replaying_case import put_one

pytestmark = pytest.mark.server
ORDER = "1000001"
CANCELLED = OrderStanding("P1", ORDER, "ProductionConfirmation", 2, cancelled=True)
_NUMBERS = itertools.count()
_WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


@pytest.fixture
def ledger(postgres: Postgres) -> Iterator[Ledger]:
    with Ledger(postgres.create(f"meets_{next(_NUMBERS)}"), clock=Clock()) as ledger:
        yield ledger


def cancel_while_archived(ledger: Ledger) -> int:
    """The order is cancelled while the archive has it in its hands; returns how many documents were withdrawn."""
    want(ledger, document(1, ORDER, **{"yield": "5"}))
    book_all(ledger)
    before = ledger.now() + 10**9
    batch = ledger.ask(partial(read_batch, orders=[(ORDER, "P1")], before=before))
    with ThreadPoolExecutor(1) as thread:
        with ledger.changing() as connection:
            assert move(connection, batch, before, "archive", ledger.now(), "ann")
            cancelling = thread.submit(ledger.put_desired, [], [CANCELLED])
            while not (cancelling.done() or connection.scalar(_WAITING)):
                pass
        return cancelling.result()


def test_an_order_that_is_cancelled_while_it_is_archived_is_withdrawn(ledger: Ledger) -> None:
    assert cancel_while_archived(ledger) == 1
    want(ledger)
    assert [step.action.value for step in book_all(ledger)] == ["reverse"]


def test_without_keeping_the_archive_out_its_documents_stay_booked(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    monkeypatch.setattr(withdrawals, "keep_archive_out", lambda _: None)
    assert cancel_while_archived(ledger) == 0


def meet(ledger: Ledger, act: Callable[[], Any], order: str) -> Any:
    """Hold an order's lane until `act` waits or is over, then its documents, as a claim does."""
    of_order = {"order": order}
    with ThreadPoolExecutor(1) as thread:
        with ledger.changing() as connection:
            connection.execute(text("SELECT fence FROM lanes WHERE order_id = :order FOR UPDATE"), of_order)
            acting = thread.submit(act)
            while not (acting.done() or connection.scalar(_WAITING)):
                pass
            connection.execute(text("SELECT key FROM documents WHERE order_id = :order FOR UPDATE"), of_order)
        return acting.result()


def replay(ledger: Ledger) -> Callable[[], Any]:
    want(ledger, document(1, ORDER, **{"yield": "5"}))
    book_all(ledger)
    return partial(put_one, ledger, document(1, ORDER, **{"yield": "4"}))


def test_a_replay_takes_lanes_before_documents(ledger: Ledger) -> None:
    assert meet(ledger, replay(ledger), ORDER) is replaying.Fate.PUT


def confirm_while_told(ledger: Ledger) -> None:
    """The ERP says that it has a posting at the moment in which a person says so too."""
    want(ledger, document(1, ORDER, **{"yield": "5"}))
    finish(ledger, claim(ledger), Status.UNKNOWN)
    [step] = claim(ledger)
    person = Person("ann", "seen in the ERP")

    def confirm() -> object:
        def write(_engine: Engine, connection: Connection, now: int) -> object:
            return repair.confirm_booked(connection, step.external_reference, "77/1", person, now)

        return ledger.change(write)

    with ThreadPoolExecutor(1) as thread:

        def record(engine: Engine, connection: Connection, now: int) -> Future[object]:
            told = [Outcome(step, Status.BOOKED, erp_document="77/1")]
            outcomes.record_outcomes(engine, connection, told, now, "sap", ledger.replica, str)
            confirming = thread.submit(confirm)
            while not (confirming.done() or connection.scalar(_WAITING)):
                pass
            return confirming

        ledger.change(record).result()


def test_a_posting_is_not_confirmed_by_its_poster_and_by_a_person_as_well(ledger: Ledger) -> None:
    with pytest.raises(Rejected, match="is booked"):
        confirm_while_told(ledger)
    assert ledger.inconsistent() == []


def test_without_a_look_once_the_order_is_held_it_counts_twice(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""

    def looked_before(connection: Connection, name: str, now: int) -> Any:
        found = repair._target(connection, name)
        repair.hold(connection, found[0], now)
        return found

    monkeypatch.setattr(repair, "_held", looked_before)
    monkeypatch.setattr(repair, "_number_is_free", lambda *_: None)  # whoever names another number
    confirm_while_told(ledger)
    assert ledger.inconsistent() == [document(1, ORDER).key]


def movement(kind: str, order: str) -> DesiredDocument:
    told = {"movement": kind, "material": "STEEL", "storage_location": "RM01", "unit": "KGM", "role": kind.lower()}
    amounts = {"quantity": Decimal(5)}
    plain = document(1, order)
    return replace(plain, kind="GoodsMovement", key=f"{order}|{kind}", quantities=amounts, attributes=told)


def receipt(ledger: Ledger) -> Callable[[], Any]:
    """An issue waits for stock that a receipt, which is on its way, brings."""
    want(ledger, movement("ISSUE", ORDER))
    finish(ledger, claim(ledger), Status.REJECTED, reason=short_stock.SHORT_STOCK)
    want(ledger, movement("RECEIPT", "purchase:45"))
    steps = claim(ledger)
    assert [step.order_id for step in steps] == ["purchase:45"]
    return partial(finish, ledger, steps)


def test_a_receipt_waits_for_no_lane_of_what_it_wakes(ledger: Ledger) -> None:
    meet(ledger, receipt(ledger), ORDER)
    ledger.mend("sap", 0)  # whoever held the lane looks again in a while
    assert [step.order_id for step in book_all(ledger)] == [ORDER]


@pytest.mark.parametrize("act", [replay, receipt])
def test_without_the_order_a_poster_waits_in_a_circle_with_it(
    act: Callable[[Ledger], Callable[[], Any]], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    monkeypatch.setattr(replaying, "hold_lanes", lambda *_: [])
    acting = act(ledger)

    def lanes_last(connection: Any, _some: Any, now: int) -> None:
        connection.execute(text("UPDATE documents SET state = 'open' WHERE state = 'waiting'"))
        connection.execute(text("UPDATE lanes SET due_at = :now WHERE order_id = :order"), {"now": now, "order": ORDER})

    monkeypatch.setattr(outcomes.short_stock, "wake", lanes_last)
    with pytest.raises(OperationalError, match="deadlock detected"):
        meet(ledger, acting, ORDER)
