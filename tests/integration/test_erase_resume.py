"""Erasing between the lives of a flow that is aborted and goes on: each row once, and no name comes back."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from millrace.cli.history_settled import read_states
from sinks.history import personal
from sinks.history.compact import compact, only_one
from sinks.history.erase import Erasure
from sinks.history.erasure_report import FOLDER, Report
from sinks.history.reading import read
from tests.flows.memory import Consumer, Script, run
from tests.flows.test_confirmations import cut, orders, plant, settings
from tests.integration.test_history_resume import SOON
from tests.unit.history_case import TOPIC, seen


@pytest.fixture(autouse=True)
def machines_are_persons(monkeypatch: pytest.MonkeyPatch) -> None:
    """The events of this plant name nobody, so a machine stands for a person."""
    monkeypatch.setattr(personal, "personal_columns", lambda: frozenset({"source"}))


def sources(root: Path) -> list[str]:
    return read(root, TOPIC, lambda files: pl.concat([pl.read_parquet(each)["source"] for each in files]).to_list())


def named(root: Path, person: str) -> set[str]:
    """Ids of the events that name a person."""
    rows = pl.concat(
        [pl.read_parquet(path, columns=["event_id", "source"]) for path in (root / TOPIC).rglob("*.parquet")]
    )
    return set(rows.filter(pl.col("source") == person)["event_id"])


def lives(folder: Path) -> tuple[list[str], str, list[int]]:
    """Run a flow with three aborts, erase and compact after each; ids sent, the machine, and files that waited."""
    root = folder / "history"
    partitions, _ = plant(2)
    person = str(partitions[0][0]["source"])
    lanes = cut(partitions, 2)
    total = sum(len(batches) for batches in lanes)
    waited = []
    for stop in (total // 4, total // 5, total // 3, None):
        run(settings(history=root), Script(lanes, orders(), stop), Consumer(), folder / "state")
        known = read_states([folder / "state"], []).settled
        with only_one(root):
            report = Report.begin(root, {})
            waited.append(sum(Erasure(root, person, known, report).topic(TOPIC).not_final.values()))
            report.end()
            compact(root, TOPIC, SOON, known)
    return sorted({record["event_id"] for records in partitions for record in records}), person, waited


def test_a_flow_that_goes_on_keeps_each_row_once_and_brings_no_erased_name_back(tmp_path: Path) -> None:
    sent, person, waited = lives(tmp_path)
    assert seen(tmp_path / "history") == sent
    with only_one(tmp_path / "history"):
        Erasure(tmp_path / "history", person, lambda _: 10**9, Report.begin(tmp_path / "history", {})).topic(TOPIC)
    assert person not in sources(tmp_path / "history")
    assert personal.ERASED in sources(tmp_path / "history")
    assert max(waited) > 0
    assert list((tmp_path / "history" / FOLDER).glob("*.parquet"))


def test_erasing_what_a_flow_writes_again_would_bring_the_name_back(tmp_path: Path) -> None:
    """Negative control: all files are taken for final, and the next life writes those after its snapshot anew."""
    root = tmp_path / "history"
    partitions, _ = plant(2)
    person = str(partitions[0][0]["source"])
    lanes = cut(partitions, 2)
    total = sum(len(batches) for batches in lanes)
    erased: set[str] = set()
    came_back: set[str] = set()
    for stop in (total // 4, total // 5, total // 3):
        run(settings(history=root), Script(lanes, orders(), stop), Consumer(), tmp_path / "state")
        came_back |= erased & named(root, person)
        with only_one(root):
            Erasure(root, person, lambda _: 10**9, Report.begin(root, {})).topic(TOPIC)
        erased |= named(root, personal.ERASED)
    assert came_back
