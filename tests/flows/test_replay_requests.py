"""Requests that a replay would ask for, beside those that procurement was asked for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from dataflows.replay_changes import Held, Why
from dataflows.replay_range import Range
from dataflows.replay_requests import nearest_pairs
from dataflows.replenishment_settings import ReplenishmentSettings
from millrace import shutdown
from millrace.cli.app import app
from millrace.errors import MillraceError, Misconfigured
from operators.lane_output import LaneOutput
from sources.history import HistoryPartition, Piece
from tests.flows import replay_stock_case as case
from tests.flows.replay_case import in_ledger
from tests.flows.replay_stock_case import compared, master, plant, replay, run_flow
from tests.flows.stock_records import START, at, balance, issue, material
from tests.flows.test_replay_cli import _own_signals  # noqa: F401 - a fixture

HOUR = 3_600_000_000
BEGIN = int(START.timestamp() * 1e6)
Ran = tuple[Path, ReplenishmentSettings]


def rule(settings: ReplenishmentSettings, **values: Any) -> ReplenishmentSettings:
    """The same settings with another rule."""
    known = {"reorder_point": 100, "order_up_to": 300, **values}
    return ReplenishmentSettings.model_validate({**settings.model_dump(), "rules": [known]})


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A flow that ran once; tests that change its ledger make their own."""
    folder = tmp_path_factory.mktemp("stockroom")
    settings = case.settings(folder)
    run_flow(folder, plant(1), settings)
    return folder, settings


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The third piece of the history is the last that is read."""
    hits = 0

    def stop(_point: str) -> None:
        nonlocal hits
        hits += 1
        if hits == 3:
            shutdown.draining.set()

    monkeypatch.setattr("sources.history.hit", stop)
    yield
    shutdown.draining.clear()


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_rules_ask_for_the_same(workers: int, ran: Ran) -> None:
    folder, settings = ran
    found = compared(settings, replay(folder, settings, workers=workers))
    assert found.changes == []
    assert found.same + found.open == len(in_ledger(settings)) > 5  # type: ignore[arg-type]


def test_time_passes_behind_the_rows_of_a_piece(ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No tick can overtake rows of its own epoch on their way to another worker."""
    told: list[tuple[int, int]] = []
    take = HistoryPartition._take

    def noted(self: HistoryPartition, piece: Piece) -> LaneOutput:
        output = take(self, piece)
        told.append((max(output.progress.values()), piece.first))
        return output

    monkeypatch.setattr(HistoryPartition, "_take", noted)
    replay(tmp_path, ran[1])
    assert told
    assert all(passed <= first for passed, first in told)


def test_rows_of_the_range_alone_ask_for_something_else(ran: Ran) -> None:
    """Negative control: what was in stock before is not known."""
    folder, settings = ran
    wanted = Range(BEGIN + 12 * HOUR, BEGIN + 36 * HOUR)
    assert compared(settings, replay(folder, settings, wanted)).changes == []
    assert compared(settings, replay(folder, settings, wanted, widen=False)).changes != []


def test_ranges_that_touch_share_no_request_and_miss_none(ran: Ran) -> None:
    folder, settings = ran
    changed = rule(settings, reorder_point=160)
    whole = compared(changed, replay(folder, changed)).changes
    parts = []
    for first, until in ((None, BEGIN + 8 * HOUR), (BEGIN + 8 * HOUR, None)):
        parts += compared(changed, replay(folder, changed, Range(first, until))).changes
    assert parts == whole


def test_a_higher_reorder_point_is_named_as_a_rule_and_asks_once_more(ran: Ran) -> None:
    folder, settings = ran
    changed = rule(settings, reorder_point=160)
    changes = compared(changed, replay(folder, changed)).changes
    assert {change.why for change in changes} == {Why.RULES}
    assert {change.kind for change in changes} == {"new", "changed"}
    assert all("reorder_point was 100, is 160" in change.detail for change in changes)


def test_more_at_a_time_leaves_later_requests_out_for_what_came_before(ran: Ran) -> None:
    folder, settings = ran
    changed = rule(settings, order_up_to=400)
    changes = compared(changed, replay(folder, changed)).changes
    assert changes[0].differences()[0]["difference"] == Decimal(100)
    assert {change.why for change in changes if change.kind == "withdrawn"} == {Why.FOLLOWS}
    assert {change.why for change in changes if change.kind == "changed"} == {Why.RULES}


def test_a_material_that_no_rule_orders_any_more_is_not_asked_for(ran: Ran) -> None:
    folder, settings = ran
    changed = rule(settings, material="BRASS*")
    changes = compared(changed, replay(folder, changed)).changes
    assert {(change.kind, change.why) for change in changes} == {("withdrawn", Why.RULES)}
    assert changes[0].detail == "reorder_point was 100, is none"


def test_another_base_unit_is_named_as_master_data(ran: Ran) -> None:
    folder, settings = ran
    kilo = {"unit": "KGM", "numerator": Decimal(1), "denominator": Decimal(1000)}
    known = master({**material(), "base_unit": "TNE", "conversions": [kilo]})
    changes = compared(settings, replay(folder, settings, master=known)).changes
    assert {change.why for change in changes} <= {Why.MASTER_DATA, Why.FOLLOWS}
    assert changes[0].why is Why.MASTER_DATA
    assert "unit was KGM, is TNE" in changes[0].detail


def test_a_record_that_came_late_was_not_in_view(tmp_path: Path) -> None:
    """150 were used at 07:00 and told at 09:00, when 08:45 was judged already: a replay asks at 08:10.

    The rule's price is the same, however much the value differs.
    """
    settings = case.settings(tmp_path, rule={"price": "2", "currency": "EUR"})
    used = [issue(n, 10.0 * n, 4) for n in range(1, 40)]
    records = sorted([balance(0, 300), *used, *case.elsewhere(400, 10)], key=lambda record: record["event_time"])
    late = next(index for index, record in enumerate(records) if record["event_time"] >= at(180))
    run_flow(tmp_path, [*records[:late], issue(99, 60, 150), *records[late:]], settings)
    [change] = compared(settings, replay(tmp_path, settings)).changes
    assert (change.kind, change.why) == ("changed", Why.STOCK)
    assert "value was 428, is 404" in change.detail
    assert "crossed_at was 2026-03-02T08:46:00+00:00, is 2026-03-02T08:10:00+00:00" in change.detail


def test_another_price_of_a_rule_is_named_as_a_rule(ran: Ran) -> None:
    folder, settings = ran
    changed = rule(settings, price="3", currency="EUR")
    changes = compared(changed, replay(folder, changed)).changes
    assert {change.why for change in changes} == {Why.RULES}
    assert all(change.differences() == [] for change in changes)


def test_a_request_that_the_ledger_never_had_is_missing(ran: Ran, tmp_path: Path) -> None:
    _, settings = ran
    shutil.copytree(str(settings.history), tmp_path / "history")
    shutil.rmtree(tmp_path / "history" / "stock-projection")
    other = case.settings(tmp_path)
    changes = compared(other, replay(tmp_path, other)).changes
    assert [change.kind for change in changes[:2]] == ["new", "new"]
    assert [change.why for change in changes[:2]] == [Why.DOCUMENT_MISSING, Why.FOLLOWS]


def test_where_the_history_begins_after_the_flow_changes_are_held_back(ran: Ran, tmp_path: Path) -> None:
    _, settings = ran
    shutil.copytree(str(settings.history), tmp_path / "history")
    for folder in (tmp_path / "history").rglob("date=2026-03-02"):
        shutil.rmtree(folder)
    changes = compared(
        settings, replay(tmp_path, settings.model_copy(update={"history": tmp_path / "history"}))
    ).changes
    assert {change.held for change in changes} == {Held.HISTORY_SHORT}
    assert min(change.document.attributes["crossed_at"] for change in changes) >= "2026-03-03"


@pytest.mark.usefixtures("interrupted")
def test_an_interrupted_replay_asks_for_nothing_twice(ran: Ran, tmp_path: Path) -> None:
    _, settings = ran
    with pytest.raises(MillraceError, match="call it again to go on"):
        replay(tmp_path, settings)
    shutdown.draining.clear()
    made = replay(tmp_path, settings)
    assert made.resumed
    assert compared(settings, made).changes == []


@given(st.lists(st.integers(0, 40), unique=True), st.lists(st.integers(0, 40), unique=True))
def test_of_two_crossings_that_are_each_others_nearest_neither_has_a_nearer_one(one: list[int], two: list[int]) -> None:
    first, second = sorted(one), sorted(two)
    pairs = list(nearest_pairs(first, second))
    assert pairs == sorted(pairs), "none overtakes another"
    assert [b for _, b in pairs] == sorted({b for _, b in pairs})
    for a, b in pairs:
        apart = abs(first[a] - second[b])
        assert all(abs(at - second[b]) >= apart for at in first)
        assert all(abs(at - first[a]) >= apart for at in second)
    equal = {at for at in first if at in second}
    assert equal <= {first[a] for a, b in pairs if first[a] == second[b]}


def called(folder: Path, settings: ReplenishmentSettings, *more: str) -> Any:
    """`millrace replay replenishment` with another reorder point."""
    changed = rule(settings, reorder_point=160).model_dump(mode="json", exclude_defaults=True)
    (folder / "flow.yaml").write_text(json.dumps({**changed, "history": str(settings.history)}))
    (folder / "material.jsonl").write_text(json.dumps(material(), default=str) + "\n")
    files = ["--config", str(folder / "flow.yaml"), "--material-file", str(folder / "material.jsonl")]
    given = ["replay", "replenishment", *files, "--out", str(folder / "out"), *more]
    result = CliRunner().invoke(app, given, env={"COLUMNS": "220"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_people_see_material_instant_and_reason_and_the_table_has_all(ran: Ran, tmp_path: Path) -> None:
    _, settings = ran
    result = called(tmp_path, settings, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "material  location  crossed at        change   why    by how much" in result.stdout
    assert "P1     STEEL     RM01      2026-03-02T08:05  new      rules  quantity 0 → 153" in result.stdout
    table = pl.read_parquet(tmp_path / "out" / "changes.parquet")
    assert (table.height > 5, set(table["contract"])) == (True, {"ReplenishmentRequest"})
    assert table.select(pl.col("differences").list.len().sum()).item() == table.height


def test_a_scratch_ledger_has_all_requests_and_the_history_their_projections(ran: Ran, tmp_path: Path) -> None:
    _, settings = ran
    printed = called(tmp_path, settings, "--into", "scratch", "--json").stdout
    outcome = json.loads(printed[printed.index("{\n") :])
    scratch = settings.model_copy(update={"ledger": outcome["ledger"]})
    assert min(in_ledger(scratch)) == case.number(1)  # type: ignore[arg-type]
    assert len(in_ledger(scratch)) > len(in_ledger(settings))  # type: ignore[arg-type]
    assert list(Path(outcome["history"]).glob("stock-projection/plant=P1/date=*/*.parquet"))


def test_a_live_replay_is_refused_and_says_what_to_do(ran: Ran, tmp_path: Path) -> None:
    _, settings = ran
    with pytest.raises(Misconfigured, match=r"--into live: what procurement was asked .* `millrace post reject`"):
        called(tmp_path, settings, "--into", "live", "--reason", "a new reorder point")


def test_requests_of_an_order_are_refused(ran: Ran, tmp_path: Path) -> None:
    _, settings = ran
    with pytest.raises(Misconfigured, match="--order: replenishment knows no orders"):
        called(tmp_path, settings, "--dry-run", "--order", "O1")
