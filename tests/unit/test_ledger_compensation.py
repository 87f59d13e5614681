"""Closed periods, counter postings, and the links that corrections keep."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from millrace.ledger import Ledger, Status, queries
from millrace.ledger.compensation import CLOSED_PERIOD
from millrace.ledger.model import Action, Step
from millrace.ledger.tombstones import pack
from sinks.erp.rules import posting_rules
from sinks.erp.settings import PosterSettings
from tests.conformance.erp_world import SYSTEM, World, document
from tests.unit.ledger_desk import RULES, book_all, claim, finish, want

TODAY = "2023-11-14"  # of the tests' clock
REFUSED = {"status": Status.REJECTED, "reason": CLOSED_PERIOD, "detail": "period 02/2026 is closed"}


def dates(step: Step) -> tuple[str, str | None]:
    return step.attributes["posting_date"], step.attributes.get("original_posting_date")


def test_what_a_closed_period_refuses_is_posted_in_the_current_one(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "5"}))
    [first] = claim(ledger)
    finish(ledger, [first], **REFUSED)
    [step] = book_all(ledger)
    assert (step.step, step.quantities, *dates(step)) == (2, {"yield": Decimal(5)}, TODAY, "2026-03-02")
    assert ledger.ask(queries.documents_by_state) == {"settled": 1}
    assert ledger.ask(queries.dead_letters_by_reason) == {}


def test_a_reversal_that_a_closed_period_refuses_is_made_in_the_current_one_and_keeps_its_link(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "5"}))
    [booked] = book_all(ledger)
    want(ledger, document(revision=2, **{"yield": "3"}))
    finish(ledger, claim(ledger), **REFUSED)
    reversal, again = book_all(ledger)
    assert (reversal.action, reversal.reverses) == (Action.REVERSE, booked.external_reference)
    assert (again.action, again.quantities) == (Action.BOOK, {"yield": Decimal(3)})
    assert dates(reversal) == dates(again) == (TODAY, "2026-03-02")
    assert ledger.inconsistent() == []


def test_a_current_period_that_is_closed_too_rejects_the_document(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "5"}))
    for _ in range(2):
        finish(ledger, claim(ledger), **REFUSED)
    assert claim(ledger) == []
    assert ledger.ask(queries.documents_by_state) == {"rejected": 1}
    assert ledger.ask(queries.dead_letters_by_reason) == {CLOSED_PERIOD: 1}


def test_a_newer_posting_date_is_tried_before_the_current_period(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "5"}))
    finish(ledger, claim(ledger), **REFUSED)
    newer = document(revision=2, **{"yield": "5"})
    want(ledger, replace(newer, attributes={**newer.attributes, "posting_date": "2026-04-01"}))
    [step] = claim(ledger)
    assert dates(step) == ("2026-04-01", None)


def test_a_posting_without_a_date_is_rejected_like_any_other(ledger: Ledger) -> None:
    plain = document(**{"yield": "5"})
    want(ledger, replace(plain, attributes={"operation": "0010"}))
    finish(ledger, claim(ledger), **REFUSED)
    assert ledger.ask(queries.documents_by_state) == {"rejected": 1}


def test_where_nothing_is_reversed_a_counter_posting_of_the_excess_is_booked_with_its_link(ledger: Ledger) -> None:
    countering = replace(RULES, counters=frozenset({"ProductionConfirmation"}))
    booked = []
    for revision, total in ((1, "10"), (2, "7"), (3, "0")):
        want(ledger, document(revision=revision, **{"yield": total}))
        while steps := ledger.claim(SYSTEM, 10, countering):
            finish(ledger, steps)
            booked += steps
    assert [(step.action, step.quantities["yield"]) for step in booked] == [
        (Action.BOOK, Decimal(10)),
        (Action.BOOK, Decimal(-3)),
        (Action.BOOK, Decimal(-7)),
    ]
    assert [step.reverses for step in booked] == [None, *[booked[0].external_reference] * 2]
    assert ledger.booked_totals() == {("P1", "1000001", "0010"): {}}


@pytest.mark.parametrize(("zone", "day"), [("Pacific/Auckland", "2023-11-15"), ("UTC", TODAY)])
def test_the_current_period_is_the_plants_own_day(tmp_path: Path, zone: str, day: str) -> None:
    system = {"name": "erp", "connector": "sap_confirmation", "base_url": "https://erp.test"}
    settings = PosterSettings.model_validate({"ledger": "sqlite://", "systems": [system], "zones": {"P1": zone}})
    world = World(tmp_path)
    assert posting_rules(world.connector, settings).today("P1", world.clock()) == date.fromisoformat(day)
    world.close()


def test_a_month_that_is_closed_moves_its_postings_and_does_not_stop_the_poster(tmp_path: Path) -> None:
    world = World(tmp_path, reject_window=4)
    world.erp.rules.change(open_from="2023-11-01")
    totals = [document(1, f"{1000001 + number}", **{"yield": "1"}) for number in range(12)]
    late = {"posting_date": "2023-10-31"}
    world.want(*(replace(total, attributes={**total.attributes, **late}) for total in totals))
    world.settle()
    assert world.erp.store.counts() == {"documents": 12, "doubled_references": 0}
    assert world.statuses() == [("book", "rejected"), ("book", "booked")]
    world.close()


def test_a_countered_posting_still_stands_in_the_archive(ledger: Ledger) -> None:
    """What a counter posting corrects is not cancelled: a later correction has to find it."""
    countering = replace(RULES, counters=frozenset({"ProductionConfirmation"}))
    for revision, total in ((1, "10"), (2, "7")):
        want(ledger, document(revision=revision, **{"yield": total}))
        while steps := ledger.claim(SYSTEM, 10, countering):
            finish(ledger, steps)
    [report] = ledger.order_report("1000001")
    rows = [{**step, "quantities": "{}", "attributes": "{}"} for step in report.postings]
    kept = json.loads(zlib.decompress(pack([], rows, [])))
    assert [step["step"] for step in kept["postings"]] == [1, 2]
