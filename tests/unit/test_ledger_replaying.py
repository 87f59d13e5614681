"""A replay and the ledger, on SQLite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from millrace.ledger import Ledger
from millrace.ledger.replaying import Fate, put
from tests.conformance.erp_world import Clock, document
from tests.unit.ledger_desk import want
from tests.unit.replaying_case import BY, check_races, check_refused, check_replaying


@pytest.mark.parametrize("check", [check_replaying, check_refused, check_races])
def test_a_replay_replaces_a_version_only_while_nothing_of_it_is_under_way(
    check: Callable[[str], None], tmp_path: Path
) -> None:
    check(f"sqlite:///{tmp_path}/ledger.db")


def test_nothing_is_put_of_orders_with_late_additions_that_the_replay_did_not_know(
    ledger: Ledger, clock: Clock
) -> None:
    """It may have counted them in their window; what came before it compared, it has left out there."""
    window = document(1, revision=1, **{"yield": "7"})
    late = replace(document(2, **{"yield": "1"}), key="late|machine-cycle|0|17")
    other = document(1, "1000002", **{"yield": "3"})
    want(ledger, window, late)
    more = replace(window, revision=2, quantities={"yield": Decimal(8)})
    at = clock()
    for since, fates in ((at, {Fate.SUPERSEDED: 1, Fate.PUT: 1}), (at + 1, {Fate.PUT: 1, Fate.SAME: 1})):
        done = ledger.change(lambda engine, c, now, since=since: put(engine, c, [more, other], BY, now, since))
        assert dict(done.counts) == fates
