"""Looks at a topic without taking part in it: no group is joined, nothing is committed, nothing is created.

Delivery: none; a look from the beginning (or the last records of each partition) up to the end as of its start.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from millrace.errors import Misconfigured, Retriable
from schemas.batch import RawBatch
from sources.kafka import partition_counts
from sources.kafka_poll import MessagePoll

#: Only a name in the broker's log: a consumer that assigns itself is in no group and stores no offset.
_GROUP = "millrace-look"
_POLL_S = 0.5


def look(
    client: Mapping[str, str], topic: str, last: int | None = None, *, batch: int = 10_000, patience: float = 30.0
) -> Iterator[RawBatch]:
    """Batches of a topic up to its end as of now.

    Args:
        client: Configuration of the connection.
        topic: Topic.
        last: Only so many records of each partition, the newest; None for all.
        batch: Most records a batch.
        patience: Seconds without a record after which the broker counts as gone.

    Raises:
        Misconfigured: The topic does not exist, no broker answers, or access is refused.
        Retriable: The broker went away.
    """
    count = partition_counts(client, [topic], patience)[topic]
    settings = {"group.id": _GROUP, "enable.auto.commit": False, "enable.auto.offset.store": False}
    consumer = Consumer({**client, **settings, "auto.offset.reset": "earliest", "allow.auto.create.topics": False})
    try:
        ends = _ends(consumer, topic, count)
        starts = {p: low if last is None else max(low, high - last) for p, (low, high) in ends.items()}
        consumer.assign([TopicPartition(topic, p, at) for p, at in starts.items()])
        yield from _read(MessagePoll(consumer, batch), {p: high for p, (_, high) in ends.items()}, consumer, patience)
    finally:
        consumer.close()


def _ends(consumer: Consumer, topic: str, count: int) -> dict[int, tuple[int, int]]:
    """First and next offset of each partition that has records."""
    found = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10) for p in range(count)}
    return {p: (low, high) for p, (low, high) in found.items() if high > low}


def _read(poll: MessagePoll, ends: dict[int, int], consumer: Consumer, patience: float) -> Iterator[RawBatch]:
    """Poll until every partition stands at its end; where the newest records were compacted away, positions tell."""
    heard = time.monotonic()
    while ends:
        polled = poll.poll(_POLL_S)
        for failure in polled.failures:
            if failure.error.fatal() or not failure.error.retriable():
                raise Misconfigured(f"{failure.topic}/{failure.partition}: {failure.error.str()}")
        for batch in polled.batches:
            heard = time.monotonic()
            yield _before(batch, ends)
        places = [TopicPartition(each.topic, each.partition) for each in consumer.assignment()]
        for place in consumer.position(places):
            if place.offset >= ends.get(place.partition, 0):
                ends.pop(place.partition, None)
        if time.monotonic() - heard > patience:
            raise Retriable(f"no record for {patience:.0f} s before the end of the topic was reached")


def _before(batch: RawBatch, ends: Mapping[int, int]) -> RawBatch:
    """Without records that were written after the look began."""
    limit = np.array([ends.get(p, 0) for p in batch.partitions.tolist()], np.int64)
    rows = np.flatnonzero(batch.offsets < limit)
    if len(rows) == len(batch.values):
        return batch
    chosen = rows.tolist()
    ask = batch.headers
    return RawBatch(
        batch.topic,
        [batch.values[row] for row in chosen],
        batch.partitions[rows],
        batch.offsets[rows],
        batch.timestamps[rows],
        None if ask is None else lambda row: ask(chosen[row]),
    )
