"""The steps of totals and documents as the engine drives them: crashes at any moment, and silence at the end."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from operators.base_streaming import ClockLogic, DocumentsLogic
from operators.clock import Clock
from operators.confirmations import IDENTITY
from operators.documents import DocumentConfig, Documents, DocumentsOutput
from operators.lane import Lane, LaneConfig, LaneOutput
from operators.layout import Layout
from operators.reference_lane import ReferenceLane, ReferenceOutput
from operators.screen import TimeLimits
from operators.shifts import CalendarBook, utc_calendar
from operators.streaming import TotalsLogic
from operators.windows import Window
from tests.property.keyed_steps import ChangedByRowsAlone, KeyedStep, SlotSteps
from tests.property.stand_in import HOUR, SECOND, START, TOPICS, Consumer, Plan, Record, Stub, cycle, order, polled
from tests.property.test_convergence import final_of, plan_of, truth_of

#: Nobody ever hears of this one.
UNKNOWN = "O2"
NAMES = ("lane-0", "lane-1")
END = 200 * HOUR


class World:
    """One flow without its timelines; what it gives out goes to a consumer that a crash does not roll back.

    Args:
        plan: What there is to read.
        totals: Logic of the step of totals.
        documents: Logic of the step of documents.
    """

    def __init__(self, plan: Plan, totals: Any = TotalsLogic, documents: Any = DocumentsLogic) -> None:
        self._plan, self._made = plan, (totals, documents)
        self._window, self._calendar = Window.parse(plan.window), CalendarBook([], utc_calendar())
        self._layout = Layout(self._window, self._calendar, shards=2, ring=4, work_center_shards=0)
        self._stores: list[dict[str, bytes]] = [{}, {}, {}]
        self._sources: bytes | None = None
        self.consumer = Consumer()
        self.start()

    def start(self) -> None:
        """A life, from what is durable: a crash loses the rest."""
        totals, documents = self._made
        horizon, layout = self._plan.horizon, self._layout
        config = DocumentConfig(self._window, wait=HOUR)
        steps: list[Callable[[Any], Any]] = [
            lambda state: ClockLogic(Clock(NAMES, 30 * SECOND, horizon), layout, state),
            lambda state: totals(layout, state),
            lambda state: documents(Documents(config), DocumentsOutput, state),
        ]
        made = [KeyedStep(build, store) for build, store in zip(steps, self._stores, strict=True)]
        self._steps = SlotSteps(layout, *made)
        saved = pickle.loads(self._sources) if self._sources else None  # noqa: S301 - our own
        self._lanes = [self._lane(number, saved) for number in range(len(NAMES))]
        self._reference = ReferenceLane({"work-order": "WorkOrder"}, {"work-order": Stub("WorkOrder")})
        self._reference.restore(saved["reference"] if saved else None)
        self._offsets: dict[Any, int] = dict(saved["offsets"]) if saved else {}

    def _lane(self, number: int, saved: Any) -> Lane:
        config = LaneConfig(TOPICS, self._window, TimeLimits(horizon=self._plan.horizon))
        decoders = {topic: Stub(name) for topic, name in TOPICS.items()}
        now = lambda: START / SECOND + 4e6  # noqa: E731
        lane = Lane(NAMES[number], config, decoders, self._calendar, now=now)
        lane.expect(f"{topic}/{p}" for topic, p in self._plan.log if self._plan.lane_of(p) == number)
        lane.restore(saved["lanes"][number] if saved else None)
        return lane

    @property
    def done(self) -> bool:
        """Whether everything was read."""
        return not self._left() and self._offsets.get("references", 0) >= len(self._plan.references)

    def _left(self) -> list[tuple[str, int]]:
        return [place for place, records in self._plan.log.items() if self._offsets.get(place, 0) < len(records)]

    def poll(self, chance: random.Random, most: int = 25) -> None:
        """Records of a partition, or a batch of orders; each lane tells how far it is."""
        at = self._offsets.get("references", 0)
        if at < len(self._plan.references) and (not self._left() or chance.random() < 0.2):
            self._offsets["references"] = at + 1
            self._give(chance, [], self._reference.process(polled("work-order", self._plan.references[at], 0, at)))
        elif left := self._left():
            topic, partition = chance.choice(sorted(left))
            at = self._offsets.get((topic, partition), 0)
            records = self._plan.log[topic, partition][at : at + chance.randint(1, most)]
            self._offsets[topic, partition] = at + len(records)
            lane = self._lanes[self._plan.lane_of(partition)]
            self._give(chance, [lane.process(polled(topic, records, partition, at))])

    def hear(self, chance: random.Random, until: int | None = None, *, fires: bool = True) -> None:
        """An epoch without records: each lane tells how far it is; the clock on the wall says `until`."""
        floor = {f"{topic}/{p}": START + until for topic, p in self._plan.log} if until is not None else {}
        self._give(chance, [lane.heartbeat(floor) for lane in self._lanes], fires=fires)

    def _give(
        self,
        chance: random.Random,
        outputs: Sequence[LaneOutput],
        reference: ReferenceOutput | None = None,
        *,
        fires: bool = False,
    ) -> None:
        """What sources gave goes through the steps."""
        touches = self._layout.touches(reference) if reference is not None else []
        orders = self._layout.references(reference) if reference is not None else []
        for output in self._steps.take(chance, outputs, touches, orders, fires=fires):
            self.consumer.take(output)

    def snapshot(self) -> None:
        """The end of an epoch."""
        self._steps.snapshot()
        lanes = [lane.snapshot() for lane in self._lanes]
        self._sources = pickle.dumps(
            {"lanes": lanes, "reference": self._reference.snapshot(), "offsets": self._offsets}
        )

    def silence(self, chance: random.Random, *until: int) -> None:
        """Nothing comes any more; the time passes, an epoch each, and then stands while timers run off."""
        for each in [*until, None, None, None]:
            self.hear(chance, each)
            self.snapshot()

    def given_up(self) -> Decimal:
        """Yield of the totals of the unknown order that were given up, the newest letter of each."""
        newest = {}
        for letter in sorted(self.consumer.given_up, key=lambda each: each["revises"]):
            newest[tuple(letter[name] for name in IDENTITY)] = letter
        mine = (each["quantity_yield"] for each in newest.values() if each["order_id"] == UNKNOWN)
        return sum(mine, Decimal(0))


def unknown_to_all(seed: int) -> tuple[Plan, Decimal]:
    """A plan in which an order never comes, and all that is counted for it."""
    plan = plan_of(random.Random(seed))
    both = (truth_of(plan_counting(plan, source), "quantity_good", "quantity_yield") for source in COUNTED)
    references = [[each for each in batch if each["order_id"] != UNKNOWN] for batch in plan.references]
    return replace(plan, references=references), sum((found.get(UNKNOWN, Decimal(0)) for found in both), Decimal(0))


COUNTED = ("MACHINE", "OPERATOR")


def plan_counting(plan: Plan, source: str) -> Plan:
    """The same records; every order counts by one source."""
    names = {each["order_id"] for batch in plan.references for each in batch}
    return replace(plan, references=[[order(name, count_source=source) for name in sorted(names)]])


def known(plan: Plan) -> Plan:
    """The records of orders that come."""
    log = {place: [each for each in records if each["order_id"] != UNKNOWN] for place, records in plan.log.items()}
    return replace(plan, log=log)


def troubled(seed: int, world: World) -> World:
    """Any batches and timers, crashes at any moment, also in the silence."""
    chance, silent = random.Random(seed), [hour * HOUR for hour in range(0, 240, 24)]
    while silent:
        if not world.done and chance.random() < 0.8:
            world.poll(chance)
        else:
            world.hear(chance, silent.pop(0) if world.done else None, fires=chance.random() < 0.5)
        if chance.random() < 0.1:
            world.start()
        elif chance.random() < 0.4:
            world.snapshot()
    world.start()
    while not world.done:
        world.poll(chance)
    world.snapshot()
    world.start()
    world.silence(chance, END, END + 24 * HOUR)
    return world


@pytest.mark.parametrize("seed", range(4))
def test_what_is_due_is_announced_after_any_crash_though_nothing_follows(seed: int) -> None:
    """Totals, completions and what is given up: all of it while only time passes."""
    plan, lost = unknown_to_all(seed)
    world = troubled(seed, World(plan))
    totals = truth_of(known(plan), "quantity_good", "quantity_yield")
    assert world.consumer.totals() == totals
    assert world.consumer.totals("quantity_scrap") == truth_of(known(plan), "quantity_scrap", "quantity_scrap")
    assert world.consumer.final() == final_of(plan, totals)
    assert world.given_up() == lost
    assert totals
    assert lost


class WithoutTimer(TotalsLogic):
    """Naive: a timer that was set before a crash is not set again after it."""

    def __init__(self, layout: Layout, state: dict[str, Any] | None) -> None:
        super().__init__(layout, state)
        self._revise_at = None


def pieces(*offsets: int) -> list[Record]:
    """A piece of order O1 each, so many microseconds after the start."""
    return [cycle("A", number, at) for number, at in enumerate(offsets)]


@pytest.mark.parametrize("totals", [TotalsLogic, WithoutTimer])
def test_a_late_piece_before_a_crash_is_announced_though_not_even_time_passes(totals: type[TotalsLogic]) -> None:
    """Its window was announced before; the timer that revises it ran when the flow died."""
    log = {("machine-cycle", 0): pieces(1, 2, HOUR, 3)}
    world, chance = World(Plan(log, [[order("O1")]]), totals=totals), random.Random(1)
    while not world.done:
        world.poll(chance, 1)
        world.hear(chance, fires=False)
        world.snapshot()
    world.start()
    world.silence(chance)
    assert world.consumer.totals() == {"O1": Decimal(3 if totals is TotalsLogic else 2)}


@pytest.mark.parametrize("documents", [DocumentsLogic, ChangedByRowsAlone])
def test_what_waits_when_a_flow_dies_is_given_up_once_though_only_time_passes(
    documents: type[DocumentsLogic[Any]],
) -> None:
    """A crash of each epoch of the silence but the last; a state that forgets what it told tells it again for ever."""
    log = {("machine-cycle", 0): [cycle("A", number, number, order_id=UNKNOWN) for number in range(3)]}
    world, chance = World(Plan(log, []), documents=documents), random.Random(1)
    while not world.done:
        world.poll(chance)
    world.hear(chance, HOUR)
    world.snapshot()
    for hour in range(2, 8):
        world.start()
        world.hear(chance, hour * HOUR)
        world.snapshot()
    assert world.given_up() == 3
    assert (len(world.consumer.given_up) == 1) is (documents is DocumentsLogic)
