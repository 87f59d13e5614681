"""The steps of goods movements as the engine drives them: crashes at any moment, and silence at the end."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from operators.base_streaming import DocumentsLogic
from operators.movement_backflush import Backflushing
from operators.movement_streaming import MovementTotalsLogic
from tests.flows.memory import batch
from tests.flows.movement_memory import component, confirmed, material, order, used
from tests.property.keyed_steps import ChangedByRowsAlone
from tests.property.movement_steps import CRATE, HOUR, Records, World
from tests.property.test_movements_converge import Totals


def quiet(seed: int) -> World:
    """One life."""
    records, chance = Records(seed), random.Random(seed)
    world = World(records.lanes(), records.references())
    while world.left():
        world.poll(chance)
        world.snapshot()
    world.silence(chance, *(hour * HOUR for hour in range(3, 120, 24)))
    return world


def troubled(seed: int, **steps: Any) -> tuple[World, Totals]:
    """Any batches and timers, crashes at any moment, also in the silence; and the plain sums."""
    records, chance = Records(seed), random.Random(1000 + seed)
    world, silent = World(records.lanes(), records.references(), **steps), [hour * HOUR for hour in range(3, 120, 24)]
    while world.left() or silent:
        if world.left() and chance.random() < 0.8:
            world.poll(chance)
        else:
            world.hear(chance, None if world.left() else silent.pop(0), fires=chance.random() < 0.5)
        if chance.random() < 0.1:
            world.start()
        elif chance.random() < 0.4:
            world.snapshot()
    world.snapshot()
    world.start()
    world.silence(chance, 120 * HOUR)
    return world, records.plain()


@pytest.mark.parametrize("seed", range(2))
def test_what_is_due_is_announced_after_any_crash_though_nothing_follows(seed: int) -> None:
    """Sums, backflush among them, and what is open: all of it while only time passes."""
    world, plain = troubled(seed)
    assert world.book.totals() == plain
    opened = world.book.open()
    assert opened == quiet(seed).book.open()
    assert {reason for _, reason in opened.values()} >= {"order_unknown", "unit_conversion_unknown"}


def written_once(self: Backflushing, **frames: pl.DataFrame) -> None:
    """Naive: a change leaves the bytes of the last snapshot as they are."""
    for name, frame in frames.items():
        setattr(self, name, frame)


@pytest.mark.parametrize("naive", [False, True])
def test_a_confirmation_before_a_crash_implies_issues_when_its_order_comes(
    monkeypatch: pytest.MonkeyPatch, *, naive: bool
) -> None:
    """The second snapshot of a life has what came since the first."""
    if naive:
        monkeypatch.setattr(Backflushing, "_keep", written_once)
    told = [("Material", material("BF-1")), ("ProductionConfirmation", confirmed(7, 1))]
    told.append(("WorkOrder", order(component("BF-1", 3))))
    references = [batch(name, [row], 0, number) for number, (name, row) in enumerate(told)]
    world, chance = World([[], []], references), random.Random(1)
    world.poll(chance)
    world.snapshot()
    world.poll(chance)
    world.snapshot()
    world.start()
    world.poll(chance)
    assert world.book.totals() == ({} if naive else {("ISSUE", "BF-1"): Decimal(21)})


class WithoutTimer(MovementTotalsLogic):
    """Naive: a timer that was set before a crash is not set again after it."""

    def __init__(self, state: dict[str, Any] | None) -> None:
        super().__init__(state)
        self._revise_at = None


@pytest.mark.parametrize("totals", [MovementTotalsLogic, WithoutTimer])
def test_a_late_booking_before_a_crash_is_announced_though_not_even_time_passes(
    totals: type[MovementTotalsLogic],
) -> None:
    """Its window was announced before; the timer that revises it ran when the flow died."""
    bookings = [used(1, 0), used(2, 4000), used(3, 60)]
    log = [batch("MaterialConsumption", [each], 0, number) for number, each in enumerate(bookings)]
    world, chance = World([log, []], [batch("Material", [material()], 0, 0)], totals), random.Random(1)
    while world.left():
        world.poll(chance)
        world.hear(chance, HOUR, fires=False)
        world.snapshot()
    world.start()
    world.silence(chance)
    steel = world.book.totals()["ISSUE", "STEEL"]
    assert steel == (4 if totals is MovementTotalsLogic else 2)


@pytest.mark.parametrize("documents", [DocumentsLogic, ChangedByRowsAlone])
def test_what_waits_when_a_flow_dies_is_given_up_once_though_only_time_passes(
    documents: type[DocumentsLogic[Any]],
) -> None:
    """A crash after each epoch of the silence; a state that forgets what it told tells it again for ever."""
    log = [batch("MaterialConsumption", [used(1, 0, unit=CRATE)], 0, 0)]
    world, chance = World([log, []], [], documents=documents), random.Random(1)
    world.poll(chance)
    world.hear(chance, HOUR)
    world.snapshot()
    for hour in range(2, 8):
        world.start()
        world.hear(chance, hour * HOUR)
        world.snapshot()
    assert [reason for _, reason in world.book.open().values()] == ["unit_conversion_unknown"]
    assert (world.book.told == 1) is (documents is DocumentsLogic)
