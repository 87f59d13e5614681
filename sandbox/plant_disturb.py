"""What the way from the machine to the broker does to events: delays, re-sends, outages, broken records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any

from sandbox.plant_event import Event
from sandbox.plant_layout import ALL_TOPICS, WORK_CENTERS
from sandbox.truth import Truth

LATE, OUT_OF_ORDER, LATE_JOB_EVENT, RESENT = 0.006, 0.04, 0.15, 0.015
#: Broken records per event; the rarer the events of a contract, the more, so that each kind occurs.
BROKEN = {
    "MachineCycle": 0.002,
    "MachineState": 0.01,
    "OperationReport": 0.03,
    "MaterialConsumption": 0.01,
    "QualityEvent": 0.0,
}
OFFLINE_GATEWAY = "PRESS-11"


class Fault(StrEnum):
    """What is wrong with a record that must end in the dead letters; the value is the reason given there."""

    TRUNCATED = "truncated"
    UNKNOWN_SCHEMA = "unknown_schema"
    BAD_ENUM = "bad_enum"
    GARBAGE = "no_prefix"
    FUTURE = "future_event_time"


#: What the plant does on purpose, by the reason that its records are given up for.
PLANNED: Mapping[str, str] = {
    Fault.TRUNCATED: "the last third of a record is missing",
    Fault.UNKNOWN_SCHEMA: "a prefix that no registry knows",
    Fault.BAD_ENUM: "a symbol that the contract does not have",
    Fault.GARBAGE: "torn JSON where Avro belongs",
    Fault.FUTURE: "a controller's clock set ten years ahead",
}


@dataclass(frozen=True, slots=True)
class Emission:
    """One record as it reaches the broker.

    Args:
        at: Simulated time of arrival.
        topic: Kafka topic.
        key: Record key.
        contract: Contract to encode the body with; None where the body is bytes already.
        body: The record, or raw bytes.
        fault: What is wrong with it; None for a good record. `plant_wire` breaks the bytes accordingly.
    """

    at: datetime
    topic: str
    key: str
    contract: str | None
    body: Mapping[str, Any] | bytes
    fault: Fault | None = None


def disturb(events: Sequence[Event], rng: Random, truth: Truth) -> Iterator[Emission]:
    """Send each event at least once, none before it happened; count in `truth` what was sent.

    A source whose numbers wrap is delayed by at most sixty of its events, one without numbers by at most
    twenty minutes (a re-send is told by its event id within a horizon), any other by 85.
    """
    ways = _Ways(events, rng)
    for event in events:
        topic = truth.topic(ALL_TOPICS[event.contract])
        topic.events += 1
        at = ways.arrival(event)
        yield _emission(event, at)
        if rng.random() < RESENT:
            topic.duplicates += 1
            yield _emission(event, ways.resend(event, at))
        if rng.random() < BROKEN[event.contract]:
            fault = rng.choice(list(Fault) if event.contract != "OperationReport" else [Fault.TRUNCATED])
            topic.rejects[fault] = topic.rejects.get(fault, 0) + 1
            # Shortly before the good record, as from a gateway that sends again what was refused.
            yield _broken(event, at - timedelta(milliseconds=20), fault)


class _Ways:
    """Delays by source."""

    def __init__(self, events: Sequence[Event], rng: Random) -> None:
        self._rng = rng
        limits = {center.name: timedelta(seconds=60 * center.interval_s) for center in WORK_CENTERS if center.modulus}
        unnumbered = {center.name for center in WORK_CENTERS if not center.numbered}
        unnumbered |= {center.terminal for center in WORK_CENTERS}
        self._limits = {**limits, **dict.fromkeys(unnumbered, timedelta(minutes=20))}
        middle = events[len(events) // 2].time
        self._offline = (middle, middle + timedelta(minutes=25))
        self._stored = 0

    def arrival(self, event: Event) -> datetime:
        """When the event reaches the broker."""
        if event.source == OFFLINE_GATEWAY and self._offline[0] <= event.time < self._offline[1]:
            self._stored += 1
            return self._offline[1] + timedelta(milliseconds=30 * self._stored)
        return event.time + timedelta(seconds=self._rng.uniform(0.05, 0.6)) + self._delay(event)

    def resend(self, event: Event, at: datetime) -> datetime:
        """When it reaches the broker again: after a lost acknowledgement, or much later."""
        seconds = self._rng.uniform(0.2, 5) if self._rng.random() < 0.7 else self._rng.uniform(60, 900)
        return min(at + timedelta(seconds=seconds), max(at, event.time + self._limit(event)) + timedelta(seconds=1))

    def _limit(self, event: Event) -> timedelta:
        return self._limits.get(event.source, timedelta(minutes=85))

    def _delay(self, event: Event) -> timedelta:
        draw = self._rng.random()
        if event.source.startswith("MES") and draw < LATE_JOB_EVENT:
            return timedelta(minutes=self._rng.uniform(1, 20))
        if draw < LATE:
            return min(timedelta(minutes=self._rng.uniform(10, 70)), self._limit(event))
        if draw < LATE + OUT_OF_ORDER:
            return timedelta(seconds=self._rng.uniform(2, 240))
        return timedelta(0)


def _emission(event: Event, at: datetime, fault: Fault | None = None) -> Emission:
    return Emission(at, ALL_TOPICS[event.contract], event.source, event.contract, event.fields, fault)


def _broken(event: Event, at: datetime, fault: Fault) -> Emission:
    if fault is Fault.GARBAGE:
        text = f'{{"machine": "{event.source}", "t": "{event.time.isoformat()}", "cou'
        return Emission(at, ALL_TOPICS[event.contract], event.source, None, text.encode(), fault)
    if fault is Fault.FUTURE:
        ahead = {**event.fields, "event_time": event.time + timedelta(days=3650)}
        return Emission(at, ALL_TOPICS[event.contract], event.source, event.contract, ahead, fault)
    return _emission(event, at, fault)
