"""Documents that name what they require: an archived one, a withdrawn one, and what is taken back."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, select

from millrace.ledger import DesiredDocument, Ledger
from millrace.ledger.archiving import archive
from millrace.ledger.tables import tombstones
from tests.conformance.erp_world import Clock, document
from tests.unit.ledger_desk import want
from tests.unit.test_ledger_dependencies import Desk, movement


@pytest.mark.parametrize(
    ("required", "names_its_order"),
    [
        pytest.param(movement(1, "receipt", order="10|9%"), False, id="an order that the key names"),
        pytest.param(movement(1, "receipt", order="stock:M1|0001"), False, id="a lane of stock, document by document"),
        pytest.param(replace(movement(1, order="1000009"), key="late|goods/0/17"), True, id="a late addition"),
    ],
)
def test_a_document_that_was_booked_and_archived_is_no_longer_waited_for(
    ledger: Ledger, clock: Clock, tmp_path: Path, required: DesiredDocument, names_its_order: bool
) -> None:
    served = Desk(ledger)
    key = required.key.replace("10|9%", "10%7C9%25") if "10|9%" in required.key else required.key
    want(ledger, replace(required, key=key))
    served.book_all()
    clock.advance(40 * 86_400)
    assert archive(ledger, tmp_path / "archive", 30, "ann").documents == 1
    named = {"order_id": "1000009"} if names_its_order else {}
    want(ledger, replace(document(2, **{"yield": "1"}), requires=[{"key": key, **named}]))
    assert served.book_all() == [("2", "book", False)]
    assert ledger.ask(lambda connection: connection.scalar(select(func.count()).select_from(tombstones))) == 1


def test_a_document_that_was_withdrawn_and_archived_is_waited_for(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    """Negative control: being archived alone is not enough."""
    served, receipt = Desk(ledger), movement(1, "receipt", order="1000009")
    want(ledger, receipt)
    served.book_all()
    want(ledger, replace(receipt, revision=2, cancelled=True))
    served.book_all()
    clock.advance(40 * 86_400)
    archive(ledger, tmp_path / "archive", 30, "ann")
    want(ledger, replace(document(2, **{"yield": "1"}), requires=[{"key": receipt.key}]))
    assert served.book_all() == []
    assert served.waits() == {"2": receipt.key}


def test_a_reversal_waits_for_nothing_that_its_document_requires(ledger: Ledger, clock: Clock) -> None:
    receipt = movement(1, "receipt", order="1000009")
    invoice = replace(document(2, **{"yield": "2"}), requires=[{"key": receipt.key}])
    served = Desk(ledger)
    want(ledger, receipt)
    served.book_all()
    want(ledger, invoice)
    served.book_all()
    want(ledger, replace(receipt, revision=2, cancelled=True))
    assert [action for _, action, _ in served.book_all()] == ["reverse"], "the receipt; who requires it is left alone"
    want(ledger, replace(invoice, revision=2, quantities={"yield": Decimal(1)}))
    assert served.book_all() == [("2", "reverse", False)], "what is too much goes, what is still wanted waits"
    assert served.waits() == {"2": receipt.key}
    want(ledger, replace(receipt, revision=3))
    served.book_all()
    clock.advance(61)
    assert served.book_all() == [("2", "book", False)]
    assert ledger.inconsistent() == []
