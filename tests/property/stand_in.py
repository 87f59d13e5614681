"""A plain stand-in for the engine: keyed state, epochs with consistent snapshots, crashes, no order of keys.

It drives lanes, clock, totals and documents as `operators.streaming` wires them.
"""

from __future__ import annotations

import pickle
import random
from dataclasses import dataclass
from typing import Any

from operators.clock import Clock, Tick
from operators.lane import Lane, LaneConfig
from operators.layout import Layout
from operators.reference_lane import ReferenceLane
from operators.screen import TimeLimits
from operators.shifts import CalendarBook, utc_calendar
from operators.windows import Window
from tests.property.plant_records import (
    HOUR,
    SECOND,
    START,
    TOPICS,
    Record,
    Stub,
    cycle,
    frame,
    order,
    polled,
    report,
)
from tests.property.stand_in_consumer import Consumer
from tests.property.stand_in_keys import Keys

__all__ = [
    "HOUR",
    "SECOND",
    "START",
    "TOPICS",
    "Consumer",
    "Life",
    "Plan",
    "Record",
    "Stub",
    "cycle",
    "frame",
    "order",
    "polled",
    "report",
    "run",
]


@dataclass(frozen=True)
class Plan:
    """What a run reads and how it is set up.

    Args:
        log: Records by (topic, partition).
        references: Batches of WorkOrder records in the order of their topic.
        horizon: Correction horizon, microseconds.
        window: How time is cut.
        lanes: Lanes that the partitions are dealt out to.
        deduplicate: False in a negative control.
    """

    log: dict[tuple[str, int], list[Record]]
    references: list[list[Record]]
    horizon: int = 2 * HOUR
    window: str = "10m"
    lanes: int = 2
    deduplicate: bool = True

    def lane_of(self, partition: int) -> int:
        return partition % self.lanes


class Life:
    """One life of the processes, from the last snapshot on."""

    def __init__(self, plan: Plan, consumer: Consumer, chance: random.Random, state: bytes | None) -> None:
        self._plan, self._chance = plan, chance
        saved = pickle.loads(state) if state else {}  # noqa: S301
        window, calendar = Window.parse(plan.window), CalendarBook([], utc_calendar())
        self._layout = Layout(window, calendar, shards=2, ring=4, work_center_shards=1)
        limits = TimeLimits(horizon=plan.horizon)
        config = LaneConfig(TOPICS, window, limits, deduplicate=plan.deduplicate)
        decoders = {topic: Stub(name) for topic, name in TOPICS.items()}
        names = [f"lane-{number}" for number in range(plan.lanes)]
        now = lambda: START / SECOND + 4e6  # noqa: E731
        self._lanes = [Lane(name, config, decoders, calendar, now=now) for name in names]
        for number, lane in enumerate(self._lanes):
            lane.expect(f"{topic}/{p}" for topic, p in plan.log if plan.lane_of(p) == number)
            lane.restore(saved["lanes"][number] if saved else None)
        self._reference = ReferenceLane({"work-order": "WorkOrder"}, {"work-order": Stub("WorkOrder")})
        self._reference.restore(saved.get("reference"))
        self._offsets: dict[Any, int] = dict(saved.get("offsets", {}))
        self._clock, self._sent = Clock(names, 30 * SECOND, plan.horizon), Tick(-(2**62), -(2**62))
        if saved:
            self._clock.restore(saved["clock"])
            self._sent = Tick(*saved["sent"])
        self._keys = Keys(self._layout, consumer, chance, saved)
        self._new_epoch = True

    @property
    def done(self) -> bool:
        """Whether everything was read."""
        left = [place for place, records in self._plan.log.items() if self._offsets.get(place, 0) < len(records)]
        return not left and self._offsets.get("references", 0) >= len(self._plan.references)

    def poll(self) -> None:
        """Read some records of a partition, or some reference data."""
        if self._chance.random() < 0.2:
            self._poll_reference()
            return
        topic, partition = self._chance.choice(sorted(self._plan.log))
        at = self._offsets.get((topic, partition), 0)
        records = self._plan.log[topic, partition][at : at + self._chance.randint(1, 25)]
        lane = self._lanes[self._plan.lane_of(partition)]
        output = lane.process(polled(topic, records, partition, at)) if records else lane.heartbeat()
        self._offsets[topic, partition] = at + len(records)
        self._keys.send([*self._layout.by_slot(output.partials), *self._layout.adjustments(output.late)])
        self._clock.heard(output)
        self._tick()

    def _poll_reference(self) -> None:
        at = self._offsets.get("references", 0)
        if at < len(self._plan.references):
            output = self._reference.process(polled("work-order", self._plan.references[at], 0, at))
            self._offsets["references"] = at + 1
            self._keys.send([*self._layout.references(output), *self._layout.touches(output)])

    def _tick(self) -> None:
        tick = self._clock.tick()
        keys = self._layout.slots_due(self._sent.watermark, tick.watermark)
        keys += [key for key in self._layout.holders() if self._new_epoch and key[0] == "s"]
        if keys:
            self._sent, self._new_epoch = tick, False
        self._keys.send([(key, tick) for key in keys])

    def work(self) -> None:
        """Process what one key has waiting."""
        self._keys.work()

    def snapshot(self) -> bytes:
        """End of an epoch: everything in flight is processed, then all state is one snapshot."""
        self._keys.drain()
        self._new_epoch = True
        state = {
            "lanes": [lane.snapshot() for lane in self._lanes],
            "reference": self._reference.snapshot(),
            "offsets": dict(self._offsets),
            "clock": self._clock.snapshot(),
            "sent": (self._sent.watermark, self._sent.frontier),
            **self._keys.snapshot(),
        }
        return pickle.dumps(state)

    def flush(self) -> None:
        """The end of a finite input."""
        self.snapshot()
        self._keys.flush_totals()
        self.snapshot()
        self._keys.flush_documents()

    @property
    def windows(self) -> int:
        """Windows in the state."""
        return self._keys.windows


def run(plan: Plan, seed: int, crashes: int, consumer: Consumer | None = None) -> tuple[Consumer, Life]:
    """Read everything, with some crashes at random moments between snapshots."""
    chance, state = random.Random(seed), None
    consumer = consumer or Consumer()
    left = crashes
    while True:
        life = Life(plan, consumer, chance, state)
        consumer.restart()
        crash_at = chance.randint(1, 250) if left else None
        for step in range(1_000_000):
            if step == crash_at:
                left -= 1
                break
            (life.poll if chance.random() < 0.5 else life.work)()
            if chance.random() < 0.08:
                state = life.snapshot()
            if life.done:
                life.flush()
                return consumer, life
