"""Moves of a poster that does what the ledger says."""

from __future__ import annotations

from decimal import Decimal

from millrace.ledger import Ledger, Status
from millrace.ledger.difference import PostingRules
from millrace.ledger.model import Outcome, Step
from tests.conformance.erp_world import SYSTEM

RULES = PostingRules(lambda name, attributes: Decimal("0.001"), lambda amounts: [amounts])  # noqa: ARG005


def want(ledger: Ledger, *documents) -> None:
    """Put documents in and route them to SYSTEM."""
    ledger.put_desired(documents)
    ledger.intake(lambda plant, kind: SYSTEM)  # noqa: ARG005


def claim(ledger: Ledger, limit: int = 10) -> list[Step]:
    """Take steps that may be posted now."""
    return ledger.claim(SYSTEM, limit, RULES)


def finish(ledger: Ledger, steps: list[Step], status: Status = Status.BOOKED, **more) -> None:
    """Record one outcome for all steps."""
    number = "1/1" if status is Status.BOOKED else None
    ledger.record_outcomes([Outcome(step, status, erp_document=number, **more) for step in steps])


def book_all(ledger: Ledger) -> list[Step]:
    """Book until nothing is left to do; the steps in their order."""
    booked = []
    while steps := claim(ledger):
        finish(ledger, steps)
        booked += steps
    return booked
