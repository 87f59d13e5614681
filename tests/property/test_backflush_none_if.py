"""Whoever books a component by the newest version, what an earlier one had booked here is taken back."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators import movement_backflush
from operators.backflush import Policy
from operators.backflush_rules import BackflushRules, PolicyRule, Where
from operators.movement_documents import MovementConfig, MovementDocuments, MovementsOutput
from tests.flows.movement_memory import material
from tests.property.test_backflush_bills import NAMES, Totals, World
from tests.unit.test_movement_cancelled import totals
from tests.unit.test_movement_state import reference


def implied(world: World, policy: Policy) -> Totals:
    """What the shard booked of the world's records, one by one in some order."""
    rules = BackflushRules([PolicyRule(Where(), policy)])
    documents, output = MovementDocuments(MovementConfig(rules)), MovementsOutput()
    every = [("WorkOrder", each) for each in world.orders] + [("Material", material(name)) for name in NAMES]
    every += [("ProductionConfirmation", each) for each in world.revisions]
    world.chance.shuffle(every)
    for name, record in every:
        documents.batch([reference(**{name: [record]})], output)
    return totals(output)


def wanted(world: World, policy: Policy) -> Totals:
    """By the newest version alone; operation 0010 is confirmed."""
    if policy is Policy.ONLY_NON_BACKFLUSHED:
        return world.plain()
    mine = [each for each in world.orders[-1]["components"] if each["operation"] == "0010"]
    return defaultdict(Decimal) if any(each["erp_backflush"] for each in mine) else world.plain()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([Policy.NONE_IF_BACKFLUSHED, Policy.ONLY_NON_BACKFLUSHED]))
def test_what_is_booked_here_is_what_the_newest_version_leaves_here(seed: int, policy: Policy) -> None:
    assert implied(World(seed), policy) == wanted(World(seed), policy)


def test_where_only_what_is_left_out_is_taken_back_the_plant_books_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: components that stay in the bill are booked by whom the rules say, and nothing else is done."""
    policy = Policy.NONE_IF_BACKFLUSHED
    monkeypatch.setattr(movement_backflush, "left_out", lambda known, *_: known.clear())
    assert any(implied(World(seed), policy) != wanted(World(seed), policy) for seed in range(20))
