"""Movements that a confirmation implied follow it and its order, whatever their own version says."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import select

from millrace.ledger import Ledger
from millrace.ledger.archiving import archive
from millrace.ledger.model import Action, DesiredDocument
from millrace.ledger.tables import audit, documents
from millrace.ledger.withdrawals import NothingConfirmed, OrderStanding, Standing
from tests.conformance.erp_world import SYSTEM, Clock, document
from tests.unit.archive_case import DAY, rows
from tests.unit.ledger_desk import book_all, want

ORDER = "1000001"
SOURCE = f"P1|{ORDER}|0010|WC||1"
CANCELLED = OrderStanding("P1", ORDER, "GoodsMovement", 2, cancelled=True)
NOTHING = NothingConfirmed("P1", ORDER, SOURCE, 6, 1)


def issue(**values: Any) -> DesiredDocument:
    """Twenty kilograms, by revision 5 of the confirmation and version 1 of everything: the sum of four versions."""
    made = document(1, ORDER, 5, quantity="20")
    attributes = {**made.attributes, "role": "issue", "order_version": 1, "confirmation_version": 1}
    named = {"key": f"{SOURCE}|backflush|0001|STEEL|RM01", "kind": "GoodsMovement", "correlation_id": SOURCE}
    return replace(made, **{**named, "reference_version": 4, "attributes": attributes, **values})


def stand(ledger: Ledger, *standings: Standing) -> int:
    changed = ledger.put_desired([], standings)
    ledger.intake(lambda plant, kind: SYSTEM)  # noqa: ARG005
    return changed


def test_an_issue_is_reversed_with_its_confirmation_once_and_by_nothing_older(ledger: Ledger) -> None:
    want(ledger, issue())
    book_all(ledger)
    assert stand(ledger, replace(NOTHING, revision=4)) == stand(ledger, replace(NOTHING, revision=5)) == 0
    assert stand(ledger, NOTHING) == 1
    assert [step.action for step in book_all(ledger)] == [Action.REVERSE]
    assert stand(ledger, NOTHING) == 0
    want(ledger, issue())
    assert book_all(ledger) == [], "an earlier life announces again what is over"
    want(ledger, issue(revision=7))
    assert [step.quantities for step in book_all(ledger)] == [{"quantity": Decimal(20)}]


def test_an_issue_follows_its_order_though_its_own_version_is_a_higher_sum(ledger: Ledger) -> None:
    want(ledger, issue())
    book_all(ledger)
    assert stand(ledger, CANCELLED) == 1
    assert [step.action for step in book_all(ledger)] == [Action.REVERSE]
    assert stand(ledger, replace(CANCELLED, version=3, cancelled=False)) == 1
    assert [step.action for step in book_all(ledger)] == [Action.BOOK]
    assert stand(ledger, CANCELLED) == 0, "an older version of the order"


def test_order_and_confirmation_together_are_both_heeded(ledger: Ledger) -> None:
    want(ledger, issue())
    book_all(ledger)
    assert stand(ledger, CANCELLED, NOTHING) == 1
    assert len(book_all(ledger)) == 1
    assert stand(ledger, replace(CANCELLED, version=3, cancelled=False)) == 1
    assert book_all(ledger) == [], "nothing is confirmed, whatever the order says"
    whys = select(audit.c.to_status).where(audit.c.external_reference.is_(None))
    assert list(ledger.ask(lambda c: c.scalars(whys).all())) == ["withdrawn", "nothing", "counts again"]


def test_what_an_earlier_release_made_follows_too(ledger: Ledger) -> None:
    """It says no versions of order and confirmation."""
    plain = {"operation": "0010", "role": "issue"}
    want(ledger, issue(attributes=plain))
    assert stand(ledger, NOTHING) == 1
    want(ledger, issue(attributes=plain, key=f"{SOURCE}|backflush|0002|PAINT|RM01"))
    assert stand(ledger, CANCELLED) == 2


def test_reported_consumption_of_the_order_stays(ledger: Ledger) -> None:
    """Even where a batch is called as what marks the implied ones."""
    other = f"P1|{ORDER}|0010|WC||2"
    want(
        ledger,
        issue(key=f"P1|{ORDER}|0010|ISSUE|STEEL|B1|RM01|2026-03-02T06:00:00Z", correlation_id=None),
        issue(key=f"P1|{ORDER}|0010|ISSUE|STEEL|backflush|RM01|2026-03-02T06:00:00Z", correlation_id=None),
    )
    assert stand(ledger, CANCELLED, NOTHING) == 0
    want(ledger, issue(key=f"{other}|backflush|0001|STEEL|RM01", correlation_id=other))
    assert stand(ledger, NOTHING) == 0, "another confirmation"


def test_an_archived_order_is_brought_back_for_it(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    want(ledger, issue())
    book_all(ledger)
    clock.advance(40 * DAY)
    archive(ledger, tmp_path / "archive", 30, "ann")
    assert stand(ledger, replace(NOTHING, revision=5)) == 0
    assert rows(ledger, documents) == 0
    assert stand(ledger, NOTHING) == 1
    assert [step.action for step in book_all(ledger)] == [Action.REVERSE]
    assert ledger.inconsistent() == []
