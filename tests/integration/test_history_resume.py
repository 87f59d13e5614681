"""Compaction between the lives of a flow that is aborted and goes on from its recovery store: each row once."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dataflows.settings import ConfirmationsSettings
from millrace.cli.app import app
from millrace.cli.history_settled import read_states
from millrace.errors import Misconfigured
from sinks.history.compact import Settled, compact, only_one
from sinks.history.manifest import read_manifest
from tests.flows.memory import Consumer, Script, run
from tests.flows.test_confirmations import cut, orders, plant, settings
from tests.unit.history_case import TOPIC, in_days, seen

SOON = date(2100, 1, 1)


def lives(folder: Path, config: ConfirmationsSettings, settled: Settled | None) -> list[str]:
    """Run a flow with three aborts, compact after each life; returns the ids that the plant sent, sorted."""
    partitions, _ = plant(2)
    lanes = cut(partitions, 2)
    total = sum(len(batches) for batches in lanes)
    for stop in (total // 4, total // 5, total // 3, None):
        run(config, Script(lanes, orders(), stop), Consumer(), folder / "state")
        with only_one(folder / "history"):
            known = settled or read_states([folder / "state"], []).settled
            compact(folder / "history", TOPIC, SOON, known)
    return sorted({record["event_id"] for records in partitions for record in records})


def test_what_the_recovery_store_says_is_final_stays(tmp_path: Path) -> None:
    sent = lives(tmp_path, settings(history=tmp_path / "history"), None)
    assert seen(tmp_path / "history") == sent
    assert len(in_days(tmp_path / "history")) > len(sent) / 2


def test_taking_all_files_there_are_is_found_out(tmp_path: Path) -> None:
    """Negative control: a resumed flow writes again what was compacted."""
    with pytest.raises(Misconfigured, match="older recovery store"):
        lives(tmp_path, settings(history=tmp_path / "history"), lambda _: 10**9)


def test_progress_of_the_slowest_partition_is_the_freshness_of_a_topic(tmp_path: Path) -> None:
    lives(tmp_path, settings(history=tmp_path / "history"), None)
    states = read_states([tmp_path / "state"], [])
    reached = states.complete_up_to(TOPIC)
    assert reached is not None
    assert reached.date() == date(2026, 3, 2)
    assert states.complete_up_to("machine-state") is None


def test_freshness_is_told_from_the_flow_before_anything_is_compacted(tmp_path: Path) -> None:
    root = tmp_path / "history"
    lives(tmp_path, settings(history=root), lambda _: 0)
    arguments = ["query", "freshness", "--root", str(root), "--recovery", str(tmp_path / "state"), "--json"]
    (row,) = json.loads(CliRunner().invoke(app, arguments, catch_exceptions=False).stdout)
    reached = read_states([tmp_path / "state"], []).complete_up_to(TOPIC)
    assert reached is not None
    assert (row["complete_up_to"], row["known_from"]) == (reached.isoformat(), "recovery store")
    assert row["waiting_files"] > 0 == row["files"]


def test_the_command_takes_what_is_final_and_keeps_the_freshness_in_the_manifest(tmp_path: Path) -> None:
    root = tmp_path / "history"
    sent = lives(tmp_path, settings(history=root), lambda _: 0)
    assert in_days(root) == []
    arguments = ["history", "compact", "--root", str(root), "--recovery", str(tmp_path / "state"), "--json"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    (done,) = json.loads(result.stdout)
    assert done["rows"] == len(in_days(root)) > len(sent) / 2
    assert seen(root) == sent
    manifest = read_manifest(root, TOPIC)
    assert manifest is not None
    reached = read_states([tmp_path / "state"], []).complete_up_to(TOPIC)
    assert reached is not None
    assert manifest["complete_up_to"] == reached.isoformat()


def test_a_retired_generation_is_final_as_a_whole() -> None:
    states = read_states([], ["abc123"])
    assert states.settled("confirmations-abc123-lane-00") > 10**9
    assert states.settled("confirmations-other1-lane-00") == 0


def test_a_folder_without_a_recovery_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no recovery store"):
        read_states([tmp_path], [])
