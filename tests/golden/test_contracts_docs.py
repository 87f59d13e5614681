"""Generated parts of the contracts' documentation are those of now."""

from __future__ import annotations

from tools import contract_changes


def test_the_table_of_changes_is_fresh() -> None:
    assert contract_changes.main(["--check"]) == 0
