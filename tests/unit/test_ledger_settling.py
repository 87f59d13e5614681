"""What comes to rest with its outcome, and what the next claim has to decide."""

from __future__ import annotations

import pytest

from millrace.ledger import Ledger, Status
from millrace.ledger.model import DesiredDocument, DocumentState
from tests.conformance.erp_world import document
from tests.unit.ledger_desk import book_all, claim, finish, want


def plain(revision: int = 1, **more) -> DesiredDocument:
    return document(revision=revision, **{"yield": "5.000", "scrap_X": "0", **more})


def states(ledger: Ledger) -> list[str]:
    return [report.document["state"] for report in ledger.order_report("1000001")]


def due(ledger: Ledger) -> tuple[int, ...]:
    return ledger.due_tiers("sap")


def test_a_document_that_is_booked_as_desired_is_settled_at_once_and_its_order_at_rest(ledger: Ledger) -> None:
    want(ledger, plain())
    finish(ledger, claim(ledger))
    assert (states(ledger), due(ledger)) == ([DocumentState.SETTLED], ())
    want(ledger, plain(revision=2, **{"yield": "6"}))
    assert [step.quantities["yield"] for step in book_all(ledger)] == [1]


def test_a_final_document_is_settled_with_its_flag(ledger: Ledger) -> None:
    want(ledger, plain(final=True))
    finish(ledger, claim(ledger))
    assert (states(ledger), due(ledger)) == ([DocumentState.SETTLED], ())


def test_a_newer_total_that_came_while_an_older_one_was_booked_is_still_booked(ledger: Ledger) -> None:
    want(ledger, plain())
    steps = claim(ledger)
    want(ledger, plain(revision=2, **{"yield": "7"}))
    finish(ledger, steps)
    assert due(ledger) == (1,)
    assert [step.quantities["yield"] for step in book_all(ledger)] == [2]


def test_an_order_with_another_document_stays_due(ledger: Ledger) -> None:
    want(ledger, plain(), document(number=2, **{"yield": "1"}))
    finish(ledger, claim(ledger))
    assert due(ledger) == (1,)
    assert len(book_all(ledger)) == 1
    assert (states(ledger), due(ledger)) == ([DocumentState.SETTLED] * 2, ())


def test_a_document_that_came_new_beside_it_wakes_the_order_again(ledger: Ledger) -> None:
    want(ledger, plain())
    steps = claim(ledger)
    ledger.put_desired([document(number=2, **{"yield": "1"})])
    finish(ledger, steps)
    want(ledger)
    assert len(book_all(ledger)) == 1


@pytest.mark.parametrize("status", [Status.UNKNOWN, Status.ACCEPTED, Status.PENDING])
def test_what_is_not_booked_is_not_settled(ledger: Ledger, status: Status) -> None:
    want(ledger, plain())
    finish(ledger, claim(ledger), status)
    assert (states(ledger), due(ledger)) == ([DocumentState.OPEN], (1,))


def test_less_than_the_erp_can_hold_is_left_to_the_next_claim(ledger: Ledger) -> None:
    want(ledger, plain(**{"yield": "5.0004"}))
    finish(ledger, claim(ledger))
    assert (states(ledger), due(ledger)) == ([DocumentState.OPEN], (1,))
    assert (claim(ledger), states(ledger), due(ledger)) == ([], [DocumentState.SETTLED], ())


def test_a_reversal_is_followed_up_by_the_next_claim(ledger: Ledger) -> None:
    want(ledger, plain())
    book_all(ledger)
    want(ledger, plain(revision=2, **{"yield": "3"}))
    finish(ledger, claim(ledger))
    assert (states(ledger), due(ledger)) == ([DocumentState.OPEN], (1,))
    assert [step.quantities["yield"] for step in book_all(ledger)] == [3]
