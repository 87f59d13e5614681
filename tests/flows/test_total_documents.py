"""Totals that were given up become the very documents that the flow would have made."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from dataflows.settings import ConfirmationsSettings
from dataflows.total_documents import ReferenceData, TotalDocuments
from millrace.errors import Rejected
from millrace.ledger import DesiredDocument, Ledger
from millrace.ledger.confirmation import desired_document
from millrace.ledger.desk import Desk
from millrace.ledger.letters import LetterFilter
from schemas.codec import Codec
from schemas.contracts import contract
from sinks.ledger import document_records
from tests.flows.memory import SCHEMAS, Consumer, Script, batch, cycle, order, run
from tests.unit.letter_desk import ANN


def settings() -> ConfirmationsSettings:
    return ConfirmationsSettings(window="10m", lateness_s=30, default_zone="UTC")


def ran(orders: list[dict[str, Any]]) -> Consumer:
    """A flow over pieces and scrap of order O1 in several windows."""
    records = [cycle(n, "A", n * 15.0) for n in range(100)]
    records += [cycle(n, "B", n * 15.0, quantity_scrap=Decimal(1), scrap_reason=f"R{n % 2}") for n in range(50)]
    lanes = [[batch("MachineCycle", records[:100], 0, 0), batch("MachineCycle", records[100:], 0, 100)]]
    consumer = Consumer()
    run(settings(), Script(lanes, [batch("WorkOrder", orders, 0, 0)]), consumer)
    return consumer


def references(*orders: dict[str, Any]) -> ReferenceData:
    frame = Codec(contract("WorkOrder"), SCHEMAS).decode(batch("WorkOrder", orders, 0, 0)).frame
    return ReferenceData.of(frame, [])


def wanted(consumer: Consumer) -> dict[str, DesiredDocument]:
    records = document_records(pl.DataFrame(list(consumer.best.values())), "confirmations")
    documents = [desired_document(record) for record in records]
    return {each.key: each for each in documents if each.quantities}


@pytest.fixture
def given_up(tmp_path):
    with Ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        ledger.put_dead_letters(list(ran([order("OTHER")]).letters.values()))
        yield ledger


def test_a_replayed_total_is_the_document_of_the_flow_under_the_same_key_and_revision(given_up: Ledger) -> None:
    desk = Desk(given_up, totals=TotalDocuments("confirmations", references(order("O1"))))
    letters = desk.list(LetterFilter()).letters
    assert {letter.reason for letter in letters} == {"order_unknown"}
    made: dict[str, DesiredDocument] = {}
    for letter in letters:
        [document] = TotalDocuments("confirmations", references(order("O1"))).documents(
            desk.show(letter.event_id).report.letter
        )
        made[document.key] = document
    known = wanted(ran([order("O1")]))
    assert made.keys() == known.keys()
    for key, document in made.items():
        # Origins may stand in another order; everything else is the same to the last digit.
        assert _plain(document) == _plain(known[key])


def _plain(document: DesiredDocument) -> DesiredDocument:
    origins = sorted(document.attributes["origins"], key=str)
    return replace(document, attributes={**document.attributes, "origins": origins})


def test_replaying_totals_resolves_their_letters_and_leaves_one_total_in_the_ledger(given_up: Ledger) -> None:
    desk = Desk(given_up, totals=TotalDocuments("confirmations", references(order("O1"))))
    report = desk.replay(LetterFilter(), ANN)
    assert report.skipped == []
    assert {letter.state for letter in desk.list(LetterFilter()).letters} == {"resolved"}
    given_up.put_desired(wanted(ran([order("O1")])).values())  # the flow gets the order, too
    total = sum(d.document["quantities"]["yield"] for d in given_up.order_report("O1"))
    assert total == Decimal(150)


def test_a_total_whose_order_is_still_unknown_stays_open_and_says_so(given_up: Ledger) -> None:
    desk = Desk(given_up, totals=TotalDocuments("confirmations", references(order("OTHER"))))
    report = desk.replay(LetterFilter(), ANN)
    assert report.done == []
    assert all("still not known" in why for _, why in report.skipped)
    assert {letter.state for letter in desk.list(LetterFilter()).letters} == {"open"}


def test_a_total_that_names_no_order_asks_for_a_report(given_up: Ledger) -> None:
    [letter, *_] = Desk(given_up).list(LetterFilter()).letters
    full = Desk(given_up).show(letter.event_id).report.letter
    nameless = replace(full, payload=full.payload.replace(b'"order_id": "O1"', b'"order_id": ""'))
    with pytest.raises(Rejected, match="report the pieces"):
        TotalDocuments("confirmations", references(order("O1"))).documents(nameless)
