"""The steps of arrivals and stock as the engine drives them: crashes, drains, and silence at the end."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import polars as pl
import pytest

from millrace.shutdown import draining
from operators import replenishment
from operators.clock import Tick
from operators.reference_lane import ReferenceOutput
from operators.replenishment import Announced, ReplenishmentConfig
from operators.replenishment_crossings import Crossings
from operators.replenishment_policy import PolicyBook, ReplenishmentRule
from operators.replenishment_streaming import ArrivalsLogic, ShardLogic
from operators.stock import STOCK_KEY
from operators.stock_kept import Files
from tests.flows.stock_records import Record, answer, at, balance, issue, material, notice, order, receipt, result
from tests.property.keyed_steps import KeyedStep, WrittenAgain
from tests.property.shard_lives import MINUTE, given, micros

DAY = 1440
#: Steel is asked for at a given limit, copper at one that is learned anew each day.
RULES = [
    {"material": "STEEL", "reorder_point": 100, "order_up_to": 300},
    {"material": "COPPER", "learn_days": 9, "learn_least": 3, "lead_time_mean": 2, "lot_size": 100},
]
CONFIG = ReplenishmentConfig(
    PolicyBook([ReplenishmentRule.model_validate(rule) for rule in RULES]), 10 * MINUTE, keep=timedelta(days=30)
)
MATERIALS = [material(), material("COPPER")]
SEEDS = range(2)


def plant(seed: int) -> list[Record]:
    """Four days, in the order of time: what is used, counted, ordered and received; not all of it is answered."""
    chance = random.Random(seed)
    used = [issue(n, chance.uniform(5, 2 * DAY), 20) for n in range(14)]
    used += [
        issue(100 + n, n * DAY / 3 + chance.uniform(5, 400), chance.randint(5, 45), material="COPPER")
        for n in range(chance.randint(8, 12))
    ]
    number = "P1||STEEL|RM01|1"
    came = [
        *(balance(0, 250), balance(0.1, 320, material="COPPER"), balance(DAY, 40, as_of=DAY - 20)),
        order(chance.uniform(800, 1500), 200, request_number=number),
        *([answer(1600, chance.choice([150, 200]))] if seed % 2 else []),
        *([notice("S1", 2000, 200), receipt("R1", 2500, chance.choice([180, 200]), "S1")] if seed % 3 else []),
        *([result(700)] if seed % 4 == 3 else []),
    ]
    return sorted([*used, *came], key=lambda record: record["event_time"])


def rows_of(record: Record) -> list[tuple[str, pl.DataFrame]]:
    """A record as a lane that learns hands it out."""
    parts = given(record)[0]
    used = [part.select(*STOCK_KEY, "time", "unit", "quantity") for kind, part in parts if record["event_id"][0] == "c"]
    return [*parts, *(("consumed", part) for part in used)]


class World:
    """One shard; the source's place in the log is durable with the steps.

    Args:
        records: The log.
        arrivals: Logic of the first step.
        stock: Logic of the second.
        files: Outlive its lives; None keeps everything in the state.
    """

    def __init__(
        self,
        records: Sequence[Record],
        arrivals: Any = ArrivalsLogic,
        stock: Any = ShardLogic,
        files: Files | None = None,
    ) -> None:
        self._config = replace(CONFIG, files=files)
        self._log = [(rows_of(record), micros(record["event_time"])) for record in records]
        self._made = arrivals, stock
        self._stores: tuple[dict[str, bytes], dict[str, bytes]] = ({}, {})
        self._durable = (0, -(2**62))
        self.asked: dict[str, tuple[Any, ...]] = {}
        self.alerts: set[str] = set()
        self.start()

    def start(self) -> None:
        """A life, from what is durable: a crash loses the rest."""
        arrivals, stock = self._made
        self._arrivals = KeyedStep(lambda state: arrivals(self._config.step, state), self._stores[0])
        self._stock = KeyedStep(lambda state: stock(self._config, state), self._stores[1])
        self.read, self._now = self._durable

    @property
    def done(self) -> bool:
        """The log was read to its end."""
        return self.read == len(self._log)

    def poll(self, count: int = 1) -> None:
        """Records, and the time that they tell; the materials come first."""
        values: list[Any] = [ReferenceOutput(materials=[dict(each) for each in MATERIALS])] if not self.read else []
        for rows, time in self._log[self.read : self.read + count]:
            values += rows
            self._now = max(self._now, time)
        self.read = min(self.read + count, len(self._log))
        self._give([*values, self._tick()])

    def hear(self, minutes: float | None = None) -> None:
        """A heartbeat; of silent partitions the wall clock tells the time."""
        self._now = self._now if minutes is None else max(self._now, micros(at(minutes)))
        self._give([self._tick()])

    def _tick(self) -> Tick:
        return Tick(self._now, self._now)

    def _give(self, values: list[Any]) -> None:
        announced = self._stock.take(self._arrivals.take([("s000", value) for value in values]))
        for _, output in announced:
            self._hear(output)

    def _hear(self, output: Announced) -> None:
        for each in output.requests:
            told = (each["quantity"], each["crossed_at"], each["withdrawn"])
            assert self.asked.setdefault(f"{each['document_key']}#{each['revision']}", told) == told
        self.alerts |= {each["event_id"] for each in output.alerts}

    def snapshot(self) -> None:
        """The end of an epoch."""
        self._arrivals.snapshot()
        self._stock.snapshot()
        self._durable = (self.read, self._now)

    def drain(self) -> None:
        """SIGTERM: stock stops between two instants, what is held stays in the state, and the next life begins."""
        self._stock.take(self._arrivals.end())
        self._stock.end()
        self.snapshot()
        self.start()

    def silence(self, *minutes: float) -> None:
        """Nothing comes any more; the time passes, an epoch each, and then stands."""
        for each in [*minutes, None, None]:
            self.hear(each)
            self.snapshot()

    @property
    def told(self) -> tuple[dict[str, tuple[Any, ...]], set[str]]:
        """What was announced, each once."""
        return self.asked, self.alerts


@contextmanager
def drained(world: World, stops: bool) -> Iterator[None]:
    """SIGTERM comes before what stock is given now, or it does not come."""
    if stops:
        draining.set()
    try:
        yield
        if stops:
            world.drain()
    finally:
        draining.clear()


#: After the log, until the request that nobody orders is given up.
SILENT = [60.0 * hour for hour in range(96, 24 * 18, 12)]


@cache
def quiet(seed: int) -> World:
    """One life, a record or two an epoch."""
    world = World(plant(seed))
    while not world.done:
        world.poll(2)
        world.snapshot()
    world.silence(*SILENT)
    return world


def troubled(seed: int, world: World) -> World:
    """Any batches; crashes and drains at any moment, also in the silence."""
    chance = random.Random(1000 + seed)
    silent = list(SILENT)
    while silent:
        for _ in range(chance.randint(0, 2)):
            world.hear()
        with drained(world, chance.random() < 0.1):
            if world.done:
                world.hear(silent.pop(0))
            else:
                world.poll(chance.randint(1, 6))
        if chance.random() < 0.25:
            world.start()
        elif chance.random() < 0.7:
            world.snapshot()
    world.start()
    world.silence(SILENT[-1])
    return world


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_due_is_announced_after_any_crash_and_drain_though_nothing_follows(seed: int) -> None:
    expected = quiet(seed)
    assert troubled(seed, World(plant(seed))).told == expected.told
    assert len(expected.asked) > 1
    assert expected.alerts


class ChangedByRowsAlone(WrittenAgain, ShardLogic):
    """Naive: writes the state that it was started from again until rows come."""


def test_a_state_that_is_written_again_though_time_has_changed_it_is_found() -> None:
    """Negative control of the test above."""
    assert troubled(0, World(plant(0), stock=ChangedByRowsAlone)).told != quiet(0).told


class OnlyLetsGo(ArrivalsLogic):
    """Naive: of what the first tick of a life has judged nothing is known, since nothing was handed on."""

    def __init__(self, step: int, state: dict[str, Any] | None) -> None:
        super().__init__(step, state)
        if state is not None:
            self._arrivals._handed = state["handed"]


@pytest.mark.parametrize("logic", [ArrivalsLogic, OnlyLetsGo])
def test_what_a_drained_flow_left_to_judge_is_announced_in_the_next_life_before_time_moves_on(
    logic: type[ArrivalsLogic],
) -> None:
    world = World([balance(0, 50)], arrivals=logic)
    with drained(world, stops=True):
        world.poll()
    world.silence()
    assert bool(world.asked) is (logic is ArrivalsLogic)


def copper(*days: int) -> list[Record]:
    """What is used of copper on each of some days; it is counted before."""
    used = [issue(day, DAY * day + 5.0, quantity, material="COPPER") for day, quantity in enumerate(days)]
    return [balance(0, 270, material="COPPER"), *used]


class LookedAt(Crossings):
    """Naive: a new day concerns the places that have a limit, as this life knows them."""

    def places(self, levels: pl.DataFrame) -> pl.DataFrame:  # noqa: ARG002
        """By what is in memory."""
        return self._limits.select(list(STOCK_KEY))


@pytest.mark.parametrize("crossings", [Crossings, LookedAt])
@pytest.mark.parametrize(
    ("used", "restarts"),
    [
        pytest.param((30, 30, 30, 30, 80), True, id="the limit of a new day after a restart"),
        pytest.param((120, 120), False, id="the first limit, once enough days are known"),
    ],
)
def test_a_new_day_is_looked_at_though_nothing_moves(
    crossings: type[Crossings], used: tuple[int, ...], restarts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was used on a day counts from midnight on, and enough days are known at midnight."""
    monkeypatch.setattr(replenishment, "Crossings", crossings)
    world = World(copper(*used))
    while not world.done:
        world.poll()
        world.snapshot()
    world.silence(DAY * (len(used) - 1) + 30)
    assert not world.asked
    if restarts:
        world.start()
    world.silence(*(60.0 * hour for hour in range(24 * len(used), 24 * 8, 6)))
    assert bool(world.asked) is (crossings is Crossings)
