"""Cancelled orders: everything booked is reversed, the latest first and once, and comes back with the order."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from millrace.cli.app import app
from millrace.ledger import Ledger, Status, queries, withdrawals
from millrace.ledger.archiving import archive
from millrace.ledger.model import Action, DesiredDocument
from millrace.ledger.tables import audit, documents, tombstones
from millrace.ledger.withdrawals import OrderStanding
from tests.conformance.erp_world import SYSTEM, Clock, document
from tests.unit.archive_case import DAY, rows
from tests.unit.ledger_desk import book_all, claim, finish, want

ORDER = "1000001"


def standing(version: int = 2, cancelled: bool = True, **values) -> OrderStanding:
    return replace(OrderStanding("P1", ORDER, "ProductionConfirmation", version, cancelled), **values)


def stand(ledger: Ledger, *orders: OrderStanding) -> int:
    changed = ledger.put_desired([], orders)
    ledger.intake(lambda plant, kind: SYSTEM)  # noqa: ARG005
    return changed


def booked(ledger: Ledger) -> dict[str, Decimal]:
    [total] = ledger.booked_totals().values()
    return dict(total)


def two_windows() -> list[DesiredDocument]:
    return [document(1, ORDER, **{"yield": "5"}), document(2, ORDER, **{"yield": "3"})]


def test_all_documents_of_a_cancelled_order_are_reversed_once_the_latest_first(ledger: Ledger) -> None:
    final = replace(document(3, ORDER), final=True)
    want(ledger, *two_windows(), final)
    posted = book_all(ledger)
    assert stand(ledger, standing()) == 3
    back = book_all(ledger)
    assert [(step.action, step.reverses) for step in back] == [
        (Action.REVERSE, step.external_reference) for step in reversed(posted)
    ]
    assert booked(ledger) == {}
    assert (stand(ledger, standing()), book_all(ledger)) == (0, [])
    assert ledger.inconsistent() == []


def test_an_order_that_is_released_again_is_booked_again_without_an_announcement(ledger: Ledger) -> None:
    want(ledger, *two_windows())
    book_all(ledger)
    stand(ledger, standing())
    book_all(ledger)
    assert stand(ledger, standing(3, cancelled=False)) == 2
    assert [step.action for step in book_all(ledger)] == [Action.BOOK, Action.BOOK]
    assert booked(ledger) == {"yield": Decimal(8)}
    assert stand(ledger, standing(2)) == 0, "an older version of the order says nothing any more"


def test_a_withdrawn_document_of_the_flow_and_its_order_reverse_once(ledger: Ledger) -> None:
    first, second = two_windows()
    want(ledger, first, second)
    book_all(ledger)
    stand(ledger, standing())
    ledger.put_desired([replace(first, reference_version=2, cancelled=True)], [standing()])
    assert len(book_all(ledger)) == 2
    want(ledger, replace(first, revision=9, reference_version=2, cancelled=True))
    assert book_all(ledger) == []


def test_an_earlier_life_that_announces_again_is_followed_by_the_order_again(ledger: Ledger) -> None:
    first, _ = two_windows()
    want(ledger, first)
    stand(ledger, standing())
    want(ledger, replace(first, revision=2))
    assert stand(ledger, standing()) == 1
    assert claim(ledger) == []


def test_other_kinds_orders_and_plants_stay(ledger: Ledger) -> None:
    want(ledger, *two_windows())
    others = (standing(kind="GoodsMovement"), standing(order_id="1000002"), standing(plant="P2"))
    assert stand(ledger, *others) == 0
    assert stand(ledger, standing(1)) == 0, "made with that version already"


def test_a_posting_under_way_when_its_order_is_cancelled_is_reversed_afterwards(ledger: Ledger) -> None:
    want(ledger, document(1, ORDER, **{"yield": "5"}))
    steps = claim(ledger)
    stand(ledger, standing())
    finish(ledger, steps)
    [back] = book_all(ledger)
    assert (back.action, back.reverses, booked(ledger)) == (Action.REVERSE, steps[0].external_reference, {})


def test_a_parked_document_of_a_cancelled_order_stays_with_a_person(ledger: Ledger) -> None:
    want(ledger, document(1, ORDER, **{"yield": "5"}))
    finish(ledger, claim(ledger), Status.PARKED, reason="unknown")
    assert stand(ledger, standing()) == 1
    assert ledger.ask(queries.documents_by_state) == {"parked": 1}


def test_an_archived_order_is_brought_back_to_be_reversed_and_only_then(
    ledger: Ledger, clock: Clock, tmp_path: Path
) -> None:
    want(ledger, *two_windows())
    book_all(ledger)
    clock.advance(40 * DAY)
    archive(ledger, tmp_path / "archive", 30, "ann")
    assert stand(ledger, standing(2, cancelled=False)) == stand(ledger, standing(1)) == 0
    assert (rows(ledger, documents), rows(ledger, tombstones)) == (0, 1)
    assert stand(ledger, standing()) == 2
    assert [step.action for step in book_all(ledger)] == [Action.REVERSE, Action.REVERSE]
    assert ledger.inconsistent() == []


def test_the_audit_says_by_which_version_of_the_order_a_document_was_withdrawn(ledger: Ledger) -> None:
    want(ledger, document(1, ORDER, **{"yield": "5"}))
    stand(ledger, standing())
    stand(ledger, standing(3, cancelled=False))
    said = select(audit.c.who, audit.c.to_status, audit.c.why).where(audit.c.external_reference.is_(None))
    assert [tuple(row) for row in ledger.ask(lambda c: c.execute(said).all())] == [
        ("test", "withdrawn", f"order {ORDER} cancelled in version 2"),
        ("test", "counts again", f"order {ORDER} released again in version 3"),
    ]


def test_without_the_order_what_no_flow_announces_again_stays_booked(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    monkeypatch.setattr(withdrawals, "_documents", lambda *ignored: [])  # noqa: ARG005
    want(ledger, *two_windows())
    book_all(ledger)
    stand(ledger, standing())
    assert (book_all(ledger), booked(ledger)) == ([], {"yield": Decimal(8)})


def test_trace_says_that_a_document_is_withdrawn(ledger: Ledger, tmp_path: Path) -> None:
    want(ledger, document(1, ORDER, **{"yield": "5"}))
    stand(ledger, standing())
    command = ["trace", ORDER, "--ledger", f"sqlite:///{tmp_path}/ledger.db"]
    assert "(order version 2), withdrawn: yield 5" in CliRunner().invoke(app, command, env={"COLUMNS": "200"}).stdout
    assert ledger.ask(queries.desired_totals) == {}
