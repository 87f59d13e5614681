"""The history back through the rules: equal where nothing changed, precise where something did, whole at the edges."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from dataflows.replay_apply import put_scratch
from dataflows.replay_changes import Held, Why
from dataflows.replay_compare import made_documents
from dataflows.replay_range import Range
from dataflows.settings import ConfirmationsSettings
from millrace import shutdown
from millrace.errors import MillraceError
from millrace.ledger import Ledger
from operators.routes import direct
from schemas.contracts import contract
from schemas.types import polars_schema
from sinks.history.compact import compact
from sources.history import pieces
from tests.flows import replay_case as case
from tests.flows.memory import cycle, order
from tests.flows.replay_case import BEGIN, HOUR, ONE_STEP, ORDERS, RESET, compared, in_ledger, records, replay, run_flow


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ConfirmationsSettings]:
    """A flow that ran once; tests that change its ledger make their own."""
    folder = tmp_path_factory.mktemp("plant")
    given_settings = case.settings(folder)
    run_flow(folder, records(1, 20), given_settings)
    return folder, given_settings


def windows(changes: Any) -> set[str]:
    """Keys of the documents of windows that would change; completions follow from them."""
    return {change.document.key for change in changes if not change.document.key.endswith("|final")}


def test_a_replay_of_the_whole_history_changes_nothing(ran: tuple[Path, ConfirmationsSettings]) -> None:
    folder, settings = ran
    found = compared(settings, replay(folder, settings))
    assert found.changes == []
    assert (found.same + found.open, found.open) == (len(in_ledger(settings)), 1), "the order that still runs is open"


@pytest.mark.parametrize("window", ["shift", "operation"])
def test_it_changes_nothing_whatever_the_window(window: str, tmp_path: Path) -> None:
    settings = case.settings(tmp_path, window=window)
    run_flow(tmp_path, records(2, 10), settings)
    found = compared(settings, replay(tmp_path, settings, workers=2))
    assert (found.changes, found.same > 0) == ([], True)


@bounded(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(3, 10**6), hours=st.integers(6, 12), cuts=st.lists(st.integers(0, 12), min_size=2, max_size=2))
def test_of_any_history_the_whole_and_any_range_equal_the_ledger(
    seed: int, hours: int, cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    settings = case.settings(folder)
    run_flow(folder, records(seed, hours), settings)
    assert compared(settings, replay(folder, settings)).changes == []
    first, until = sorted(cuts)
    wanted = Range(BEGIN + first * HOUR, BEGIN + until * HOUR)
    assert compared(settings, replay(folder, settings, wanted)).changes == []


RANGES = [(0, 6), (6, 12), (12, 48)]


@pytest.mark.parametrize("hours", RANGES)
def test_a_range_is_whole_at_its_edges(ran: tuple[Path, ConfirmationsSettings], hours: tuple[int, int]) -> None:
    """Counters go on from the reading before it, and jobs from the start that lies before it."""
    folder, settings = ran
    wanted = Range(BEGIN + hours[0] * HOUR, BEGIN + hours[1] * HOUR)
    found = compared(settings, replay(folder, settings, wanted))
    assert (found.changes, found.same > 10) == ([], True)


@pytest.mark.parametrize("hours", RANGES)
def test_the_same_comparison_finds_a_replay_that_is_cut_at_its_edges(
    ran: tuple[Path, ConfirmationsSettings], hours: tuple[int, int]
) -> None:
    """Negative control: rows of the range alone give smaller totals, of which none may be put in place of a larger."""
    folder, settings = ran
    wanted = Range(BEGIN + hours[0] * HOUR, BEGIN + hours[1] * HOUR)
    found = compared(settings, replay(folder, settings, wanted, widen=False))
    assert found.changes
    assert Held.HISTORY_SHORT in {change.held for change in found.changes}


def test_ranges_that_touch_share_no_document_and_miss_none(ran: tuple[Path, ConfirmationsSettings]) -> None:
    folder, settings = ran
    keys: list[str] = []
    for first, until in RANGES:
        made = replay(folder, settings, Range(BEGIN + first * HOUR, BEGIN + until * HOUR))
        keys += [document.key for document in made_documents(made) if not document.key.endswith("|final")]
    assert len(keys) == len(set(keys))
    totals = {key for key, (_, quantities) in in_ledger(settings).items() if quantities != "{}"}
    assert totals <= set(keys) <= set(in_ledger(settings))


def test_a_changed_rule_shows_the_documents_that_it_changes_and_no_other(
    ran: tuple[Path, ConfirmationsSettings],
) -> None:
    """The counter fell back to 2 twice: two windows gain two pieces, and their completions follow."""
    folder, settings = ran
    changed = settings.model_copy(update={"counters": RESET})
    found = compared(changed, replay(folder, changed))
    assert len(windows(found.changes)) == 2
    for change in found.changes:
        assert (change.why, change.held, change.kind) == (Why.RULES, None, "changed")
        if not change.document.key.endswith("|final"):
            [difference] = change.differences()
            assert (difference["measure"], difference["difference"]) == ("yield", ONE_STEP)


def test_changed_master_data_is_named(ran: tuple[Path, ConfirmationsSettings]) -> None:
    folder, settings = ran
    other = [order(name, 2 if name == "O2" else 1, target_quantity=Decimal(60)) for name in ORDERS]
    other[1]["material"] = "M9"
    changes = compared(settings, replay(folder, settings, master=case.master(other))).changes
    assert {change.document.order_id for change in changes} == {"O2"}
    assert {(change.why, change.held) for change in changes} == {(Why.MASTER_DATA, None)}
    assert "order version 1, now 2; material was M1, is M9" in {change.detail for change in changes}


def test_an_order_that_is_no_longer_known_withdraws_its_documents(ran: tuple[Path, ConfirmationsSettings]) -> None:
    folder, settings = ran
    known = [order(name, target_quantity=Decimal(60)) for name in ORDERS if name != "O2"]
    changes = compared(settings, replay(folder, settings, master=case.master(known))).changes
    assert {(change.kind, change.document.order_id, change.held) for change in changes} == {("withdrawn", "O2", None)}
    assert "the total is given up: order_unknown" in {change.detail for change in changes}


def test_an_older_order_and_a_shorter_history_are_held_back(tmp_path: Path) -> None:
    settings = case.settings(tmp_path)
    run_flow(tmp_path, records(4, 8), settings)
    with Ledger(str(settings.ledger)) as ledger:
        made = list(made_documents(replay(tmp_path, settings)))
        plain = [document for document in made if document.quantities]
        ledger.put_desired([replace(plain[0], revision=plain[0].revision + 1, quantities={"yield": Decimal(99)})])
        ledger.put_desired([replace(plain[1], reference_version=7, quantities={"yield": Decimal(99)})])
    found = {change.document.key: change.held for change in compared(settings, replay(tmp_path, settings)).changes}
    assert found == {plain[0].key: Held.HISTORY_SHORT, plain[1].key: Held.OLDER_ORDER}


def test_a_scratch_ledger_holds_all_of_the_range(ran: tuple[Path, ConfirmationsSettings], tmp_path: Path) -> None:
    folder, settings = ran
    made = replay(folder, settings, history=tmp_path / "history")
    url = put_scratch(tmp_path, made_documents(made))
    assert in_ledger(settings.model_copy(update={"ledger": url})).keys() >= {
        key for key, (_, quantities) in in_ledger(settings).items() if quantities != "{}"
    }
    again = case.settings(tmp_path, ledger=url)
    assert compared(again, replay(tmp_path, again)).changes == []


def test_late_additions_stay_documents_of_their_own(tmp_path: Path) -> None:
    """Events beyond the correction horizon are not counted in their window as well."""
    settings = case.settings(tmp_path, horizon_h=1)
    made = records(8, 12)
    late = [cycle(9000 + n, "A", 600.0 + n, order_id="O1") for n in range(3)]
    run_flow(tmp_path, {**made, "MachineCycle": [*made["MachineCycle"], *late]}, settings)
    assert sum(key.startswith("late|") for key in in_ledger(settings)) == 3
    assert compared(settings, replay(tmp_path, settings)).changes == []


def test_late_additions_of_an_earlier_release_keep_their_keys(tmp_path: Path) -> None:
    """Their keys had neither plant nor time; under another key they would be booked again."""
    settings = case.settings(tmp_path, horizon_h=1)
    made = records(8, 12)
    late = [cycle(9000 + n, "A", 600.0 + n, order_id="O1") for n in range(3)]
    run_flow(tmp_path, {**made, "MachineCycle": [*made["MachineCycle"], *late]}, settings)
    with sqlite3.connect(str(settings.ledger).removeprefix("sqlite:///")) as ledger:
        for (key,) in ledger.execute("select key from documents where key like 'late|%'").fetchall():
            former = "|".join(["late", *key.split("|")[3:]])
            ledger.execute("update documents set key = ? where key = ?", (former, key))
    assert compared(settings, replay(tmp_path, settings)).changes == []


def test_what_came_late_while_a_replay_ran_is_not_counted_in_its_window_as_well(tmp_path: Path) -> None:
    """The ledger was asked for late additions before they came; the history was read when it held them."""
    settings = case.settings(tmp_path, horizon_h=1)
    made = records(8, 12)
    late = [cycle(9000 + n, "A", 600.0 + n, order_id="O1", quantity_good=Decimal(1)) for n in range(3)]
    run_flow(tmp_path, {**made, "MachineCycle": [*made["MachineCycle"], *late]}, settings)
    begun = replace(replay(tmp_path, settings), late=(), folder=tmp_path / "begun")
    begun.compute()
    found = compared(settings, begun)
    assert {(change.document.order_id, change.held) for change in found.changes} == {("O1", Held.HISTORY_SHORT)}
    assert found.to_put == []
    assert compared(settings, replay(tmp_path, settings)).changes == []


def test_an_interrupted_replay_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = case.settings(tmp_path)
    run_flow(tmp_path, records(9, 20), settings)
    hits = 0

    def stop(_point: str) -> None:
        nonlocal hits
        hits += 1
        if hits == 3:
            shutdown.draining.set()

    monkeypatch.setattr("sources.history.hit", stop)
    with pytest.raises(MillraceError, match="call it again to go on"):
        replay(tmp_path, settings)
    shutdown.draining.clear()
    made = replay(tmp_path, settings)
    assert made.resumed
    assert hits <= len(pieces(made.days)) + 1, "what was read before is not read again"
    assert compared(settings, made).changes == []


def test_more_history_than_at_the_interruption_begins_anew(tmp_path: Path) -> None:
    settings = case.settings(tmp_path)
    run_flow(tmp_path, records(10, 8), settings)
    assert not replay(tmp_path, settings).resumed
    assert replay(tmp_path, settings).resumed
    more = records(10, 9)
    (tmp_path / "more").mkdir()
    run_flow(tmp_path / "more", more, case.settings(tmp_path / "more", history=tmp_path / "history"))
    assert not replay(tmp_path, settings).resumed


def test_each_record_counts_once_whether_compacted_or_written_again(tmp_path: Path) -> None:
    """A flow that began anew on the same topics has written the same records under another generation."""
    settings = case.settings(tmp_path)
    run_flow(tmp_path, records(12, 6), settings)
    (tmp_path / "anew").mkdir()
    run_flow(tmp_path / "anew", records(12, 6), case.settings(tmp_path / "anew", history=settings.history))
    assert compared(settings, replay(tmp_path, settings)).changes == []
    for topic in ("machine-cycle", "machine-state"):
        compact(tmp_path / "history", topic, date(2027, 1, 1), lambda _writer: 10**9)
    assert list((tmp_path / "history" / "_days").glob("machine-cycle/plant=*/date=*/day.parquet"))
    assert compared(settings, replay(tmp_path, settings)).changes == []


@pytest.mark.parametrize("name", ["MachineCycle", "MachineState"])
def test_what_is_read_of_a_timeline_is_what_the_lane_sends_there(name: str) -> None:
    rows = [*records(1, 4)[name], *([cycle(1, "Z", 0, order_id=None)] if name == "MachineCycle" else [])]
    frame = pl.DataFrame(rows, schema=polars_schema(contract(name)))
    mask = direct(name, frame)
    assert mask is not None
    assert frame.select(linear=case.FLOW.linear.of(name))["linear"].to_list() in (mask.to_list(), [False])
