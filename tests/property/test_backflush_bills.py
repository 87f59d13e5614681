"""Bills that change: what an order used is what its newest version says, whoever had a component before."""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest

from operators import movement_backflush
from schemas.batch import RawBatch
from tests.flows.memory import Script, batch
from tests.flows.movement_memory import Book, component, confirmed, material, order, run, settings

NAMES = ("BF-1", "BF-2", "BF-3")
Totals = dict[tuple[str, str], Decimal]


class World:
    """Versions of an order in which components come, go, and are given to the ERP; confirmations that are corrected."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.orders = [order(*self._bill(), version=version) for version in range(1, self.chance.randint(3, 6))]
        self.revisions = [
            confirmed(self.chance.randint(0, 20), revision, window)
            for window in range(self.chance.randint(1, 3))
            for revision in range(1, self.chance.randint(2, 4))
        ]

    def _bill(self) -> list[dict[str, Any]]:
        lines = [(name, operation) for name in NAMES for operation in ("0010", "0020")]
        return [
            component(
                name,
                self.chance.randint(1, 5),
                operation=operation,
                component_item=f"{number:04}",
                storage_location=self.chance.choice(["RM01", "RM02"]),
                erp_backflush=self.chance.random() < 0.4,
            )
            for number, (name, operation) in enumerate(lines)
            if self.chance.random() < 0.7
        ]

    def plain(self) -> Totals:
        """From the newest of everything alone; only operation 0010 is confirmed."""
        newest = {each["document_key"]: each for each in sorted(self.revisions, key=lambda each: each["revision"])}
        pieces = sum((each["quantity_yield"] for each in newest.values()), Decimal(0))
        found: Totals = defaultdict(Decimal)
        for each in self.orders[-1]["components"]:
            if each["operation"] == "0010" and not each["erp_backflush"]:
                found["ISSUE", each["material"]] += pieces * each["numerator"]
        return {key: value for key, value in found.items() if value}

    def references(self) -> list[RawBatch]:
        """Any order, some twice; what is of one topic may come together."""
        every = [("WorkOrder", each) for each in self.orders] + [("Material", material(name)) for name in NAMES]
        every += [("ProductionConfirmation", each) for each in self.revisions]
        every += self.chance.sample(every, 3)
        self.chance.shuffle(every)
        batches, at = [], 0
        while at < len(every):
            rows = [each for name, each in every[at : at + self.chance.randint(1, 3)] if name == every[at][0]]
            taken = next((n for n, (name, _) in enumerate(every[at:]) if name != every[at][0]), len(rows))
            rows = rows[:taken]
            batches.append(batch(every[at][0], rows, 0, at))
            at += len(rows)
        return batches


def booked(world: World, policy: str = "only_non_backflushed") -> Totals:
    book = Book()
    run(settings(backflush=[{"component": "BF-*", "policy": policy}]), Script([[]], world.references()), book)
    return book.totals()


@pytest.mark.parametrize("policy", ["all", "only_non_backflushed"])
@pytest.mark.parametrize("seed", range(12))
def test_what_an_order_used_is_what_its_newest_version_says(seed: int, policy: str) -> None:
    """What it left out or gave to the ERP is taken back, or both would book it."""
    world = World(seed)
    assert booked(world, policy) == world.plain()


def test_where_the_erp_s_components_replace_ours_in_the_state_some_are_issued_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Negative control: a component that is given to the ERP is then not known to have been ours."""
    kept = movement_backflush.Backflushing._keep

    def keep(self: Any, **frames: pl.DataFrame) -> None:
        if "bill" in frames:
            theirs = frames["bill"].filter("erp_backflush")
            item = ["plant", "order_id", "operation", "component_item", "component", "storage_location"]
            ours = frames["bill"].filter(~pl.col("erp_backflush")).join(theirs, on=item, how="anti")
            frames["bill"] = pl.concat([ours, theirs])
        kept(self, **frames)

    monkeypatch.setattr(movement_backflush.Backflushing, "_keep", keep)
    assert any(booked(World(seed)) != World(seed).plain() for seed in range(12))


def used(*components: dict[str, Any], pieces: int = 10, version: int = 1) -> Book:
    """What ten pieces used by a bill."""
    rows = [
        ("Material", [material("BF-1", TNE=(1000, 1))]),
        ("WorkOrder", [order(*components, version=version)] * 2),
        ("ProductionConfirmation", [confirmed(pieces, 1)]),
    ]
    book, references = Book(), [batch(name, records, 0, at) for at, (name, records) in enumerate(rows)]
    run(settings(backflush=[{"component": "BF-*", "policy": "all"}]), Script([[]], references), book)
    return book


def test_lines_that_nothing_tells_apart_are_used_together() -> None:
    """Bills of plants that number no items; the order comes twice, which adds nothing."""
    two = component("BF-1", 2, component_item=""), component("BF-1", 1, component_item="")
    assert used(*two).totals() == {("ISSUE", "BF-1"): Decimal(30)}


def test_lines_that_nothing_tells_apart_and_that_do_not_add_up_are_told() -> None:
    book = used(component("BF-1", 2, component_item=""), component("BF-1", 1, unit="TNE", component_item=""))
    assert (book.totals(), book.reasons()) == ({}, ["bill_of_material"])


def test_a_bill_beyond_every_number_is_told_and_stops_nothing() -> None:
    """The other components are booked; a version that is mended too."""
    absurd = component("BF-1", numerator=Decimal("999999999999"), denominator=Decimal("0.000001"))
    other = component("BF-1", component_item="0002")
    book = used(absurd, other, pieces=1_000_000)
    assert (book.totals(), book.reasons()) == ({("ISSUE", "BF-1"): Decimal(2_000_000)}, ["bill_of_material"])


@pytest.mark.parametrize("seed", range(8))
def test_what_is_used_is_rounded_once_in_the_unit_that_it_is_booked_in(seed: int) -> None:
    """By fractions: a third of a tonne is 333.333333 kg, and not 333.333 for being 0.333333 t before."""
    chance = random.Random(seed)
    numerator, denominator, pieces = chance.randint(1, 99), chance.choice([3, 7, 11, 13]), chance.randint(1, 999)
    book = used(component("BF-1", numerator, denominator, unit="TNE"), pieces=pieces)
    exact = Fraction(pieces * numerator * 1000, denominator)
    ((_, told),) = book.totals().items()
    assert abs(Fraction(told) - exact) <= Fraction(1, 2_000_000)
