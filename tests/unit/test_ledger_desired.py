"""What the ledger takes in: of each document the highest version, and where it is to be booked."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

from millrace.ledger import DeadLetter, Ledger, queries
from millrace.ledger.confirmation import desired_document
from tests.conformance.erp_world import document
from tests.unit.ledger_desk import RULES, book_all, claim, want


def test_a_higher_revision_replaces_a_lower_one_and_never_the_other_way(ledger: Ledger) -> None:
    assert ledger.put_desired([document(revision=2, **{"yield": "5"})]) == 1
    assert ledger.put_desired([document(revision=1, **{"yield": "9"})]) == 0
    assert ledger.put_desired([document(revision=2, **{"yield": "9"})]) == 0
    [report] = ledger.order_report("1000001")
    assert report.document["quantities"] == {"yield": Decimal(5)}


def test_the_reference_version_breaks_ties_of_the_revision(ledger: Ledger) -> None:
    first = document(**{"yield": "5"})
    ledger.put_desired([first])
    assert ledger.put_desired([dataclasses.replace(first, reference_version=2)]) == 1


def test_within_one_batch_the_highest_version_counts_whatever_the_order(ledger: Ledger) -> None:
    batch = [document(revision=revision, **{"yield": str(revision)}) for revision in (1, 3, 2)]
    assert ledger.put_desired(batch) == 1
    [report] = ledger.order_report("1000001")
    assert report.document["revision"] == 3


def test_documents_without_a_route_stay_and_are_named(ledger: Ledger) -> None:
    ledger.put_desired([document(**{"yield": "1"})])
    assert ledger.intake(lambda plant, kind: None) == [("P1", "ProductionConfirmation")]  # noqa: ARG005
    assert ledger.ask(queries.documents_by_state) == {"new": 1}


def test_what_is_booked_in_one_system_stays_there_when_routes_change(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "1"}))
    book_all(ledger)
    ledger.put_desired([document(revision=2, **{"yield": "3"})])
    ledger.intake(lambda plant, kind: "another")  # noqa: ARG005
    assert ledger.claim("another", 10, RULES) == []
    assert [step.quantities for step in claim(ledger)] == [{"yield": Decimal(2)}]


def test_a_confirmation_record_becomes_a_desired_document() -> None:
    import datetime as dt

    at = dt.datetime(2026, 3, 2, 6, tzinfo=dt.UTC)
    record = {
        "document_key": "k", "plant": "P1", "order_id": "1", "operation": "0010", "work_center": "W",
        "tier": 1, "revision": 4, "reference_version": 2, "window_start": at, "window_end": at,
        "posting_date": at.date(), "unit": "C62", "quantity_yield": Decimal("5.000000"),
        "quantity_rework": Decimal("0.000000"), "setup_time": Decimal(60), "machine_time": Decimal(0),
        "labour_time": Decimal(0), "is_final": True, "correlation_id": None,
        "scrap": [{"reason": "S1", "quantity": Decimal(1)}, {"reason": None, "quantity": Decimal(2)}],
    }  # fmt: skip
    desired = desired_document(record)
    assert desired.quantities == {"yield": 5, "scrap:S1": 1, "scrap:": 2, "setup_time": 60}
    assert (desired.operation, desired.attributes["posting_date"]) == ("0010", "2026-03-02")


def test_of_a_dead_letter_put_twice_the_higher_revision_stays(ledger: Ledger) -> None:
    letter = DeadLetter("e1", 1, "P1", "flow", "TOTAL", "order_unknown", "order 7", revision=2)
    assert ledger.put_dead_letters([letter]) == 1
    assert ledger.put_dead_letters([dataclasses.replace(letter, revision=1)]) == 0
    assert ledger.put_dead_letters([dataclasses.replace(letter, revision=3)]) == 1
    assert ledger.ask(queries.dead_letters_by_reason) == {"order_unknown": 1}
