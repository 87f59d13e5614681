"""Reading columns from the client library's memory gives exactly what its message objects say."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from sandbox.broker import PARTITIONS, EmbeddedBroker
from schemas.batch import MARGIN, PackedValues, RawBatch
from sources import kafka_columns
from sources.kafka_columns import ColumnPoll, available, packed
from sources.kafka_poll import MessagePoll, Polled

TOPICS = ["cycles", "states"]
Record = tuple[str, int, int, bytes | None, int, Any]


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as broker:
        broker.create_topics(TOPICS)
        for codec in ("none", "gzip", "lz4", "zstd"):
            _write(broker, codec)
        yield broker


def _write(broker: EmbeddedBroker, codec: str) -> None:
    """Values of every kind: short, long, empty, tombstones; with and without keys and headers."""
    chance = random.Random(codec)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "compression.type": codec, "linger.ms": 20})
    for number in range(3_000):
        value = [chance.randbytes(99), b"", None, chance.randbytes(chance.randrange(1, 5_000)), b"\0" * 7][
            chance.choices(range(5), [90, 1, 2, 1, 6])[0]
        ]
        headers = [("a", b"1"), ("empty", b""), ("none", None)] if number % 50 == 0 else None
        key = None if number % 3 else f"press-{number % 7}".encode()
        producer.produce(
            TOPICS[number % 5 == 0],
            value,
            key,
            partition=number % PARTITIONS,
            headers=headers,
            timestamp=1_768_200_000_000 + chance.randrange(10**9),
        )
    assert producer.flush(30) == 0


def _consumer(broker: EmbeddedBroker) -> Consumer:
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "test", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, number, 0) for topic in TOPICS for number in range(PARTITIONS)])
    return consumer


def _read(broker: EmbeddedBroker, make: Callable[[Consumer, int], Any], most: int) -> list[Record]:
    consumer = _consumer(broker)
    poll, found = make(consumer, most), []
    deadline = time.monotonic() + 30
    while len(found) < 12_000 and time.monotonic() < deadline:
        polled: Polled = poll.poll()
        assert polled.failures == []
        for batch in polled.batches:
            found += _records(batch)
    poll.close()
    consumer.close()
    return sorted(found, key=lambda record: record[:3])


def _records(batch: RawBatch) -> list[Record]:
    assert batch.headers is not None
    rows = zip(
        [batch.topic] * len(batch.values),
        batch.partitions.tolist(),
        batch.offsets.tolist(),
        list(batch.values),
        batch.timestamps.tolist(),
        [batch.headers(row) for row in range(len(batch.values))],
        strict=True,
    )
    return list(rows)


def test_the_installed_client_is_one_that_columns_can_be_read_from() -> None:
    assert available()


@pytest.mark.parametrize("most", [17, 1_000, 50_000])
def test_columns_say_what_message_objects_say(broker: EmbeddedBroker, most: int) -> None:
    expected = _read(broker, MessagePoll, 10_000)
    assert len(expected) == 12_000
    assert _read(broker, ColumnPoll, most) == expected


def test_timestamps_come_from_the_public_function_where_the_private_place_is_wrong(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_columns, "_TIMESTAMP", 11)
    assert _read(broker, ColumnPoll, 1_000) == _read(broker, MessagePoll, 1_000)


def test_an_offset_that_the_log_does_not_hold_is_a_failure_in_both_ways(broker: EmbeddedBroker) -> None:
    for make in (MessagePoll, ColumnPoll):
        client = {"bootstrap.servers": broker.bootstrap, "group.id": "test", "auto.offset.reset": "error"}
        consumer = Consumer(client)
        consumer.assign([TopicPartition("cycles", 0, 10**9)])
        poll, failures = make(consumer, 100), []
        deadline = time.monotonic() + 30
        while not failures and time.monotonic() < deadline:
            failures = poll.poll().failures
        assert [(f.topic, f.partition, f.error.code()) for f in failures] == [("cycles", 0, -140)]
        assert "out of range" in failures[0].error.str()
        poll.close()
        consumer.close()


def test_values_that_lie_apart_are_copied_apart() -> None:
    store = np.frombuffer(bytearray(random.Random(1).randbytes(40_000)), np.uint8)
    at = np.array([10, 120, 9_000, 9_010, 30_000, 20_000], np.int64)
    sizes = np.array([100, 7, 10, 0, 5_000, 1], np.int64)
    payloads = (at + store.ctypes.data).astype(np.uint64)
    payloads[3] = 0
    values, asked = packed(payloads, sizes)
    expected = [store[first : first + size].tobytes() for first, size in zip(at, sizes, strict=True)]
    assert list(values) == [None if row == 3 else value for row, value in enumerate(expected)]
    assert asked.tolist() == [0, 1, 2, 4, 5]
    assert values.data.startswith(MARGIN)
    assert len(values.data) < 100 + 10 + 7 + 10 + 5_000 + 1 + 2 * len(MARGIN) + 50


def test_packed_values_are_a_sequence() -> None:
    values = PackedValues(MARGIN + b"abcdef" + MARGIN, np.array([32, 0, 34]), np.array([2, -1, 4]))
    assert list(values) == [b"ab", None, b"cdef"]
    assert list(values[1:]) == [None, b"cdef"]
    assert list(values.only(np.array([2, 0]))) == [b"cdef", b"ab"]


_LOSES_ITS_BROKER = """
from confluent_kafka import Consumer, TopicPartition
from sandbox.broker import EmbeddedBroker
from sources.kafka_columns import ColumnPoll

broker = EmbeddedBroker()
broker.create_topics(["cycles"])
consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "test", "log_level": 0})
consumer.assign([TopicPartition("cycles", 0, 0)])
poll = ColumnPoll(consumer, 10)
told = []
take, poll._library.event = poll._library.event, lambda queue: told.append(take(queue)) or told[-1]
poll.poll(1.0)
broker.close()
while not any(told):
    assert poll.poll(0.1).failures == []
poll.close()
consumer.close()
print("lived")
"""


def test_a_client_that_loses_its_broker_lives() -> None:
    """What it tells must not run the Python client's callbacks, which end a process that is not in its calls."""
    command = [sys.executable, "-c", _LOSES_ITS_BROKER]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "lived\n"), done.stderr
