"""What the ledger remembers of what became of its postings."""

from __future__ import annotations

from decimal import Decimal

from millrace.ledger import Ledger, Status, queries
from tests.conformance.erp_world import SYSTEM, document
from tests.unit.ledger_desk import book_all, claim, finish, want


def test_a_rejection_makes_a_dead_letter_that_a_booked_revision_resolves(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "1"}))
    finish(ledger, claim(ledger), Status.REJECTED, reason="M7/021", detail="deficit of stock")
    assert ledger.ask(queries.dead_letters_by_reason) == {"M7/021": 1}
    assert claim(ledger) == []
    want(ledger, document(revision=2, **{"yield": "1"}))
    book_all(ledger)
    assert ledger.ask(queries.dead_letters_by_reason) == {}


def test_a_rejection_of_an_old_revision_does_not_hold_up_the_new_one(ledger: Ledger) -> None:
    want(ledger, document(revision=1, **{"yield": "1"}))
    steps = claim(ledger)
    want(ledger, document(revision=2, **{"yield": "2"}))
    finish(ledger, steps, Status.REJECTED, reason="M7/021")
    assert [step.revision for step in book_all(ledger)] == [2]


def test_a_parked_document_waits_for_a_person_whatever_revisions_come(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "1"}))
    finish(ledger, claim(ledger), Status.PARKED, reason="cannot_be_asked")
    want(ledger, document(revision=2, **{"yield": "2"}))
    assert claim(ledger) == []


def test_recording_an_outcome_twice_books_once(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "1"}))
    steps = claim(ledger)
    finish(ledger, steps)
    finish(ledger, steps)
    assert ledger.booked_totals() == {("P1", "1000001", "0010"): {"yield": Decimal(1)}}
    assert ledger.inconsistent() == []


def test_every_change_of_a_posting_is_in_the_audit(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "1"}))
    claim(ledger)
    ledger.recover(SYSTEM)
    book_all(ledger)
    [report] = ledger.order_report("1000001")
    assert [(entry["from_status"], entry["to_status"], entry["who"]) for entry in report.audit] == [
        ("pending", "in_flight", "test"),
        ("in_flight", "unknown", "test"),
        ("unknown", "booked", "test"),
    ]
