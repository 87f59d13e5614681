"""A replay that reads its history from an object store."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataflows.replay_changes import Why
from dataflows.settings import ConfirmationsSettings
from millrace.errors import Misconfigured
from sinks.history.places import ObjectPath
from tests.flows import replay_case as case
from tests.stores.case import put_tree


@pytest.fixture
def moved(root: ObjectPath, tmp_path: Path) -> ConfirmationsSettings:
    """Settings of a flow that has run, with its history on the store."""
    local = case.settings(tmp_path)
    case.run_flow(tmp_path, case.records(5, 20), local)
    put_tree(tmp_path / "history", root)
    return case.settings(tmp_path, history=root, history_spool=tmp_path / "spool")


def test_the_same_rules_change_nothing_and_others_what_they_change(
    moved: ConfirmationsSettings, tmp_path: Path
) -> None:
    same = case.compared(moved, case.replay(tmp_path, moved))
    assert (same.changes, same.same > 10) == ([], True)
    changed = moved.model_copy(update={"counters": case.RESET})
    found = case.compared(changed, case.replay(tmp_path, changed)).changes
    assert {change.why for change in found} == {Why.RULES}
    assert not (tmp_path / "spool").exists(), "a replay writes no history of its own there"


def test_a_place_without_history_is_named(root: ObjectPath, tmp_path: Path) -> None:
    empty = case.settings(tmp_path, history=root / "nothing", history_spool=tmp_path / "spool")
    with pytest.raises(Misconfigured, match=f"{root}/nothing: holds no rows of machine-cycle"):
        case.replay(tmp_path, empty)
