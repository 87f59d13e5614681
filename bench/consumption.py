"""A topic of material consumption to measure on, with a balance and a material for each of many places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
from confluent_kafka import Producer

from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas

PLANT = "P010"
OPENING = Decimal(10_000_000)
_CHUNK = 20_000


@dataclass(frozen=True)
class ConsumptionTopic:
    """What the topics hold.

    Event time rises evenly, `rate` records a second; each takes one to nine kilograms of a random material from its
    storage location. Every place begins with a balance that is never used up: what is measured is counting stock. Later
    balances say what is left, so none of them is an alert.

    Args:
        records: Records of consumption.
        places: Pairs of material and storage location, each material at ten locations.
        partitions: Partitions of the topic; a line writes to one of them.
        rate: Records per second of event time.
        start: Event time of the first record.
        counted_every: Time between balances of all places; None: each has the first one alone.
    """

    records: int
    places: int = 100_000
    partitions: int = 8
    rate: float = 5000.0
    start: datetime = datetime(2026, 1, 12, 6, tzinfo=UTC)
    counted_every: timedelta | None = None

    def counts(self) -> list[datetime]:
        """Instants that the balances stand for."""
        first = self.start - timedelta(seconds=1)
        if self.counted_every is None:
            return [first]
        rounds = int(self.records / self.rate / self.counted_every.total_seconds())
        return [first, *(self.start + self.counted_every * n for n in range(1, rounds + 1))]

    def taken(self) -> Iterator[tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        """Number of the first record, places and amounts of all records, chunk by chunk."""
        random = np.random.default_rng(1)
        for first in range(0, self.records, _CHUNK):
            count = min(_CHUNK, self.records - first)
            yield first, random.integers(0, self.places, count), random.integers(1, 10, count)

    def last_until(self, instant: datetime) -> int:
        """Number of the last record up to an instant."""
        return int((instant - self.start).total_seconds() * self.rate)

    def place(self, number: int) -> dict[str, str]:
        """Material and storage location of a place."""
        return {"material": f"M{number // 10:07}", "storage_location": f"RM{number % 10:02}"}


def fill(bootstrap: str, name: str, spec: ConsumptionTopic) -> dict[str, int]:
    """Write all topics, named `name-consumption`, `name-balances`, `name-materials`; returns records of each."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 50, "queue.buffering.max.messages": 500_000})
    topics = {
        f"{name}-materials": ("Material", _materials(spec)),
        f"{name}-balances": ("InventoryBalance", _balances(spec)),
        f"{name}-consumption": ("MaterialConsumption", _consumption(spec)),
    }
    written = {topic: _write(producer, topic, *records, spec.partitions) for topic, records in topics.items()}
    producer.flush(120)
    return written


def _write(
    producer: Producer, topic: str, name: str, chunks: Iterator[list[tuple[int, dict[str, Any]]]], partitions: int
) -> int:
    codec, count = Codec(contract(name), FolderSchemas()), 0
    for chunk in chunks:
        for (line, _), value in zip(chunk, codec.encode([record for _, record in chunk]), strict=True):
            while True:
                try:
                    producer.produce(topic, value, partition=line % partitions if name != "Material" else 0)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.poll(0)
        count += len(chunk)
    return count


def _head(spec: ConsumptionTopic, number: int, source: str) -> dict[str, Any]:
    return {
        "event_id": f"{source}-{number}",
        "event_time": spec.start,
        "plant": PLANT,
        "source": source,
        "sequence": number + 1,
        "correlation_id": None,
    }


def _materials(spec: ConsumptionTopic) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    same = {"version": 1, "description": "", "base_unit": "KGM", "conversions": []}
    for first in range(0, spec.places // 10, _CHUNK):
        numbers = range(first, min(first + _CHUNK, spec.places // 10))
        yield [(0, {**_head(spec, each, "erp"), **same, "material": f"M{each:07}"}) for each in numbers]


def _balances(spec: ConsumptionTopic) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    for turn, as_of in enumerate(spec.counts()):
        left = _left(spec, as_of).tolist()
        counted_at = max(spec.start, as_of + timedelta(seconds=30))
        for first in range(0, spec.places, _CHUNK):
            chunk = range(first, min(first + _CHUNK, spec.places))
            yield [(each, _balance(spec, each, turn, as_of, counted_at, left[each])) for each in chunk]


def _balance(
    spec: ConsumptionTopic, place: int, turn: int, as_of: datetime, counted_at: datetime, left: int
) -> dict[str, Any]:
    per_source = -(-spec.places // spec.partitions)
    head = _head(spec, turn * per_source + place // spec.partitions, f"erp-{place % spec.partitions}")
    return {
        **head,
        **spec.place(place),
        **dict.fromkeys(("quality", "blocked"), Decimal(0)),
        "event_id": f"{head['event_id']}-{turn}",
        "event_time": counted_at,
        "balance_key": f"{PLANT}|{place}|{turn}",
        "as_of": as_of,
        "unrestricted": Decimal(left),
        "allocated": None,
        "unit": "KGM",
    }


def _left(spec: ConsumptionTopic, until: datetime) -> npt.NDArray[np.int64]:
    left = np.full(spec.places, int(OPENING), np.int64)
    last = spec.last_until(until)
    for first, places, amounts in spec.taken():
        if first > last:
            break
        rows = slice(0, last + 1 - first)
        np.subtract.at(left, places[rows], amounts[rows])
    return left


def _consumption(spec: ConsumptionTopic) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    step = timedelta(seconds=1 / spec.rate)
    for first, places, amounts in spec.taken():
        yield [
            (
                number,
                {
                    **_head(spec, number // spec.partitions, f"line-{number % spec.partitions}"),
                    **spec.place(place),
                    "event_id": f"{number * 2654435761 % (1 << 64):016x}{number:06x}",
                    "event_time": spec.start + step * number,
                    "kind": "ISSUE",
                    "work_center": f"WC{number % spec.partitions:03}",
                    "order_id": f"{1_000_000_000 + place}",
                    "operation": "0010",
                    "batch": None,
                    "serials": [],
                    "quantity": Decimal(amount),
                    "unit": "KGM",
                },
            )
            for number, (place, amount) in enumerate(zip(places.tolist(), amounts.tolist(), strict=True), first)
        ]


def truth(spec: ConsumptionTopic, until: datetime) -> Decimal:
    """What is left on hand in all places together at an instant, by plain addition."""
    return Decimal(int(_left(spec, until).sum()))
