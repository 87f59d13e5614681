"""Generated parts of the contracts' documentation are those of now."""

from __future__ import annotations

from dataflows.settings import EVENTS, OUTPUTS, REFERENCES
from schemas.contracts import contracts
from schemas.governance import site
from tools import contract_changes


def test_the_table_of_changes_is_fresh() -> None:
    assert contract_changes.main(["--check"]) == 0


def test_the_site_about_the_contracts_is_fresh() -> None:
    """`millrace contracts docs` writes it."""
    assert site.stale() == []


def test_producers_and_consumers_are_those_that_the_flow_is_wired_with() -> None:
    def naming(side: str, party: str) -> set[str]:
        return {name for name, each in contracts().items() if party in each.schema[side]}

    assert naming("consumers", "flow:confirmations") == {*EVENTS, *REFERENCES, "ShiftCalendar"}
    assert naming("producers", "flow:confirmations") == set(OUTPUTS)
    assert naming("consumers", "history:raw") == set(EVENTS)
