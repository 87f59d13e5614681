"""Rows that found no room to wait count once when their material comes, and their letters are resolved by it."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from millrace.ledger import Ledger
from millrace.ledger.letter_states import Person, move
from millrace.ledger.letters import LetterFilter, page
from millrace.ledger.model import LetterState
from operators.replenishment import Shard
from sinks.ledger import LedgerPartition
from sinks.letter_recall import LetterRecall
from sinks.replenishment_batches import of_announced
from tests.flows.stock_records import Record, balance, issue, material
from tests.property.shard_lives import config
from tests.unit.test_replenishment_shard import ticked

RECORDS = [balance(0, 500), *(issue(number, number, 10) for number in range(1, 6))]


class World:
    """A shard with room for one row of a kind, over a ledger."""

    def __init__(self, folder: Path, *, asks: bool = True, hold: bool = False) -> None:
        self.url = f"sqlite:///{folder / 'ledger.db'}"
        self._ledger = Ledger(self.url, who="test")
        self._sink = LedgerPartition(self.url, "stock")
        self._config = replace(
            config(1, hold=hold), most_waiting=1, recall=LetterRecall(self.url, "stock") if asks else None
        )
        self.shard, self.rows = Shard(self._config), []

    def tick(self, minutes: float, *records: Record, written: bool = True) -> Any:
        announced = ticked(self.shard, minutes, records)
        self.rows += [row for frame in announced.projections for row in frame.to_dicts()]
        if written:
            self.write(announced)
        return announced

    def write(self, announced: Any) -> None:
        self._sink.write_batch([of_announced(announced, flow="stock")])

    def killed(self, state: Any) -> None:
        self.shard = Shard(self._config)
        self.shard.restore(state)

    def letters(self) -> list[Any]:
        return list(self._ledger.ask(lambda connection: page(connection, LetterFilter(), limit=99)).letters)

    def states(self) -> set[str]:
        return {str(letter.state) for letter in self.letters()}

    def discard(self, name: str) -> None:
        states = ("open", LetterState.DISCARDED)
        self._ledger.change(lambda _e, c, now: move(c, name, states, Person("ann", "counted by hand"), now))

    def on_hand(self) -> Any:
        return self.rows[-1]["on_hand"] if self.rows else None


def test_the_material_itself_brings_back_what_found_no_room(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.tick(10, *RECORDS)
    assert (len(world.letters()), world.states()) == (4, {"open"})
    world.shard.material([material()])
    for minutes in (20, 21, 22):
        world.tick(minutes, *([issue(9 + minutes, minutes, 1)] if minutes > 20 else []))
    assert (world.on_hand(), world.states()) == (448, {"resolved"})


def test_without_asking_the_letters_only_a_balance_helps(tmp_path: Path) -> None:
    """Negative control: 40 that were used are in no stock, and nobody ever counts them."""
    world = World(tmp_path, asks=False)
    world.tick(10, *RECORDS)
    world.shard.material([material()])
    world.tick(20, issue(30, 20, 1))
    assert (world.on_hand(), world.states()) == (489, {"open"})


def test_letters_that_are_written_after_the_material_came_are_waited_for(tmp_path: Path) -> None:
    world = World(tmp_path)
    announced = world.tick(10, *RECORDS, written=False)
    world.shard.material([material()])
    world.tick(20)
    world.write(announced)
    world.tick(21, issue(30, 21, 1))
    world.tick(22, issue(31, 22, 1))
    assert (world.on_hand(), world.states()) == (448, {"resolved"})


def test_what_a_person_discarded_stays_out(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.tick(10, *RECORDS)
    world.discard(next(each.event_id for each in world.letters()))
    world.shard.material([material()])
    world.tick(20)
    world.tick(22, issue(31, 22, 1))
    assert (world.on_hand(), world.states()) == (459, {"discarded", "resolved"})


def test_a_material_that_does_not_convert_the_unit_takes_nothing_back_until_a_version_does(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.tick(10, *RECORDS)
    world.shard.material([{**material(), "base_unit": "C62", "conversions": []}])
    world.tick(20)
    assert world.states() == {"open"}
    world.shard.material([{**material(), "version": 2}])
    world.tick(21)
    world.tick(22, issue(31, 22, 1))
    assert (world.on_hand(), world.states()) == (449, {"resolved"})


@pytest.mark.parametrize("seed", range(20))
def test_killed_anywhere_each_row_counts_once(seed: int, tmp_path: Path) -> None:
    """A state is durable now and then; what comes after it is lost with a kill and happens again."""
    chance, world = random.Random(seed), World(tmp_path, hold=True)
    script: list[Any] = [
        *([each] for each in RECORDS),
        "material",
        *[[] for _ in range(4)],
        [issue(30, 40, 1)],
        [],
        [],
        [],
    ]
    at, durable = 0, (0, world.shard.snapshot())
    kills = chance.randint(0, 4)
    while at < len(script):
        if script[at] == "material":
            world.shard.material([material()])
        else:
            world.tick(10 + at if at > 8 else at, *script[at])
        at += 1
        if chance.random() < 0.6:
            durable = (at, world.shard.snapshot())
        if kills and chance.random() < 0.3:
            kills -= 1
            world.killed(durable[1])
            at = durable[0]
    world.tick(60)
    world.shard.snapshot()
    world.tick(61)
    world.shard.snapshot()
    world.tick(62)
    assert (world.on_hand(), world.states()) == (449, {"resolved"})
