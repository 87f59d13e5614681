"""The ledger: what it takes in, what it hands out, what it remembers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from millrace.errors import Misconfigured
from millrace.ledger import DeadLetter, Ledger, Status, queries
from millrace.ledger.confirmation import desired_document
from millrace.ledger.difference import PostingRules, difference
from millrace.ledger.model import Action, Outcome, Step
from tests.conformance.erp_world import SYSTEM, Clock, document

RULES = PostingRules(lambda name, attributes: Decimal("0.001"), lambda amounts: [amounts])  # noqa: ARG005


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{tmp_path}/ledger.db", clock=clock, who="test") as opened:
        yield opened


def want(ledger: Ledger, *documents) -> None:
    ledger.put_desired(documents)
    ledger.intake(lambda plant, kind: SYSTEM)  # noqa: ARG005


def claim(ledger: Ledger, limit: int = 10) -> list[Step]:
    return ledger.claim(SYSTEM, limit, RULES)


def finish(ledger: Ledger, steps: list[Step], status: Status = Status.BOOKED, **more) -> None:
    number = "1/1" if status is Status.BOOKED else None
    ledger.record_outcomes([Outcome(step, status, erp_document=number, **more) for step in steps])


def book_all(ledger: Ledger) -> list[Step]:
    booked = []
    while steps := claim(ledger):
        finish(ledger, steps)
        booked += steps
    return booked


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


def test_only_the_difference_to_what_is_booked_is_posted(ledger: Ledger) -> None:
    want(ledger, document(revision=1, **{"yield": "5"}))
    book_all(ledger)
    want(ledger, document(revision=2, **{"yield": "7.5"}))
    [step] = book_all(ledger)
    assert (step.step, step.quantities) == (2, {"yield": Decimal("2.5")})
    assert ledger.booked_totals() == {("P1", "1000001", "0010"): {"yield": Decimal("7.5")}}


def test_a_document_with_nothing_to_book_is_settled_without_a_posting(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "0"}))
    assert claim(ledger) == []
    assert ledger.ask(queries.documents_by_state) == {"settled": 1}


def test_setup_time_alone_makes_a_posting(ledger: Ledger) -> None:
    want(ledger, document(setup_time="60"))
    assert [step.quantities for step in claim(ledger)] == [{"setup_time": Decimal(60)}]


def test_a_smaller_total_reverses_the_latest_step_and_posts_the_rest_again(ledger: Ledger) -> None:
    for revision, total in ((1, "10"), (2, "15"), (3, "12")):
        want(ledger, document(revision=revision, **{"yield": total}))
        steps = book_all(ledger)
    assert [(step.action, step.quantities["yield"]) for step in steps] == [
        (Action.REVERSE, Decimal(-5)),
        (Action.BOOK, Decimal(2)),
    ]
    assert steps[0].reverses_document == "1/1"
    assert len({step.external_reference for step in steps}) == 2
    assert ledger.inconsistent() == []


def test_a_reversed_step_is_not_reversed_again(ledger: Ledger) -> None:
    for revision, total in enumerate(("10", "15", "12", "3", "0"), start=1):
        want(ledger, document(revision=revision, **{"yield": total}))
        book_all(ledger)
    reversed_steps = [
        posting["reverses"] for posting in ledger.order_report("1000001")[0].postings if posting["reverses"]
    ]
    assert len(reversed_steps) == len(set(reversed_steps)) == 4
    assert ledger.booked_totals() == {("P1", "1000001", "0010"): {}}


def test_one_posting_per_order_is_in_flight_in_the_order_of_the_sort_key(ledger: Ledger) -> None:
    want(ledger, *(document(number, **{"yield": "1"}) for number in (3, 1, 2)))
    seen = []
    for _ in range(3):
        [step] = claim(ledger)
        assert claim(ledger) == []
        finish(ledger, [step])
        seen.append(step.document_key[-1])
    assert seen == ["1", "2", "3"]


def test_orders_are_worked_on_in_parallel_and_urgent_tiers_first(ledger: Ledger) -> None:
    want(
        ledger, *(document(1, f"100000{tier}", tier=tier, **{"yield": "1"}) for tier in (3, 1, 2)),
    )  # fmt: skip
    assert [step.order_id for step in claim(ledger, limit=2)] == ["1000001", "1000002"]


def test_a_rejected_document_blocks_no_other_but_holds_back_the_final_flag(ledger: Ledger) -> None:
    want(ledger, document(1, **{"yield": "1"}), document(2, final=True, **{"yield": "2"}))
    finish(ledger, claim(ledger), Status.REJECTED, reason="M7/021", detail="deficit of stock")
    [step] = claim(ledger)
    assert (step.quantities, step.final) == ({"yield": Decimal(2)}, False)
    finish(ledger, [step])
    assert claim(ledger) == []
    waiting = ledger.order_report("1000001")[1].document
    assert (waiting["state"], waiting["waits_for"]) == ("waiting", "P1|1000001|0010|1")


def test_the_final_flag_follows_when_the_rejected_document_is_mended(ledger: Ledger) -> None:
    want(ledger, document(1, **{"yield": "1"}), document(2, final=True, **{"yield": "2"}))
    finish(ledger, claim(ledger), Status.REJECTED, reason="M7/021")
    book_all(ledger)
    want(ledger, document(1, revision=2, **{"yield": "1"}))
    steps = book_all(ledger)
    assert [(step.document_key[-1], dict(step.quantities), step.final) for step in steps] == [
        ("1", {"yield": Decimal(1)}, False),
        ("2", {}, True),
    ]


def test_the_final_flag_waits_for_later_totals_of_its_operation_only(ledger: Ledger) -> None:
    want(
        ledger,
        document(1, final=True, **{"yield": "1"}),
        document(2, **{"yield": "1"}),
        document(3, operation="0020", **{"yield": "1"}),
    )
    order = [(step.document_key[-1], step.final) for step in book_all(ledger)]
    assert order == [("1", False), ("2", False), ("3", False), ("1", True)]


def test_two_final_documents_of_an_operation_do_not_wait_for_each_other(ledger: Ledger) -> None:
    want(ledger, *(document(number, final=True, **{"yield": "1"}) for number in (1, 2)))
    assert [step.final for step in book_all(ledger)] == [True, True]


def test_a_rejection_makes_a_dead_letter_that_a_booked_revision_resolves(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "1"}))
    finish(ledger, claim(ledger), Status.REJECTED, reason="M7/021", detail="deficit of stock")
    assert ledger.ask(queries.dead_letters_by_reason) == {"M7/021": 1}
    assert claim(ledger) == []
    want(ledger, document(revision=2, **{"yield": "1"}))
    book_all(ledger)
    assert ledger.ask(queries.dead_letters_by_reason) == {}


def test_a_rejection_of_an_old_revision_does_not_hold_up_the_new_one(ledger: Ledger) -> None:
    want(ledger, document(revision=1, **{"yield": "1"}))
    steps = claim(ledger)
    want(ledger, document(revision=2, **{"yield": "2"}))
    finish(ledger, steps, Status.REJECTED, reason="M7/021")
    assert [step.revision for step in book_all(ledger)] == [2]


def test_a_parked_document_waits_for_a_person_whatever_revisions_come(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "1"}))
    finish(ledger, claim(ledger), Status.PARKED, reason="cannot_be_asked")
    want(ledger, document(revision=2, **{"yield": "2"}))
    assert claim(ledger) == []


def test_what_is_found_in_flight_is_unknown_and_comes_first(ledger: Ledger) -> None:
    want(ledger, document(2, **{"yield": "1"}))
    [step] = claim(ledger)
    want(ledger, document(1, **{"yield": "1"}))
    assert ledger.recover(SYSTEM) == 1
    [again] = claim(ledger)
    assert (again.external_reference, again.status) == (step.external_reference, Status.UNKNOWN)
    assert again.quantities == step.quantities


def test_a_step_is_not_tried_before_its_time(ledger: Ledger, clock: Clock) -> None:
    want(ledger, document(**{"yield": "1"}))
    finish(ledger, claim(ledger), Status.PENDING, next_attempt_at=clock() + 5_000_000, failed=True)
    want(ledger, document(2, **{"yield": "1"}))
    assert claim(ledger) == []
    clock.advance(5)
    [step] = claim(ledger)
    assert (step.document_key[-1], step.attempts, step.failures) == ("1", 1, 1)


def test_recording_an_outcome_twice_books_once(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "1"}))
    steps = claim(ledger)
    finish(ledger, steps)
    finish(ledger, steps)
    assert ledger.booked_totals() == {("P1", "1000001", "0010"): {"yield": Decimal(1)}}
    assert ledger.inconsistent() == []


def test_every_change_of_a_posting_is_in_the_audit(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "1"}))
    claim(ledger)
    ledger.recover(SYSTEM)
    book_all(ledger)
    [report] = ledger.order_report("1000001")
    assert [(entry["from_status"], entry["to_status"], entry["who"]) for entry in report.audit] == [
        ("pending", "in_flight", "test"),
        ("in_flight", "unknown", "test"),
        ("unknown", "booked", "test"),
    ]


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


def test_of_a_dead_letter_put_twice_the_higher_revision_stays(ledger: Ledger) -> None:
    letter = DeadLetter("e1", 1, "P1", "flow", "TOTAL", "order_unknown", "order 7", revision=2)
    assert ledger.put_dead_letters([letter]) == 1
    assert ledger.put_dead_letters([dataclasses.replace(letter, revision=1)]) == 0
    assert ledger.put_dead_letters([dataclasses.replace(letter, revision=3)]) == 1
    assert ledger.ask(queries.dead_letters_by_reason) == {"order_unknown": 1}


def test_the_oldest_unsettled_document_and_overdue_postings_are_known(ledger: Ledger, clock: Clock) -> None:
    want(ledger, document(**{"yield": "1"}))
    since = clock()
    claim(ledger)
    clock.advance(60)
    assert ledger.ask(queries.oldest_unsettled) == since
    assert ledger.ask(lambda connection: queries.overdue(connection, SYSTEM, clock() - 1)) == 1


def test_a_ledger_of_another_schema_version_is_refused_with_both_numbers(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    Ledger(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE schema_version SET version = 99"))
    engine.dispose()
    with pytest.raises(Misconfigured, match="schema version 99, this Millrace needs 1"):
        Ledger(url)


def test_a_second_poster_on_the_same_ledger_is_refused(tmp_path: Path, ledger: Ledger) -> None:
    with (
        Ledger(f"sqlite:///{tmp_path}/ledger.db") as other,
        ledger.only_poster(SYSTEM),
        pytest.raises(Misconfigured, match="another poster"),
        other.only_poster(SYSTEM),
    ):
        pass


def test_sqlite_is_opened_durably(ledger: Ledger) -> None:
    pragmas = {
        name: ledger.ask(lambda connection, name=name: connection.scalar(text(f"PRAGMA {name}")))
        for name in ("journal_mode", "synchronous", "busy_timeout")
    }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 30000}


@pytest.mark.parametrize("query", [queries.oldest_unsettled, queries.unfinished])
def test_an_empty_ledger_answers(ledger: Ledger, query) -> None:
    assert not ledger.ask(query)


def test_rounding_does_not_accumulate_over_many_steps() -> None:
    quantum = Decimal("0.06")
    booked: dict[str, Decimal] = {}
    for hundredths in range(1, 1000, 7):
        wanted = {"setup_time": Decimal(hundredths) / 100}
        step = difference(wanted, booked, lambda _: quantum)
        booked["setup_time"] = booked.get("setup_time", Decimal(0)) + step.get("setup_time", Decimal(0))
    assert abs(booked["setup_time"] - Decimal("9.95")) <= quantum / 2


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
