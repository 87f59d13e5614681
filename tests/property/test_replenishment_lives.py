"""One request per crossing, whatever is killed when, and in whichever order the lanes are read again."""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal

import polars as pl

from tests.flows.stock_records import Record, balance, issue, receipt, result
from tests.property.shard_lives import World, config, given

SEEDS = range(15)


def plant(seed: int) -> tuple[list[Record], list[Record]]:
    """Issues on one lane; a balance and receipts on the other; some are late by more than a step."""
    chance = random.Random(seed)
    consumed = [issue(n, 5.0 * n + chance.choice([0, 0, -23]), 35) for n in range(1, 31)]
    came = [receipt(f"R{n}", 22.0 * n + chance.uniform(-25, 0), 90) for n in range(1, 6)]
    # The first request is refused, and tried again in every other plant.
    refused = [result(40), *([result(75, "pending")] if seed % 2 else [])]
    return consumed, [balance(0, 190), *came, *refused]


def lives(seed: int, *, hold: bool) -> tuple[World, Decimal]:
    """What was announced over several lives, and what the last state counts as asked for."""
    chance = random.Random(1000 + seed)
    world = World([[given(each) for each in lane] for lane in plant(seed)], config(hold=hold))
    for _ in range(6):
        world.live(chance, chance.randint(2, 24))
    shard = world.live(chance, None)
    total: Decimal = shard.requests.papers.filter(pl.col("kind") == "requested")["quantity"].sum() or Decimal(0)
    return world, total


def contradictions(world: World) -> set[str]:
    """Requests that were announced with more than one content."""
    told = defaultdict(set)
    for key, quantity in world.asked:
        told[key].add(quantity)
    return {key for key, quantities in told.items() if len(quantities) > 1}


def test_every_life_stands_by_what_was_asked_for() -> None:
    """Announced once each, in numbers without a gap, and all of it is in the state."""
    crossings = 0
    for seed in SEEDS:
        world, total = lives(seed, hold=True)
        asked = dict(world.asked)
        assert contradictions(world) == set()
        assert sorted(int(key.rpartition("|")[2]) for key in asked) == list(range(1, len(asked) + 1))
        assert sum(asked.values()) == total
        crossings += len(asked)
    assert crossings > len(SEEDS)


def test_announcing_at_once_is_contradicted_by_a_later_life() -> None:
    """Negative control: the same rules, numbers and kills, without waiting for what is durable."""
    worlds = [lives(seed, hold=False) for seed in SEEDS]
    assert any(contradictions(world) or sum(dict(world.asked).values()) != total for world, total in worlds)
