"""An epoch of a backlog holds no more than the flow soon has worked off, and a drain reads nothing more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from millrace import shutdown
from operators.lane import LaneOutput
from schemas.batch import RawBatch
from sources.kafka import KafkaLane
from sources.pace import LONGEST_S, Pace, Portion

POLL_S, POLLED = 1 / 16, 10_000


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Endless:
    """`KafkaReader` over a backlog without an end; each poll takes its time."""

    clock: Clock
    polls: int = 0
    drain_at: int = 0
    unread: int = 10**9
    positions: dict[tuple[str, int], int] = field(default_factory=dict)

    def poll(self, _wait: float = 0.0) -> list[RawBatch]:
        self.clock.now += POLL_S
        self.polls += 1
        if self.polls == self.drain_at:
            shutdown.draining.set()
        return []

    def behind(self) -> bool:
        return True

    def idle(self) -> set[tuple[str, int]]:
        return set()

    def align(self, progress: Mapping[str, int]) -> None: ...


class Rules:
    name, history = "lane-00", None
    progress: ClassVar[Mapping[str, int]] = {}

    def process(self, raw: RawBatch) -> LaneOutput:
        raise AssertionError(f"nothing was read, yet {raw} came")

    def heartbeat(self, idle: Mapping[str, int]) -> LaneOutput:
        return LaneOutput(self.name, idle=dict(idle))


@dataclass
class Backlog:
    """A flow that takes `cost` seconds for a record, however long it reads."""

    pace: Pace
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.reader = Endless(self.clock)
        rules: Any = Rules()
        reader: Any = self.reader
        self.lane = KafkaLane(rules, reader, 30.0, self.pace, self.clock)

    def epoch(self, cost: float) -> float:
        """Seconds of an epoch: read, then judged."""
        begun, polls = self.clock.now, self.reader.polls
        self.lane.next_batch()
        self.clock.now += (self.reader.polls - polls) * POLLED * cost
        return self.clock.now - begun


@pytest.fixture(autouse=True)
def _undrained() -> Iterator[None]:
    yield
    shutdown.draining.clear()


def test_an_epoch_grows_to_half_the_pace_where_the_flow_keeps_up() -> None:
    flow = Backlog(Pace(2.0))
    polls = []
    for _ in range(12):
        before = flow.reader.polls
        flow.epoch(cost=1e-6)
        polls.append(flow.reader.polls - before)
    assert polls[0] == 1
    assert polls[-1] == 1.0 / POLL_S
    assert polls == sorted(polls)


@pytest.mark.parametrize("cost", [100e-6, 200e-6, 400e-6], ids=["dear", "dearer", "dearest"])
def test_an_epoch_is_cut_to_what_the_flow_works_off_within_seconds(cost: float) -> None:
    """Half the pace alone reads 160,000 records, which take 16 to 64 seconds then; no drain and no snapshot before."""
    flow = Backlog(Pace(2.0))
    assert max(flow.epoch(cost) for _ in range(50)) <= 2 * LONGEST_S


def test_an_epoch_is_cut_again_when_records_come_to_cost_more() -> None:
    """As where balances of a whole plant come; the first epoch of them is as long as it is, the next ones are not."""
    flow = Backlog(Pace(2.0))
    for _ in range(12):
        flow.epoch(cost=1e-6)
    assert flow.epoch(cost=200e-6) > 2 * LONGEST_S
    assert max(flow.epoch(cost=200e-6) for _ in range(10)) <= 2 * LONGEST_S
    for _ in range(12):
        flow.epoch(cost=1e-6)
    before = flow.reader.polls
    flow.epoch(cost=1e-6)
    assert flow.reader.polls - before == 1.0 / POLL_S


def test_epochs_may_be_as_long_as_the_pace_where_that_is_long() -> None:
    flow = Backlog(Pace(60.0))
    epochs = [flow.epoch(cost=50e-6) for _ in range(50)]
    assert LONGEST_S < epochs[-1] <= 120


def test_a_partition_without_a_backlog_waits_for_its_turn_and_that_says_nothing() -> None:
    clock = Clock()
    portion = Portion(Pace(2.0), clock)
    for _ in range(20):
        portion.begin()
        portion.end(backlog=True)
    portion.begin()
    portion.end(backlog=False)
    clock.now += 3600
    portion.begin()
    clock.now += 0.99
    assert portion.lasts()


def test_a_drain_amid_an_epoch_reads_nothing_more() -> None:
    flow = Backlog(Pace(2.0))
    for _ in range(12):
        flow.epoch(cost=1e-6)
    flow.reader.drain_at = flow.reader.polls + 3
    flow.lane.next_batch()
    assert flow.reader.polls == flow.reader.drain_at
    with pytest.raises(StopIteration):
        flow.lane.next_batch()
    assert flow.reader.polls == flow.reader.drain_at
