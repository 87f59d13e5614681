"""A topic of machine cycles to measure on: millions of records in seconds, always the same, with sums."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from bench.cycle_bytes import FIRST_SEQUENCE, CycleBytes

_CHUNK = 100_000
_PACED_SLICE_S = 0.02
_MICROS = 1_000_000


@dataclass(frozen=True)
class CycleTopic:
    """What the topic holds.

    Event time rises evenly from `start` over `seconds`; each record is of a random machine. A machine
    counts 1 to 8 good pieces a cycle and scraps a piece in one of twenty; its sequence number rises by one
    per record. A value has 99 bytes, 105 where it tells of scrap. Machine m writes to partition m modulo
    `partitions`, with its name as key.

    Args:
        records: Number of records, at most 2**24 (event ids are distinct up to there).
        machines: Number of machines, each a source and a work centre of its own.
        partitions: Partitions that the topic has.
        machines_per_order: How many machines work on the same order and operation.
        seconds: Event time from the first record to the last.
        schema_id: Id in the Confluent wire prefix.
        seed: Another seed gives other machines and quantities.
        start: Event time of the first record.
    """

    records: int
    machines: int = 10_000
    partitions: int = 8
    machines_per_order: int = 1
    seconds: float = 200.0
    schema_id: int = 1
    seed: int = 1
    start: datetime = datetime(2026, 1, 12, 6, tzinfo=UTC)

    def shortened(self, records: int) -> CycleTopic:
        """The same plant at the same rate for a shorter time: as many events per window, so costs compare."""
        return replace(self, records=records, seconds=self.seconds * records / self.records)

    def encoder(self) -> CycleBytes:
        """The encoder of this plant; it also knows the machines' names, orders and work centres."""
        return CycleBytes(self.machines, self.machines_per_order, self.schema_id)

    def rows(self) -> Iterator[pl.DataFrame]:
        """The records in the order in which they are written, in frames of up to 100,000.

        Columns: `number` (0, 1, ...), `machine`, `event_time` (us since the epoch), `sequence`, `good` and
        `scrap` (pieces).
        """
        random = np.random.default_rng(self.seed)
        next_sequence = np.full(self.machines, FIRST_SEQUENCE, dtype=np.int64)
        for first in range(0, self.records, _CHUNK):
            frame = self._frame(random, first, min(_CHUNK, self.records - first))
            machine = frame["machine"].to_numpy()
            before = pl.Series("before", next_sequence[machine])
            yield frame.with_columns(sequence=pl.int_range(pl.len()).over("machine") + before)
            next_sequence += np.bincount(machine, minlength=self.machines)

    def _frame(self, random: np.random.Generator, first: int, count: int) -> pl.DataFrame:
        number = np.arange(first, first + count, dtype=np.int64)
        start_us = int(self.start.timestamp() * _MICROS)
        return pl.DataFrame(
            {
                "number": number,
                "machine": random.integers(0, self.machines, count),
                "event_time": start_us + (number * (self.seconds * _MICROS / self.records)).astype(np.int64),
                "good": random.integers(1, 9, count),
                "scrap": (random.random(count) < 0.05).astype(np.int64),
            }
        )


def truth(spec: CycleTopic, window_s: int = 10) -> pl.DataFrame:
    """Plain sums over all records of the topic, the answer that every flow must give.

    Returns:
        One row per `order_id`, `operation`, `work_center` and `window_start` (UTC): `events`, `quantity_good`
        and `quantity_scrap` as decimal(18,6).
    """
    window = pl.col("event_time") // (window_s * _MICROS) * (window_s * _MICROS)
    sums = [pl.len().alias("events"), pl.sum("good"), pl.sum("scrap")]
    parts = [frame.group_by("machine", window.alias("window_start")).agg(sums) for frame in spec.rows()]
    merged = pl.concat(parts).group_by("machine", "window_start").agg(pl.sum("events", "good", "scrap"))
    encoder = spec.encoder()
    return merged.select(
        pl.Series("order_id", encoder.orders).gather(merged["machine"]),
        pl.lit("0010").alias("operation"),
        pl.Series("work_center", encoder.centers).gather(merged["machine"]),
        pl.col("window_start").cast(pl.Datetime("us", "UTC")),
        pl.col("events").cast(pl.Int64),
        pl.col("good").cast(pl.Decimal(18, 6)).alias("quantity_good"),
        pl.col("scrap").cast(pl.Decimal(18, 6)).alias("quantity_scrap"),
    ).sort("order_id", "work_center", "window_start")


def fill(bootstrap: str, topic: str, spec: CycleTopic, paced: bool = False) -> None:
    """Write the records to an existing, empty topic.

    Args:
        bootstrap: host:port of the broker.
        topic: Topic with `spec.partitions` partitions.
        spec: What to write.
        paced: Write each record when the clock has reached its event time (within 20 ms), for latency; choose
            `start` a little ahead of now, and `seconds` for the rate.

    Raises:
        KafkaException: When the topic does not hold exactly these records afterwards.
    """
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "linger.ms": 5 if paced else 50,
            "queue.buffering.max.messages": 500_000,
        }
    )
    encoder = spec.encoder()
    for frame in spec.rows():
        for part in _paced(frame, spec) if paced else [frame]:
            _write(producer, topic, part, encoder, spec.partitions)
    producer.flush(120)
    _check(bootstrap, topic, spec)


def _paced(frame: pl.DataFrame, spec: CycleTopic) -> Iterator[pl.DataFrame]:
    size = max(1, int(spec.records / spec.seconds * _PACED_SLICE_S))
    for part in frame.iter_slices(size):
        time.sleep(max(0.0, part["event_time"][-1] / _MICROS - time.time()))
        yield part


def _write(producer: Producer, topic: str, frame: pl.DataFrame, encoder: CycleBytes, partitions: int) -> None:
    for machine, value in zip(frame["machine"].to_list(), encoder.encode(frame), strict=True):
        while True:
            try:
                producer.produce(topic, value, encoder.keys[machine], machine % partitions)
                break
            except BufferError:
                producer.poll(0.1)
    producer.poll(0)


def _check(bootstrap: str, topic: str, spec: CycleTopic) -> None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-check"})
    marks = [consumer.get_watermark_offsets(TopicPartition(topic, p)) for p in range(spec.partitions)]
    consumer.close()
    held = sum(high - low for low, high in marks)
    if held != spec.records:
        raise KafkaException(f"{topic} holds {held} records instead of {spec.records}")
