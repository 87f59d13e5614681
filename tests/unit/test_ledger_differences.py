"""Only the difference between what is wanted and what is booked is posted."""

from __future__ import annotations

from decimal import Decimal

from millrace.ledger import Ledger, queries
from millrace.ledger.difference import difference
from millrace.ledger.model import Action
from tests.conformance.erp_world import document
from tests.unit.ledger_desk import book_all, claim, want


def test_only_the_difference_to_what_is_booked_is_posted(ledger: Ledger) -> None:
    want(ledger, document(revision=1, **{"yield": "5"}))
    book_all(ledger)
    want(ledger, document(revision=2, **{"yield": "7.5"}))
    [step] = book_all(ledger)
    assert (step.step, step.quantities) == (2, {"yield": Decimal("2.5")})
    assert ledger.booked_totals() == {("P1", "1000001", "0010"): {"yield": Decimal("7.5")}}


def test_a_document_with_nothing_to_book_is_settled_without_a_posting(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "0"}))
    assert claim(ledger) == []
    assert ledger.ask(queries.documents_by_state) == {"settled": 1}


def test_setup_time_alone_makes_a_posting(ledger: Ledger) -> None:
    want(ledger, document(setup_time="60"))
    assert [step.quantities for step in claim(ledger)] == [{"setup_time": Decimal(60)}]


def test_a_smaller_total_reverses_the_latest_step_and_posts_the_rest_again(ledger: Ledger) -> None:
    for revision, total in ((1, "10"), (2, "15"), (3, "12")):
        want(ledger, document(revision=revision, **{"yield": total}))
        steps = book_all(ledger)
    assert [(step.action, step.quantities["yield"]) for step in steps] == [
        (Action.REVERSE, Decimal(-5)),
        (Action.BOOK, Decimal(2)),
    ]
    assert steps[0].reverses_document == "1/1"
    assert len({step.external_reference for step in steps}) == 2
    assert ledger.inconsistent() == []


def test_a_reversed_step_is_not_reversed_again(ledger: Ledger) -> None:
    for revision, total in enumerate(("10", "15", "12", "3", "0"), start=1):
        want(ledger, document(revision=revision, **{"yield": total}))
        book_all(ledger)
    reversed_steps = [
        posting["reverses"] for posting in ledger.order_report("1000001")[0].postings if posting["reverses"]
    ]
    assert len(reversed_steps) == len(set(reversed_steps)) == 4
    assert ledger.booked_totals() == {("P1", "1000001", "0010"): {}}


def test_rounding_does_not_accumulate_over_many_steps() -> None:
    quantum = Decimal("0.06")
    booked: dict[str, Decimal] = {}
    for hundredths in range(1, 1000, 7):
        wanted = {"setup_time": Decimal(hundredths) / 100}
        step = difference(wanted, booked, lambda _: quantum)
        booked["setup_time"] = booked.get("setup_time", Decimal(0)) + step.get("setup_time", Decimal(0))
    assert abs(booked["setup_time"] - Decimal("9.95")) <= quantum / 2
