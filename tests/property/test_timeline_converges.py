"""Whatever the order of arrival, batches, crashes and eviction: the totals are the oracle's."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operators.timeline import Output, Timeline
from tests.property.timeline_oracle import Event, Policy, totals
from tests.property.timeline_world import (
    Chaos,
    Consumer,
    calendar,
    config,
    event_sets,
    frame,
    normal,
    run,
)

POLICIES = [
    Policy(),
    Policy(start="zero", lower="reset", reset_below=3),
    Policy(lower="rollover", modulus=32, confirm=2),
    Policy(confirm=0),
]
WINDOWS = ["10m", "7m", "shift", "day", "operation"]


def bounded(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@bounded(30)
@given(event_sets(), st.sampled_from(POLICIES), st.sampled_from(WINDOWS))
def test_one_batch_gives_the_totals_of_the_oracle(events: list[Event], policy: Policy, window: str) -> None:
    timeline, consumer = Timeline(config(window, policy), calendar(), hold=False), Consumer()
    timeline.add(frame(events))
    consumer.take(timeline.recompute())
    assert consumer.totals() == normal(totals(events, window, policy))


@bounded(15)
@given(event_sets(), st.sampled_from(POLICIES), st.sampled_from(WINDOWS), st.integers(0, 2**32))
def test_late_events_crashes_and_eviction_end_in_the_same_totals(
    events: list[Event], policy: Policy, window: str, seed: int
) -> None:
    consumer = Consumer()
    run(events, config(window, policy), Chaos(seed), consumer)
    assert consumer.totals() == normal(totals(events, window, policy))


@bounded(6)
@given(event_sets(by_sequence=True), st.sampled_from(WINDOWS), st.integers(0, 2**32))
def test_a_clock_that_steps_back_converges_when_readings_are_ordered_by_sequence(
    events: list[Event], window: str, seed: int
) -> None:
    consumer, policy = Consumer(), Policy(by_sequence=True)
    run(events, config(window, policy), Chaos(seed, evict=False), consumer)
    assert consumer.totals() == normal(totals(events, window, policy))


def job_moves() -> list[Event]:
    """Two counts, and between them the start of another job that comes late."""
    return [
        Event(1, "W1", 0, "state", order="A", state="PRODUCTION", job="START"),
        Event(2, "W1", 20, "count", quantity=(5, 0, 0)),
        Event(3, "W1", 10, "state", order="B", state="UNCHANGED", job="START"),
        Event(4, "W1", 30, "count", quantity=(1, 0, 0)),
    ]


def two_lives(hold: bool) -> Consumer:
    """The first life dies before its snapshot; in the second the late job event comes first."""
    events, consumer = job_moves(), Consumer()
    settings_ = config("10m", Policy())
    first = Timeline(settings_, calendar(), hold=hold)
    first.add(frame(events[:2]))
    consumer.take(first.recompute())
    consumer.take(first.release())
    second = Timeline(settings_, calendar(), hold=hold)
    second.add(frame([events[2], events[0], *events[1:2], events[3]]))
    consumer.take(second.recompute())
    second.snapshot()
    consumer.take(second.release())
    return consumer


def test_a_crash_leaves_no_document_of_a_job_that_a_late_event_moved() -> None:
    assert two_lives(hold=True).totals() == normal(totals(job_moves(), "10m", Policy()))


def test_without_hold_a_crash_leaves_a_stale_document() -> None:
    """Negative control: the pieces told to order A stay there beside the same pieces of order B."""
    found = two_lives(hold=False).totals()
    assert found != normal(totals(job_moves(), "10m", Policy()))
    assert sum(row.get("quantity_yield", 0) for row in found.values()) == 11


class RunningNumber:
    """A consumer that is told a running number, kept per life, in place of the revision."""

    def __init__(self) -> None:
        self.consumer = Consumer()
        self.number = 0

    def take(self, output: Output) -> None:
        self.number += 1
        rows = output.contributions.with_columns(revision=self.number + 0 * output.contributions["revision"])
        self.consumer.take(Output(rows, output.state_times, output.quarantined))


@pytest.mark.parametrize("running", [False, True])
def test_only_a_count_of_events_as_revision_survives_other_batches_after_a_crash(running: bool) -> None:
    """The first life announces two of three counts in three steps; the second all of them in one."""
    events = [Event(n, "W1", n, "count", quantity=(1, 0, 0), order="A") for n in range(4)]
    consumer: Any = RunningNumber() if running else Consumer()
    first = Timeline(config("60m", Policy()), calendar(), hold=False)
    for event in events[:3]:
        first.add(frame([event]))
        consumer.take(first.recompute())
    if running:
        consumer.number = 0
    second = Timeline(config("60m", Policy()), calendar(), hold=False)
    second.add(frame(random.Random(1).sample(events, 4)))
    consumer.take(second.recompute())
    kept = consumer.consumer if running else consumer
    assert (kept.totals() == normal(totals(events, "60m", Policy()))) is not running
