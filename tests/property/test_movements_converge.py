"""Goods movements converge: any order, batching, repetition and crash end in the sums over the distinct records."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from operators import movement_streaming
from operators.movement_reference import MovementReferenceLane
from schemas.batch import RawBatch
from tests.flows.memory import START, Script, batch
from tests.flows.movement_memory import Book, component, confirmed, material, order, run, settings, used

Totals = dict[tuple[str, str], Decimal]
WINDOWS, LANES = 12, 2
BACKFLUSHED = [{"component": "BF-*", "policy": "all"}]
#: Base units of a box, by version of the material.
BOX = {1: 10, 2: 12}


class World:
    """What happened: bookings, confirmations with revisions, versions of the order and of a material."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.bookings = [self._booking(number) for number in range(self.chance.randint(5, 40))]
        self.revisions = [
            confirmed(self.chance.randint(0, 20), revision, window)
            for window in range(self.chance.randint(1, 4))
            for revision in range(1, self.chance.randint(2, 4))
        ]
        self.orders = [
            order(component("BF-1", self.chance.randint(1, 5)), component("BF-2", 1, 2), version=1),
            order(component("BF-1", self.chance.randint(1, 5)), version=2),
        ]
        box = {version: (units, 1) for version, units in BOX.items()}
        self.materials = [material(version=version, BOX=box[version]) for version in BOX]
        self.materials += [material("BF-1"), material("BF-2")]

    def _booking(self, number: int) -> dict[str, Any]:
        source = f"line-{number % 3}"
        return used(
            number,
            self.chance.uniform(0, WINDOWS * 600),
            source=source,
            sequence=None,
            kind=self.chance.choice(["ISSUE", "RETURN", "SCRAP"]),
            quantity=Decimal(self.chance.randint(1, 9)),
            unit=self.chance.choice(["KGM", "BOX"]),
            order_id=self.chance.choice(["O1", "O2", ""]),
        )

    def plain(self) -> Totals:
        """The sums, from the records alone."""
        found: Totals = defaultdict(Decimal)
        for row in self.bookings:
            found[row["kind"], "STEEL"] += row["quantity"] * (BOX[2] if row["unit"] == "BOX" else 1)
        newest = {row["document_key"]: row for row in sorted(self.revisions, key=lambda each: each["revision"])}
        needed = self.orders[-1]["components"][0]
        found["ISSUE", "BF-1"] += sum(row["quantity_yield"] for row in newest.values()) * needed["numerator"]
        return {key: value for key, value in found.items() if value}

    def lanes(self) -> list[list[RawBatch]]:
        """Bookings in any order, some twice, cut anywhere; a source stays in its partition."""
        chance = random.Random(self.chance.random())
        lanes: list[list[RawBatch]] = []
        for lane in range(LANES):
            rows = [row for row in self.bookings if int(row["source"][-1]) % LANES == lane]
            rows += chance.sample(rows, len(rows) // 3)
            chance.shuffle(rows)
            lanes.append(list(self._cut(chance, rows, lane)))
        return lanes

    @staticmethod
    def _cut(chance: random.Random, rows: list[dict[str, Any]], lane: int) -> list[RawBatch]:
        cuts, at = [], 0
        while at < len(rows):
            size = chance.randint(1, 7)
            cuts.append(batch("MaterialConsumption", rows[at : at + size], lane, at))
            at += size
        return cuts

    def references(self) -> list[RawBatch]:
        """Each record a batch, in any order."""
        chance = random.Random(self.chance.random())
        every = [("WorkOrder", row) for row in self.orders] + [("Material", row) for row in self.materials]
        every += [("ProductionConfirmation", row) for row in [*self.revisions, *chance.sample(self.revisions, 1)]]
        chance.shuffle(every)
        return [batch(name, [row], 0, number) for number, (name, row) in enumerate(every)]


def lived(world: World, lives: int, book: Book, workers: int = 1, **more: Any) -> Totals:
    """The totals after some lives, all but the last of one worker and killed in the middle."""
    lanes, references = world.lanes(), world.references()
    config = settings(backflush=BACKFLUSHED, id_horizon_s=86_400, **more.pop("settings", {}))
    with TemporaryDirectory() as folder:
        for _ in range(lives - 1):
            after = world.chance.randint(0, sum(map(len, lanes)))
            run(config, Script(lanes, references, abort_after=after), book, Path(folder), **more)
        run(config, Script(lanes, references), book, Path(folder), workers=workers, **more)
    return book.totals()


@pytest.mark.parametrize("seed", range(6))
def test_movements_are_the_plain_sums_after_any_lives(seed: int) -> None:
    """What waited too long for its unit or order is told of, and booked all the same when that comes."""
    world, book = World(seed), Book()
    assert lived(world, 1 + seed % 3, book, workers=1 + seed % 2) == world.plain()
    assert set(book.reasons()) <= {"unit_conversion_unknown", "order_unknown"}


@pytest.mark.parametrize("seed", range(3))
def test_movements_are_the_plain_sums_where_most_comes_after_its_window_has_left(seed: int) -> None:
    """A horizon shorter than the disorder: what is late is added by documents of its own."""
    world, book = World(seed), Book()
    world.materials = [each for each in world.materials if each["version"] == 1]
    world.orders = world.orders[1:]
    for row in world.bookings:
        row["unit"] = "KGM"
    assert lived(world, 1 + seed % 2, book, settings={"horizon_h": 0.2, "wait_s": 86_400}) == world.plain()
    assert any(row["adjustment"] for row in book.best.values())


class Left(World):
    """Versions of the order say differently whether the ERP books the steel that is reported."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.theirs = [self.chance.random() < 0.5 for _ in self.orders]
        for each, theirs in zip(self.orders, self.theirs, strict=True):
            each["components"].append(component("STEEL", component_item="0009", erp_backflush=theirs))

    def plain(self) -> Totals:
        every = self.bookings
        if self.theirs[-1]:
            kept = [row for row in every if row["order_id"] != "O1" or row["kind"] == "SCRAP"]
            self.bookings = kept
        found, self.bookings = super().plain(), every
        return found


@pytest.mark.parametrize("seed", range(6))
def test_what_the_newest_version_of_its_order_leaves_to_the_erp_is_not_booked_after_any_lives(seed: int) -> None:
    world, book = Left(seed), Book()
    assert lived(world, 1 + seed % 3, book, workers=1 + seed % 2) == world.plain()
    assert ("booked_elsewhere" in book.reasons()) >= world.theirs[-1]


def test_where_orders_do_not_correct_what_was_booked_before_them_some_sums_are_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A negative control."""
    monkeypatch.setattr(movement_streaming, "_concerned", lambda _reference: [])
    wrong = 0
    for seed in range(12):
        world = Left(seed)
        wrong += lived(world, 1, Book()) != world.plain()
    assert wrong


def _differs(seed: int, lives: int, book: Book, **more: Any) -> bool:
    world = World(seed)
    return lived(world, lives, book, **more) != world.plain()


def test_where_repeats_count_some_sums_are_wrong() -> None:
    """A negative control."""
    assert any(_differs(seed, 1, Book(), deduplicate=False) for seed in range(3))


def test_where_changed_units_are_not_applied_to_what_was_booked_some_sums_are_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A negative control."""
    monkeypatch.setattr(MovementReferenceLane, "_remeasured", lambda _self, _record: None)
    assert any(_differs(seed, 1, Book()) for seed in range(12))


def test_the_window_of_the_world_is_longer_than_one_window_of_the_flow() -> None:
    """Else nothing would be revised after it was announced."""
    times = {row["event_time"] for row in World(1).bookings}
    assert max(times) - min(times) > timedelta(minutes=30)
    assert min(times) >= START
