"""The crash test's check of order notices what it is there for."""

from __future__ import annotations

from sqlalchemy import update

from millrace.ledger import Ledger
from millrace.ledger.tables import documents
from tests.chaos.full.ordering import out_of_order
from tests.conformance.erp_world import SYSTEM, Clock, document
from tests.unit.ledger_desk import book_all, want


def violations(ledger: Ledger, references: list[str]) -> list[str]:
    entities = [{"ExternalSystemConfirmation": reference} for reference in references]
    return ledger.ask(lambda connection: out_of_order(connection, entities, SYSTEM))


def test_what_the_erp_booked_in_the_ledgers_order_is_in_order(ledger: Ledger) -> None:
    want(ledger, document(1, **{"yield": "1"}), document(2, **{"yield": "2"}))
    references = [step.external_reference for step in book_all(ledger)]
    assert len(references) == 2
    assert violations(ledger, references) == []
    assert violations(ledger, references[::-1]) != []


def test_a_reversal_before_what_it_reverses_is_out_of_order(ledger: Ledger) -> None:
    want(ledger, document(1, **{"yield": "5"}))
    booked = book_all(ledger)
    want(ledger, document(1, revision=2, **{"yield": "3"}))
    references = [step.external_reference for step in (*booked, *book_all(ledger))]
    assert violations(ledger, references) == []
    found = violations(ledger, [references[1], references[0], *references[2:]])
    assert any("reverses what was not booked yet" in sentence for sentence in found)


def test_a_document_that_was_there_first_and_sorts_first_is_not_overtaken(ledger: Ledger, clock: Clock) -> None:
    references = []
    for number in (2, 1):
        want(ledger, document(number, **{"yield": "1"}))
        references += [step.external_reference for step in book_all(ledger)]
        clock.advance(1)
    assert violations(ledger, references) == []
    earlier = {"created_at": 0, "updated_at": 0}
    first = documents.c.key == "P1|1000001|0010|1"
    ledger.ask(lambda connection: connection.execute(update(documents).where(first).values(earlier)))
    assert violations(ledger, references) == ["1000001: P1|1000001|0010|2 overtook P1|1000001|0010|1"]


def test_what_the_ledger_knows_nothing_of_is_told(ledger: Ledger) -> None:
    assert violations(ledger, ["nobody-sent-this"]) == [
        "the ERP holds nobody-sent-this, of which the ledger knows nothing"
    ]
