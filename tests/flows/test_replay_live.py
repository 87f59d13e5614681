"""A live replay: each change once, with its reason, among posters, flows and the archive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from dataflows.replay_apply import put_live
from dataflows.replay_compare import made_documents
from dataflows.settings import ConfirmationsSettings
from millrace.ledger import Ledger
from millrace.ledger.archiving import archive
from millrace.ledger.letter_states import Person
from millrace.ledger.model import DesiredDocument
from millrace.ledger.replaying import Fate
from tests.conformance.erp_world import SYSTEM
from tests.flows import replay_case as case
from tests.flows.replay_case import ONE_STEP, RESET, compared, in_ledger, records, replay, run_flow
from tests.unit.ledger_desk import book_all, claim, finish

BY = Person("ann", "counters fall back to zero")


def put(settings: ConfirmationsSettings, documents: Iterable[DesiredDocument]) -> dict[Fate, int]:
    with Ledger(str(settings.ledger)) as ledger:
        return dict(put_live(ledger, list(documents), BY, "replay", 0))


def route(ledger: Ledger) -> None:
    """Hand what is new to the poster's system."""
    ledger.intake(lambda plant, kind: SYSTEM)  # noqa: ARG005


def test_a_live_replay_puts_each_change_once_with_its_reason(tmp_path: Path) -> None:
    settings = case.settings(tmp_path)
    run_flow(tmp_path, records(5, 12), settings)
    changed = settings.model_copy(update={"counters": RESET})
    found = compared(changed, replay(tmp_path, changed))
    assert found.changes
    assert put(settings, found.to_put) == {Fate.PUT: len(found.changes)}
    assert put(settings, found.to_put) == {Fate.SAME: len(found.changes)}
    assert compared(changed, replay(tmp_path, changed)).changes == []
    told = [(key, why) for key, why in case.audited(settings) if key in {c.document.key for c in found.changes}]
    assert sorted(told) == sorted((change.document.key, BY.why) for change in found.changes)
    assert (None, f"replay: {BY.why}") in case.audited(settings)


def test_what_a_flow_announces_later_wins_and_what_it_repeats_does_not(tmp_path: Path) -> None:
    settings = case.settings(tmp_path)
    run_flow(tmp_path, records(6, 12), settings)
    changed = settings.model_copy(update={"counters": RESET})
    changes = [c for c in compared(changed, replay(tmp_path, changed)).changes if c.document.quantities]
    put(settings, [change.document for change in changes])
    one = changes[0]
    before = replace(one.document, quantities=dict(one.before.quantities))
    with Ledger(str(settings.ledger)) as ledger:
        assert ledger.put_desired([before]) == 0, "a flow that goes back to a snapshot says the old total again"
        late = replace(before, revision=before.revision + 1, quantities={"yield": Decimal(77)})
        assert ledger.put_desired([late]) == 1, "one event more than both"


def test_a_document_with_a_posting_under_way_waits_and_books_the_difference_then(tmp_path: Path) -> None:
    settings = case.settings(tmp_path)
    run_flow(tmp_path, records(7, 12), settings)
    changed = settings.model_copy(update={"counters": RESET})
    found = compared(changed, replay(tmp_path, changed))
    with Ledger(str(settings.ledger)) as ledger:
        route(ledger)
        under_way = claim(ledger, 100)
        assert put(settings, found.to_put) == {Fate.UNDER_WAY: len(found.changes)}
        finish(ledger, under_way)
        book_all(ledger)
        assert put(settings, found.to_put) == {Fate.PUT: len(found.changes)}
        route(ledger)
        assert {amount for step in book_all(ledger) for amount in step.quantities.values()} == {ONE_STEP}
        assert ledger.inconsistent() == []
        yields = {key: totals.get("yield", 0) for key, totals in ledger.booked_totals().items()}
    assert sum(yields.values()) == sum(d.quantities.get("yield", 0) for d in made_documents(replay(tmp_path, changed)))


def test_an_archived_order_is_compared_and_comes_back_with_its_correction(tmp_path: Path) -> None:
    settings = case.settings(tmp_path)
    run_flow(tmp_path, records(13, 12), settings)
    with Ledger(str(settings.ledger)) as ledger:
        route(ledger)
        book_all(ledger)
        archive(ledger, tmp_path / "archive", -1, "ann")
    assert in_ledger(settings) == {}
    assert compared(settings, replay(tmp_path, settings)).changes == []
    changed = settings.model_copy(update={"counters": RESET})
    found = compared(changed, replay(tmp_path, changed))
    assert put(settings, found.to_put) == {Fate.PUT: len(found.changes)}
    with Ledger(str(settings.ledger)) as ledger:
        route(ledger)
        assert {amount for step in book_all(ledger) for amount in step.quantities.values()} == {ONE_STEP}
