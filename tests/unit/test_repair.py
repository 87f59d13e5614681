"""What people do to postings: try again, park, say that the ERP has it; never behind a poster's back."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from millrace.errors import Misconfigured, Rejected, Retriable
from millrace.ledger import Ledger, Status, queries
from millrace.ledger.desk import Desk
from tests.conformance.erp_world import SYSTEM, Clock, document
from tests.unit.ledger_desk import book_all, claim, finish, want
from tests.unit.letter_desk import ANN, one

KEY = "P1|1000001|0010|1"


def states(ledger: Ledger) -> tuple[str, list[str]]:
    [report] = ledger.order_report("1000001")
    return report.document["state"], [posting["status"] for posting in report.postings]


def letter(ledger: Ledger) -> str:
    from millrace.ledger.letters import LetterFilter

    [found] = Desk(ledger).list(LetterFilter(kinds=("POSTING",))).letters
    return found.event_id


def given_up(ledger: Ledger, status: Status, **amounts: str) -> str:
    """A document whose first posting was given up; returns the posting's reference."""
    want(ledger, document(**(amounts or {"yield": "5"})))
    steps = claim(ledger)
    finish(ledger, steps, status, reason="M7/021" if status is Status.REJECTED else "cannot_be_asked")
    return steps[0].external_reference


def take_in(ledger: Ledger) -> None:
    ledger.intake(lambda _plant, _kind: SYSTEM)


def test_a_rejected_document_is_planned_anew_under_a_new_reference(ledger: Ledger) -> None:
    reference = given_up(ledger, Status.REJECTED)
    change = Desk(ledger).retry(KEY, ANN)
    assert (change.before, change.after) == ("rejected", "new")
    take_in(ledger)
    [step] = book_all(ledger)
    assert step.external_reference != reference
    assert states(ledger) == ("settled", ["rejected", "booked"])
    assert one(ledger, letter(ledger)).state == "resolved"


def test_a_refused_document_s_letter_names_who_answers_for_its_kind(tmp_path: Path, clock: Clock) -> None:
    with Ledger(f"sqlite:///{tmp_path}/owned.db", clock=clock, answers_for=lambda kind: f"owner of {kind}") as owned:
        given_up(owned, Status.REJECTED)
        assert one(owned, letter(owned)).owner == "owner of ProductionConfirmation"


def test_a_document_that_is_refused_again_opens_its_letter_again(ledger: Ledger) -> None:
    given_up(ledger, Status.REJECTED)
    Desk(ledger).retry(KEY, ANN)
    assert one(ledger, letter(ledger)).state == "replayed"
    take_in(ledger)
    finish(ledger, claim(ledger), Status.REJECTED, reason="M7/022")
    found = one(ledger, letter(ledger))
    assert (found.state, found.reason, found.replays) == ("open", "M7/022", 1)


def test_a_parked_posting_is_asked_for_before_it_is_sent_again(ledger: Ledger) -> None:
    reference = given_up(ledger, Status.PARKED)
    assert one(ledger, letter(ledger)).state == "parked"
    Desk(ledger).retry(reference, ANN)
    take_in(ledger)
    [step] = claim(ledger)
    assert (step.external_reference, step.status) == (reference, Status.UNKNOWN)


def test_a_parked_posting_of_which_a_person_knows_that_the_erp_has_it_not_is_sent_under_its_reference(
    ledger: Ledger,
) -> None:
    reference = given_up(ledger, Status.PARKED)
    Desk(ledger).retry(reference, ANN, not_booked=True)
    take_in(ledger)
    [step] = claim(ledger)
    assert (step.external_reference, step.status) == (reference, Status.PENDING)


def test_an_unknown_posting_is_looked_at_at_once(ledger: Ledger, clock: Clock) -> None:
    want(ledger, document(**{"yield": "5"}))
    steps = claim(ledger)
    finish(ledger, steps, Status.UNKNOWN, next_attempt_at=clock() + 60_000_000)
    assert claim(ledger) == []
    Desk(ledger).retry(steps[0].external_reference, ANN)
    assert [step.status for step in claim(ledger)] == [Status.UNKNOWN]


def test_what_is_settled_is_not_tried_again(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "5"}))
    book_all(ledger)
    with pytest.raises(Rejected, match="settled"):
        Desk(ledger).retry(KEY, ANN)


def test_an_order_that_a_poster_works_on_is_left_alone_until_its_lease_ends(ledger: Ledger, clock: Clock) -> None:
    want(ledger, document(**{"yield": "5"}))
    steps = claim(ledger)
    for act in (Desk(ledger).retry, Desk(ledger).park):
        with pytest.raises(Retriable, match="worked on by test"):
            act(KEY, ANN)
    clock.advance(3600)
    Desk(ledger).park(KEY, ANN)
    finish(ledger, steps)  # the poster wakes up: too late, it has lost its claim
    assert states(ledger) == ("parked", ["parked"])


def test_a_document_that_is_parked_by_a_person_leaves_the_queue_with_a_letter(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "5"}))
    steps = claim(ledger)
    finish(ledger, steps, Status.UNKNOWN)
    Desk(ledger).park(KEY, ANN)
    assert states(ledger) == ("parked", ["parked"])
    assert claim(ledger) == []
    found = one(ledger, letter(ledger))
    assert (found.state, found.reason, found.detail) == ("parked", "parked_by_person", "registry was mended")


def test_what_was_never_sent_can_be_parked_and_goes_on_when_it_is_tried_again(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "5"}))
    Desk(ledger).park(KEY, ANN)
    assert claim(ledger) == []
    Desk(ledger).retry(KEY, ANN)
    take_in(ledger)
    book_all(ledger)
    assert states(ledger) == ("settled", ["booked"])


@pytest.mark.parametrize("status", [Status.PARKED, Status.REJECTED])
def test_a_posting_that_the_erp_has_is_booked_under_its_number_and_only_the_rest_is_posted(
    ledger: Ledger, status: Status
) -> None:
    reference = given_up(ledger, status)
    Desk(ledger).confirm_booked(reference, "77/1", ANN)
    want(ledger, document(revision=2, **{"yield": "8"}))
    [step] = book_all(ledger)
    assert step.quantities == {"yield": Decimal(3)}
    assert ledger.booked_totals() == {("P1", "1000001", "0010"): {"yield": Decimal(8)}}
    assert ledger.inconsistent() == []
    [report] = ledger.order_report("1000001")
    assert report.postings[0]["erp_document"] == "77/1"
    assert ("ann", status.value, "booked", "registry was mended") in {
        (row["who"], row["from_status"], row["to_status"], row["why"]) for row in report.audit
    }


def test_a_confirmed_posting_resolves_its_letter(ledger: Ledger) -> None:
    reference = given_up(ledger, Status.PARKED)
    Desk(ledger).confirm_booked(reference, "77/1", ANN)
    take_in(ledger)
    assert book_all(ledger) == []
    assert one(ledger, letter(ledger)).state == "resolved"
    assert ledger.ask(queries.documents_by_state) == {"settled": 1}


def test_a_posting_is_not_confirmed_twice_nor_under_the_number_of_another(ledger: Ledger) -> None:
    reference = given_up(ledger, Status.PARKED)
    Desk(ledger).confirm_booked(reference, "77/1", ANN)
    with pytest.raises(Rejected, match="is booked"):
        Desk(ledger).confirm_booked(reference, "77/1", ANN)
    want(ledger, document(revision=2, **{"yield": "8"}))
    finish(ledger, claim(ledger), Status.PARKED, reason="cannot_be_asked")
    with pytest.raises(Rejected, match="77/1 is the number of posting"):
        Desk(ledger).confirm_booked(KEY, "77/1", ANN)


def test_a_number_is_needed_and_a_name_must_exist(ledger: Ledger) -> None:
    reference = given_up(ledger, Status.PARKED)
    with pytest.raises(Misconfigured, match="--number"):
        Desk(ledger).confirm_booked(reference, " ", ANN)
    with pytest.raises(Misconfigured, match="'nothing' is neither"):
        Desk(ledger).retry("nothing", ANN)


def test_a_dry_run_says_what_would_change_and_changes_nothing(ledger: Ledger) -> None:
    reference = given_up(ledger, Status.PARKED)
    change = Desk(ledger).confirm_booked(reference, "77/1", ANN, dry_run=True)
    assert (change.before, change.after) == ("parked", "booked")
    assert states(ledger) == ("parked", ["parked"])
    assert ledger.booked_totals() == {}
