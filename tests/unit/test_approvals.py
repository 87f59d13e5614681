"""Requests above a value wait for a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from millrace.cli.app import app
from millrace.errors import Misconfigured, Rejected
from millrace.ledger import Ledger, requisition
from millrace.ledger.desk import Desk
from millrace.ledger.difference import PostingRules
from millrace.ledger.letter_states import Person
from millrace.ledger.model import Step
from millrace.ledger.tables import audit, documents
from tests.flows.stock_records import at

RULES = PostingRules(lambda _name, _attributes: Decimal("0.001"), lambda amounts: [amounts])
KEY = "P1||STEEL|RM01|1"
ANN = Person("ann", "the press needs it")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", who="test") as opened:
        yield opened


def request(value: int | None = 420, **values: Any) -> dict[str, Any]:
    """A request that needs approval."""
    told = {"document_key": KEY, "plant": "P1", "material": "STEEL", "storage_location": "RM01", "tier": 2}
    counted = {"revision": 1, "reference_version": 0, "withdrawn": False, "quantity": Decimal(210), "unit": "KGM"}
    worth = {"value": None if value is None else Decimal(value), "currency": "EUR" if value else ""}
    when = {"crossed_at": at(10), "delivery_date": date(2026, 3, 6)}
    return {**told, **counted, **worth, **when, "approval_required": True, "approved_by": None, **values}


def put(ledger: Ledger, **values: Any) -> None:
    ledger.put_desired([requisition.desired_document(request(**values))])


def claimed(ledger: Ledger) -> list[Step]:
    """What a poster would send now."""
    ledger.intake(lambda _plant, _kind: "erp")
    ledger.change(lambda _e, connection, _now: connection.exec_driver_sql("UPDATE lanes SET due_at = 0"))
    return list(ledger.claim("erp", 10, RULES))


def row(ledger: Ledger) -> Any:
    return ledger.ask(lambda connection: connection.execute(select(documents)).one())


def test_a_request_waits_until_it_is_approved(ledger: Ledger) -> None:
    """The poster leaves it alone; once approved, it is posted with the name of who approved."""
    put(ledger)
    assert claimed(ledger) == []
    assert (row(ledger).state, row(ledger).waits_for) == ("waiting", "approval (value 420 EUR)")
    Desk(ledger).approve(KEY, ANN)
    (step,) = claimed(ledger)
    assert step.attributes["approved_by"] == "ann"
    told = ledger.ask(lambda connection: connection.execute(select(audit.c.who, audit.c.to_status, audit.c.why)).all())
    assert ("ann", "approved", "the press needs it") in [tuple(each) for each in told]


def test_a_value_that_is_not_known_waits_too(ledger: Ledger) -> None:
    put(ledger, value=None)
    assert claimed(ledger) == []
    assert row(ledger).waits_for == "approval (value not known)"


def test_a_request_below_the_value_is_posted_at_once(ledger: Ledger) -> None:
    put(ledger, approval_required=False)
    assert len(claimed(ledger)) == 1


def test_a_refused_request_is_not_posted_until_it_is_asked_for_again(ledger: Ledger) -> None:
    put(ledger)
    claimed(ledger)
    Desk(ledger).refuse(KEY, Person("bob", "too dear"))
    assert claimed(ledger) == []
    assert (row(ledger).state, row(ledger).reason) == ("rejected", "not approved by bob: too dear")
    with pytest.raises(Rejected, match="awaits no approval"):
        Desk(ledger).approve(KEY, ANN)
    Desk(ledger).retry(KEY, ANN)
    assert claimed(ledger) == []
    Desk(ledger).approve(KEY, ANN)
    assert len(claimed(ledger)) == 1


def test_a_newer_version_has_to_be_approved_anew(ledger: Ledger) -> None:
    """What was approved is what was said then; the same version, announced again, changes nothing."""
    put(ledger)
    Desk(ledger).approve(KEY, ANN)
    put(ledger)
    assert "ann" in row(ledger).attributes
    put(ledger, revision=2, quantity=Decimal(900))
    assert claimed(ledger) == []


def test_approving_before_the_poster_has_seen_it_is_enough(ledger: Ledger) -> None:
    put(ledger)
    Desk(ledger).approve(KEY, ANN)
    assert len(claimed(ledger)) == 1


def test_what_is_no_document_cannot_be_approved(ledger: Ledger) -> None:
    with pytest.raises(Misconfigured, match="no such document"):
        Desk(ledger).approve("P1||GHOST|RM01|1", ANN)


def test_the_command_approves_and_says_what_it_left_out(ledger: Ledger, tmp_path: Path) -> None:
    put(ledger)
    url = ["--ledger", f"sqlite:///{tmp_path / 'ledger.db'}", "--reason", "needed", "--who", "ann"]
    done = CliRunner().invoke(app, ["post", "approve", KEY, *url])
    assert (done.exit_code, done.stdout) == (0, f"document {KEY}: awaiting approval to approved\n")
    again = CliRunner().invoke(app, ["post", "reject", KEY, *url])
    assert again.exit_code == 1
    assert "awaits no approval" in again.stdout
