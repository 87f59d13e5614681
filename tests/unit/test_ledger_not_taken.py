"""A request under the number of another one is told, and neither taken nor doubled."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select

from millrace.ledger import Ledger, desired
from millrace.ledger.archiving import archive
from millrace.ledger.model import DesiredDocument
from millrace.ledger.tables import alerts, documents
from tests.conformance.erp_world import Clock, document
from tests.unit.archive_case import DAY
from tests.unit.ledger_desk import book_all, want

KEY = "P1||STEEL|RM01|1"
BEFORE, NOW = "2026-03-02T06:10:00+00:00", "2026-06-01T09:00:00+00:00"


def asked(crossed: str = BEFORE, quantity: str | None = "210", revision: int = 1) -> DesiredDocument:
    """The first request of steel; None: withdrawn."""
    quantities = {} if quantity is None else {"quantity": Decimal(quantity)}
    told = {"kind": "ReplenishmentRequest", "sort_key": f"{crossed}|{KEY}", "order_id": "stock:STEEL|RM01"}
    made = replace(document(revision=revision), key=KEY, quantities=quantities, cancelled=quantity is None, **told)
    return replace(made, reference_version=0)


def told(ledger: Ledger) -> list[tuple[str, str, str, str]]:
    with ledger.changing() as connection:
        rows = connection.execute(select(alerts).order_by(alerts.c.id)).all()
    return [(row.kind, row.subject, row.error_class, row.owner) for row in rows]


@pytest.fixture
def owned(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/owned.db", answers_for=lambda kind: f"owner of {kind}")


def test_the_number_of_an_older_crossing_is_told_once_with_its_owner_and_posts_nothing(owned: Ledger) -> None:
    want(owned, asked())
    book_all(owned)
    for _ in range(2):
        want(owned, asked(NOW, "180"))
    assert book_all(owned) == []
    assert told(owned) == [("request_not_taken", KEY, "application", "owner of ReplenishmentRequest")]
    assert owned.inconsistent() == []


def test_a_later_version_of_another_crossing_does_not_withdraw_what_is_booked(ledger: Ledger) -> None:
    want(ledger, asked())
    book_all(ledger)
    want(ledger, asked(NOW, "180"))
    want(ledger, asked(NOW, None, revision=2))
    assert book_all(ledger) == []
    assert [kind for kind, *_ in told(ledger)] == ["request_not_taken"]


def test_another_quantity_of_the_same_crossing_is_told(ledger: Ledger) -> None:
    want(ledger, asked(), asked(quantity="210"))
    want(ledger, asked(quantity="150"))
    assert [step.quantities for step in book_all(ledger)] == [{"quantity": Decimal(210)}]
    assert len(told(ledger)) == 1


def test_the_same_requests_again_and_their_withdrawal_are_told_to_nobody(ledger: Ledger) -> None:
    """Negative control: what a replay from the first record on asks for, and in what order it is heard."""
    for again in (asked(), asked(), asked(quantity=None, revision=2), asked()):
        want(ledger, again)
    assert book_all(ledger) == []
    assert told(ledger) == []


def test_without_the_comparison_the_need_is_silently_not_posted(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    monkeypatch.setattr(desired, "keep_out", lambda _engine, _connection, rows, *_: rows)
    for each in (asked(), asked(NOW, "180")):
        want(ledger, each)
    assert [step.quantities["quantity"] for step in book_all(ledger)] == [210]
    assert told(ledger) == []


def test_an_archived_request_keeps_its_number(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    want(ledger, asked())
    book_all(ledger)
    clock.advance(60 * DAY)
    archive(ledger, tmp_path / "archive", 30, "ann")
    with ledger.changing() as connection:
        assert connection.execute(select(documents)).all() == []
    want(ledger, asked(NOW, "180"))
    assert book_all(ledger) == []
    assert [kind for kind, *_ in told(ledger)] == ["request_not_taken"]
