"""Two plants with brokers of their own share a history and a ledger: the same places, and the same event ids."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dataflows.replay_changes import Held
from dataflows.settings import ConfirmationsSettings
from tests.flows import replay_case as case
from tests.flows.memory import cycle
from tests.flows.replay_case import compared, in_ledger, records, replay, run_flow

PLANTS = ("P1", "P2")
LATE = 3
Records = dict[str, list[dict[str, Any]]]


def of(plant: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "plant": plant} for row in rows]


def known() -> list[dict[str, Any]]:
    return [order for plant in PLANTS for order in of(plant, case.known_orders())]


def ran(folder: Path, made: dict[str, Records]) -> ConfirmationsSettings:
    """A flow per plant, with a recovery store of its own."""
    settings = case.settings(folder, horizon_h=1)
    for plant, records_of in made.items():
        (folder / plant).mkdir()
        named = {name: of(plant, rows) for name, rows in records_of.items()}
        run_flow(folder / plant, named, settings, of(plant, case.known_orders()))
    return settings


def with_late(made: Records, count: int = LATE) -> Records:
    """Behind all others some that are beyond the correction horizon."""
    late = [cycle(9000 + n, "A", 600.0 + n, order_id="O1") for n in range(count)]
    return {**made, "MachineCycle": [*made["MachineCycle"], *late]}


def longer(made: Records, than: Records) -> Records:
    """In the second plant, the same places hold what is counted in its window."""
    more = [cycle(9500 + n, "Y", 20 * 3600.0 + n, order_id="O2") for n in range(10)]
    found = {**made, "MachineCycle": [*made["MachineCycle"], *more]}
    assert len(found["MachineCycle"]) > len(than["MachineCycle"])
    return found


def late_keys(settings: ConfirmationsSettings) -> list[str]:
    return [key for key in in_ledger(settings) if key.startswith("late|")]


def test_each_plants_records_count_though_they_have_the_places_and_ids_of_the_others(tmp_path: Path) -> None:
    settings = ran(tmp_path, {"P1": records(8, 12), "P2": records(9, 12)})
    found = compared(settings, replay(tmp_path, settings, master=case.master(known())))
    assert found.changes == []
    assert found.same > 20


def test_a_late_addition_of_one_plant_is_no_record_of_the_other(tmp_path: Path) -> None:
    one = with_late(records(8, 12))
    settings = ran(tmp_path, {"P1": one, "P2": longer(records(9, 12), one)})
    assert {key.split("|")[1] for key in late_keys(settings)} == {"P1"}
    found = compared(settings, replay(tmp_path, settings, master=case.master(known())))
    assert found.changes == []


def test_that_holds_for_late_additions_of_an_earlier_release_too(tmp_path: Path) -> None:
    """Their keys name no plant, but their documents do."""
    one = with_late(records(8, 12))
    settings = ran(tmp_path, {"P1": one, "P2": longer(records(9, 12), one)})
    with sqlite3.connect(str(settings.ledger).removeprefix("sqlite:///")) as ledger:
        for key in late_keys(settings):
            former = "|".join(["late", *key.split("|")[3:]])
            ledger.execute("update documents set key = ? where key = ?", (former, key))
    assert all(len(key.split("|")) == 4 for key in late_keys(settings))
    found = compared(settings, replay(tmp_path, settings, master=case.master(known())))
    assert found.changes == []


def test_a_topic_that_was_made_anew_is_not_the_former_one(tmp_path: Path) -> None:
    """One plant, its topic begun anew some days later: what was late at an offset is not late at it now."""
    machines = [row for row in records(8, 12)["MachineCycle"] if row["order_id"] is not None]
    first = with_late({"MachineCycle": machines})
    again = [{**row, "event_time": row["event_time"] + timedelta(days=5), "order_id": "O6"} for row in machines]
    again += [cycle(9500 + n, "Z", 120 * 3600.0 + 86_400 + n, order_id="O6") for n in range(10)]
    settings = case.settings(tmp_path, horizon_h=1)
    for name, made in (("first", first), ("again", {"MachineCycle": again})):
        (tmp_path / name).mkdir()
        run_flow(tmp_path / name, made, settings)
    assert len(late_keys(settings)) == LATE
    found = compared(settings, replay(tmp_path, settings))
    assert found.changes == []
    assert found.same > 20


@pytest.mark.parametrize("gone", ["P1", "P2"])
def test_rows_that_one_plant_lacks_are_not_those_of_the_other(tmp_path: Path, gone: str) -> None:
    """What is not in the history any more withdraws nothing, though the other plant has rows at those places."""
    settings = ran(tmp_path, {"P1": records(8, 12), "P2": records(9, 12)})
    days = sorted((tmp_path / "history" / "machine-cycle" / f"plant={gone}").iterdir())
    shutil.rmtree(days[0])
    found = compared(settings, replay(tmp_path, settings, master=case.master(known())))
    assert found.changes
    assert {(change.document.plant, change.held) for change in found.changes} == {(gone, Held.HISTORY_SHORT)}
