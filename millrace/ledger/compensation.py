"""Taking back what is booked: which step, after which documents, and on which date.

What is booked too high is reversed step by step, the latest first, and what depends on it by a declared rule before
that (it is posted again afterwards). Where an ERP reverses nothing of a kind, a counter posting of the negative amount
is booked, with the posting that it corrects as its link. Where the ERP says that a period is closed, the same amount is
posted in the current one and the date that it should have had is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, select

from millrace.ledger.dependencies import DependencyRule
from millrace.ledger.difference import to_reverse
from millrace.ledger.model import Action, DocumentState, Outcome, Status, Step
from millrace.ledger.neighbour import Neighbour
from millrace.ledger.neighbours import Neighbourhood
from millrace.ledger.rows import step_of
from millrace.ledger.tables import postings
from millrace.ledger.text import Quantities, load_json
from millrace.ledger.waits import is_refused

#: Reason that a connector gives where the ERP refuses a posting because its period is closed.
CLOSED_PERIOD = "closed_period"
#: Attribute with the date that a posting should have had.
ORIGINAL_DATE = "original_posting_date"

#: States of documents that are taken back, for a neighbour that has to be corrected: as a whole, or the final flag.
TAKEN_BACK = (DocumentState.REVERSING, DocumentState.REOPENING)


@dataclass(frozen=True, slots=True)
class Reopen:
    """A settled or waiting document that has to be taken back first.

    Args:
        document: Which.
        state: REVERSING, or REOPENING where its final flag is enough.
        because: What for.
    """

    document: Neighbour
    state: DocumentState
    because: str


def wrong_step(near: Neighbourhood, document: Neighbour, amounts: Quantities) -> Step | None:
    """The booked step to take back next, None where nothing is booked too high.

    Args:
        near: Rules and neighbours.
        document: Whose steps.
        amounts: What is still to be booked, negative where too much is.
    """
    if document.state is DocumentState.REOPENING:
        return _latest(near, document) if document.row.booked_final else None
    if document.row.cancelled or document.state is DocumentState.REVERSING:
        return _latest(near, document)
    if any(amount < 0 for amount in amounts.values()):
        return to_reverse(amounts, standing(near.connection, document.key))
    return None


def _latest(near: Neighbourhood, document: Neighbour) -> Step | None:
    if not document.is_booked:
        return None
    return max(standing(near.connection, document.key), key=lambda step: step.step, default=None)


def standing(connection: Connection, document_key: str) -> list[Step]:
    """Booked steps that no booked reversal has cancelled, with their numbers in the ERP as `reverses_document`."""
    booked = connection.execute(
        select(postings).where(postings.c.document_key == document_key, postings.c.status == Status.BOOKED.value)
    ).all()
    cancelled = {row.reverses for row in booked if row.action == Action.REVERSE.value}
    return [
        replace(step_of(row), reverses_document=row.erp_document)
        for row in booked
        if row.action == Action.BOOK.value and row.external_reference not in cancelled
    ]


def excess(amounts: Quantities) -> Quantities:
    """What a counter posting books: the negative part of the difference."""
    return {name: amount for name, amount in amounts.items() if amount < Decimal(0)}


def dependents(near: Neighbourhood, document: Neighbour) -> Iterator[tuple[DependencyRule, Neighbour]]:
    """Booked documents that by a rule have to be taken back before anything of this one is."""
    dependencies = near.rules.dependencies
    for rule in dependencies.depended_on(document):
        if rule.undo == "dependents_first":
            for other in reversed(near.of_kind(document, rule.document.kind)):
                depends = rule.document.covers(other) and dependencies.waits(rule, other, document)
                if depends and _stands(near, rule, document, other):
                    yield rule, other


def _stands(near: Neighbourhood, rule: DependencyRule, document: Neighbour, other: Neighbour) -> bool:
    """Whether something is booked of it that can be taken back; a flag alone cannot be countered."""
    if other.system != document.system and near.is_being_posted(other):
        return True  # within one system nothing is planned before that has an outcome
    flag = other.row.booked_final and other.kind not in near.rules.counters and other.system == document.system
    return bool(flag if rule.holds == "final" else other.booked or flag)


def reopened(rule: DependencyRule, document: Neighbour, other: Neighbour) -> Reopen | None:
    """How a dependent is taken back; None where only a person or a newer version can help."""
    if other.is_stuck:
        return None
    state = DocumentState.REOPENING if rule.holds == "final" else DocumentState.REVERSING
    return Reopen(other, state, f"{document.key} to be corrected first ({rule.name})")


def undone_by_refusal(near: Neighbourhood, any_of_lane: Neighbour) -> list[Reopen]:
    """Settled documents of a lane that are to be taken back because the ERP refused what belongs to them."""
    found: dict[str, Reopen] = {}
    dependencies = near.rules.dependencies
    for rule in (each for each in dependencies.rules if each.on_reject == "undo"):
        for refused in (other for other in near.unsettled(any_of_lane) if is_refused(rule, other)):
            for other in near.settled(refused, rule.waits_for.kind):
                meant = rule.waits_for.covers(other) and dependencies.waits(rule, refused, other)
                if meant and other.booked:
                    because = f"{refused.key}: rejected ({rule.name})"
                    found[other.key] = Reopen(other, DocumentState.REVERSING, because)
    return list(found.values())


def dated(near: Neighbourhood, document: Neighbour) -> dict[str, Any]:
    """The document's attributes; with a date in the current period where its own was found closed."""
    attributes = document.attributes
    wanted = attributes.get("posting_date")
    if wanted is None or not document.row.steps or not _is_closed(near.connection, document.key, wanted):
        return attributes
    today = near.rules.today(document.row.plant, near.now).isoformat()
    return {**attributes, "posting_date": today, ORIGINAL_DATE: wanted}


def _is_closed(connection: Connection, document_key: str, wanted: str) -> bool:
    refused = connection.scalars(
        select(postings.c.attributes).where(
            postings.c.document_key == document_key,
            postings.c.status == Status.REJECTED.value,
            postings.c.reason == CLOSED_PERIOD,
        )
    )
    dates = (load_json(attributes) for attributes in refused)
    return any(each.get(ORIGINAL_DATE, each.get("posting_date")) == wanted for each in dates)


def moves_to_current_period(outcome: Outcome) -> bool:
    """Whether a refused step is followed by one in the current period; what was moved already is not moved again."""
    attributes = outcome.step.attributes
    closed = outcome.status is Status.REJECTED and outcome.reason == CLOSED_PERIOD
    return closed and bool(attributes.get("posting_date")) and ORIGINAL_DATE not in attributes
