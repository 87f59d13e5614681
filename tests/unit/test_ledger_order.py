"""In which order the ledger hands out postings, and what the final flag waits for."""

from __future__ import annotations

from decimal import Decimal

from millrace.ledger import Ledger, Status
from tests.conformance.erp_world import SYSTEM, Clock, document
from tests.unit.ledger_desk import book_all, claim, finish, want


def test_one_posting_per_order_is_in_flight_in_the_order_of_the_sort_key(ledger: Ledger) -> None:
    want(ledger, *(document(number, **{"yield": "1"}) for number in (3, 1, 2)))
    seen = []
    for _ in range(3):
        [step] = claim(ledger)
        assert claim(ledger) == []
        finish(ledger, [step])
        seen.append(step.document_key[-1])
    assert seen == ["1", "2", "3"]


def test_orders_are_worked_on_in_parallel_and_urgent_tiers_first(ledger: Ledger) -> None:
    want(
        ledger, *(document(1, f"100000{tier}", tier=tier, **{"yield": "1"}) for tier in (3, 1, 2)),
    )  # fmt: skip
    assert [step.order_id for step in claim(ledger, limit=2)] == ["1000001", "1000002"]


def test_a_rejected_document_blocks_no_other_but_holds_back_the_final_flag(ledger: Ledger) -> None:
    want(ledger, document(1, **{"yield": "1"}), document(2, final=True, **{"yield": "2"}))
    finish(ledger, claim(ledger), Status.REJECTED, reason="M7/021", detail="deficit of stock")
    [step] = claim(ledger)
    assert (step.quantities, step.final) == ({"yield": Decimal(2)}, False)
    finish(ledger, [step])
    assert claim(ledger) == []
    waiting = ledger.order_report("1000001")[1].document
    assert (waiting["state"], waiting["waits_for"]) == ("waiting", "P1|1000001|0010|1")


def test_the_final_flag_follows_when_the_rejected_document_is_mended(ledger: Ledger) -> None:
    want(ledger, document(1, **{"yield": "1"}), document(2, final=True, **{"yield": "2"}))
    finish(ledger, claim(ledger), Status.REJECTED, reason="M7/021")
    book_all(ledger)
    want(ledger, document(1, revision=2, **{"yield": "1"}))
    steps = book_all(ledger)
    assert [(step.document_key[-1], dict(step.quantities), step.final) for step in steps] == [
        ("1", {"yield": Decimal(1)}, False),
        ("2", {}, True),
    ]


def test_the_final_flag_waits_for_later_totals_of_its_operation_only(ledger: Ledger) -> None:
    want(
        ledger,
        document(1, final=True, **{"yield": "1"}),
        document(2, **{"yield": "1"}),
        document(3, operation="0020", **{"yield": "1"}),
    )
    order = [(step.document_key[-1], step.final) for step in book_all(ledger)]
    assert order == [("1", False), ("2", False), ("3", False), ("1", True)]


def test_two_final_documents_of_an_operation_do_not_wait_for_each_other(ledger: Ledger) -> None:
    want(ledger, *(document(number, final=True, **{"yield": "1"}) for number in (1, 2)))
    assert [step.final for step in book_all(ledger)] == [True, True]


def test_what_is_found_in_flight_is_unknown_and_comes_first(ledger: Ledger) -> None:
    want(ledger, document(2, **{"yield": "1"}))
    [step] = claim(ledger)
    want(ledger, document(1, **{"yield": "1"}))
    assert ledger.recover(SYSTEM) == 1
    [again] = claim(ledger)
    assert (again.external_reference, again.status) == (step.external_reference, Status.UNKNOWN)
    assert again.quantities == step.quantities


def test_a_step_is_not_tried_before_its_time(ledger: Ledger, clock: Clock) -> None:
    want(ledger, document(**{"yield": "1"}))
    finish(ledger, claim(ledger), Status.PENDING, next_attempt_at=clock() + 5_000_000, failed=True)
    want(ledger, document(2, **{"yield": "1"}))
    assert claim(ledger) == []
    clock.advance(5)
    [step] = claim(ledger)
    assert (step.document_key[-1], step.attempts, step.failures) == ("1", 1, 1)
