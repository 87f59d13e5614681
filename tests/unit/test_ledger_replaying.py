"""A replay and the ledger, on SQLite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.replaying_case import check_races, check_refused, check_replaying


@pytest.mark.parametrize("check", [check_replaying, check_refused, check_races])
def test_a_replay_replaces_a_version_only_while_nothing_of_it_is_under_way(
    check: Callable[[str], None], tmp_path: Path
) -> None:
    check(f"sqlite:///{tmp_path}/ledger.db")
