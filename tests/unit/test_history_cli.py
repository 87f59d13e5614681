"""`millrace history compact`, and commands that read a history that was compacted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from dataflows.settings import ConfirmationsSettings
from millrace.cli.app import app
from millrace.cli.trace_events import events_of
from millrace.errors import Misconfigured
from sandbox.reconcile_counts import count_history
from sinks.history.manifest import read_manifest
from tests.unit.history_case import TOPIC, fill, rows, seen, writer


def call(*arguments: Any) -> Any:
    """What the command printed as JSON."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_command_tells_files_and_sizes_before_and_after_and_writes_the_manifest(tmp_path: Path) -> None:
    everything = fill(tmp_path)
    arguments = ("history", "compact", "--root", tmp_path, "--retired", "state1", "--before", "2026-03-04")
    (dry,) = call(*arguments, "--dry-run")
    assert (dry["days"], dry["files_before"], dry["files_after"]) == (3, 24, 3)
    assert read_manifest(tmp_path, TOPIC) is None
    (done,) = call(*arguments)
    assert (done["rows"], done["removed"], done["not_final"]) == (144, 24, {})
    assert done["bytes_before"] > done["bytes_after"] > 0
    manifest = read_manifest(tmp_path, TOPIC)
    assert manifest is not None
    assert manifest["rows"] == 144
    assert seen(tmp_path) == everything


def test_without_a_store_nothing_is_taken_and_the_writers_are_named(tmp_path: Path) -> None:
    fill(tmp_path, 24)
    (done,) = call("history", "compact", "--root", tmp_path)
    assert (done["days"], done["not_final"]) == (
        0,
        {"confirmations-state1-lane-00": 4, "confirmations-state1-lane-01": 4},
    )
    shown = CliRunner().invoke(app, ["history", "compact", "--root", str(tmp_path)])
    assert "4 files of confirmations-state1-lane-00 wait" in shown.stdout


def test_today_is_left_alone_when_no_date_is_given(tmp_path: Path) -> None:
    life = writer(tmp_path)
    life.restore(None)
    now = datetime.now(UTC)
    life.write("MachineCycle", rows([1, 2]).with_columns(pl.Series("event_time", [now, now - timedelta(days=3)])))
    life.sync()
    (done,) = call("history", "compact", "--root", tmp_path, "--retired", "state1")
    assert (done["days"], done["rows"]) == (1, 1)


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="there is no folder"):
        call("history", "compact", "--root", tmp_path / "no")


def test_trace_and_reconciliation_read_both_zones_as_one(tmp_path: Path) -> None:
    """Two days are in day files, one of them has late rows, the others lie in the raw zone."""
    for lane, source in (("lane-00", "M2"), ("lane-01", "M1")):
        life = writer(tmp_path, lane)
        life.restore(None)
        life.write("MachineCycle", rows(range(96), source).with_columns(order_id=pl.lit("4711")))
        life.sync()
    before = events_of(tmp_path, ConfirmationsSettings(), "4711")
    call("history", "compact", "--root", tmp_path, "--retired", "state1", "--before", "2026-03-03")
    after = events_of(tmp_path, ConfirmationsSettings(), "4711")
    assert after.contracts == before.contracts
    assert count_history(tmp_path, TOPIC) == (192, 192)


def test_a_day_with_late_rows_is_counted_with_them(tmp_path: Path) -> None:
    fill(tmp_path, 24)
    call("history", "compact", "--root", tmp_path, "--retired", "state1")
    life = writer(tmp_path, "lane-01", "state2")
    life.restore(None)
    life.write("MachineCycle", rows([5], "LATE"))
    life.sync()
    assert count_history(tmp_path, TOPIC) == (49, 49)
