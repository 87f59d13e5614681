"""The step of timelines as the engine drives it: batches, ticks, snapshots and crashes, and silence at the end."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operators.clock import Tick
from operators.streaming import TimelineLogic
from tests.property.keyed_steps import WrittenAgain
from tests.property.timeline_oracle import Event, Policy, totals
from tests.property.timeline_world import Consumer, calendar, config, event_sets, frame, normal

#: Epochs in which nothing more comes: one to compute, one to be durable, one to hand out.
SILENT = 3
TICK = Tick(0, -(2**62))


class Step:
    """One shard, epoch by epoch; what it gives out goes to a consumer that a crash does not roll back."""

    def __init__(self, logic: type[TimelineLogic] = TimelineLogic) -> None:
        self.consumer = Consumer()
        self.durable: dict[str, Any] | None = None
        self._made = logic
        self.start()

    def start(self) -> None:
        """A life, from what is durable."""
        self._logic = self._made(config("10m", Policy()), calendar(), hold=True, state=self.durable)

    def epoch(self, *batches: Sequence[Any], crash: bool = False) -> None:
        """Batches of rows and ticks, then a snapshot, unless the process dies before it."""
        for batch in batches:
            made, _ = self._logic.on_batch(list(batch))
            for each in made:
                self.consumer.take(each.output)
        if crash:
            self.start()
        else:
            self.durable = self._logic.snapshot()

    def silence(self) -> None:
        """The machines stand still."""
        for _ in range(SILENT):
            self.epoch([TICK])


EVENTS = [
    Event(1, "W1", 0, "state", order="A", state="PRODUCTION", job="START"),
    Event(2, "W1", 5, "count", quantity=(5, 0, 0)),
    Event(3, "W1", 6, "count", quantity=(2, 0, 0)),
]


class ChangedByRowsAlone(WrittenAgain, TimelineLogic):
    """Naive: writes the state that it was started from again until rows come."""


@pytest.mark.parametrize("logic", [TimelineLogic, ChangedByRowsAlone])
def test_a_row_that_came_after_the_last_tick_before_a_crash_is_announced_though_nothing_follows(
    logic: type[TimelineLogic],
) -> None:
    step = Step(logic)
    step.epoch([frame(EVENTS[:2])], [TICK])
    step.silence()
    step.epoch([TICK], [frame(EVENTS[2:])])
    step.start()
    step.silence()
    is_exact = step.consumer.totals() == normal(totals(EVENTS, "10m", Policy()))
    assert is_exact is (logic is TimelineLogic)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(event_sets(), st.integers(0, 2**32))
def test_rows_and_ticks_in_any_order_with_crashes_end_in_the_totals_of_the_oracle(
    events: list[Event], seed: int
) -> None:
    draw, step = random.Random(seed), Step()
    sent, at = draw.sample(events, len(events)), 0
    while at < len(sent):
        count = draw.randint(1, 9)
        rows, tick = [frame(sent[at : at + count])], [TICK]
        crash = draw.random() < 0.2
        step.epoch(*draw.choice([[rows, tick], [tick, rows], [[*rows, *tick]], [rows]]), crash=crash)
        at += 0 if crash else count
        if draw.random() < 0.2:
            step.start()
        for _ in range(draw.randint(0, 2)):
            step.epoch([TICK])
    step.start()
    step.silence()
    assert step.consumer.totals() == normal(totals(events, "10m", Policy()))
