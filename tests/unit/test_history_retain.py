"""Days and persons that a topic's rule keeps no longer go, and nothing else."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from millrace.errors import Misconfigured
from sinks.history import personal
from sinks.history.manifest import read_manifest
from sinks.history.retention import RetentionSettings
from sinks.history.verify import verify
from tests.unit.erase_case import TOPIC, call, fill, killed, seen, without_people


def retain(root: Path, rules: str, *more: str, code: int = 0) -> Any:
    config = root.parent / f"{root.name}.yaml"
    config.write_text(rules)
    arguments = ["--config", config, "--today", "2026-03-03", "--retired", "state1", *more]
    return call("history", "retain", "--root", root, *arguments, code=code)


def test_days_that_are_older_than_the_rule_go_whole_and_the_others_stay(tmp_path: Path) -> None:
    fill(tmp_path)
    before = seen(tmp_path)
    (would,) = retain(tmp_path, "topics: {operation-report: {days: 1}}", "--dry-run")["topics"]
    assert seen(tmp_path).equals(before)
    (said,) = retain(tmp_path, "topics: {operation-report: {days: 1}}")["topics"]
    assert would == said
    kept = before.filter(pl.col("event_time").dt.date() >= date(2026, 3, 2))
    assert (said["days"], said["rows"]) == (1, before.height - kept.height)
    assert seen(tmp_path).equals(kept)
    manifest = read_manifest(tmp_path, TOPIC)
    assert manifest is not None
    assert manifest["rows"] == 0
    assert verify(tmp_path, TOPIC).problems == []


def test_a_rule_keeps_what_it_does_not_speak_of(tmp_path: Path) -> None:
    fill(tmp_path)
    before = seen(tmp_path)
    for rules in ("{}", "default: {days: 400}", "topics: {machine-cycle: {days: 1}}"):
        retain(tmp_path, rules)
    assert seen(tmp_path).equals(before)


def test_the_default_never_removes_reference_data() -> None:
    """The newest version of a material may be years old."""
    rules = RetentionSettings.model_validate({"default": {"days": 30}, "topics": {"work-order": {"days": 400}}})
    days = {topic: rules.of(topic).days for topic in ("machine-cycle", "material", "shift-calendar", "work-order")}
    assert days == {"machine-cycle": 30, "material": None, "shift-calendar": None, "work-order": 400}


def test_persons_are_taken_out_of_old_days_while_their_rows_stay(tmp_path: Path) -> None:
    fill(tmp_path)
    before = seen(tmp_path)
    retain(tmp_path, "default: {personal_days: 1}")
    after = seen(tmp_path)
    assert without_people(after).equals(without_people(before))
    old = pl.col("event_time").dt.date() < date(2026, 3, 2)
    assert set(after.filter(old)["operator"]) == {personal.ERASED, None}
    assert after.filter(~old).equals(before.filter(~old))


def test_a_day_of_which_a_flow_may_still_write_waits_as_a_whole(tmp_path: Path) -> None:
    fill(tmp_path)
    before = seen(tmp_path)
    config = tmp_path / "rules.yaml"
    config.write_text("default: {days: 1}")
    arguments = ["history", "retain", "--root", tmp_path, "--config", config, "--today", "2026-03-03"]
    (said,) = call(*arguments)["topics"]
    assert (said["days"], sum(said["not_final"].values())) == (0, 1)
    assert seen(tmp_path).equals(before)


@pytest.mark.parametrize("count", [1, 2])
def test_a_kill_while_a_day_goes_doubles_no_row_and_the_next_run_removes_the_rest(tmp_path: Path, count: int) -> None:
    fill(tmp_path / "history")
    root = tmp_path / "history"
    before = seen(root)
    config = tmp_path / "history.yaml"
    config.write_text("default: {days: 1}")
    arguments = ["history", "retain", "--config", str(config), "--today", "2026-03-03", "--retired", "state1"]
    killed(root, f"retain.after_remove@{count}", arguments)
    ids = seen(root)["event_id"]
    assert ids.is_unique().all()
    assert set(ids) <= set(before["event_id"])
    retain(root, "default: {days: 1}")
    assert seen(root).equals(before.filter(pl.col("event_time").dt.date() >= date(2026, 3, 2)))


def test_a_wrong_rule_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "history").mkdir()
    with pytest.raises(Misconfigured, match=r"history.yaml:2: topics.alert.weeks"):
        retain(tmp_path / "history", "topics:\n  alert: {weeks: 3}\n")
