"""The producer kit killed and without its broker: read back by the flow's de-duplication, every event counts once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from millrace.producer.sender import wait_until
from operators.dedupe import NEW, Deduplicator
from schemas.batch import RawBatch
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas, SchemaSource
from tests.servers import Kafka

ROOT = Path(__file__).parents[2]
LAST = 700


@contextmanager
def producing(bootstrap: str, folder: Path, topic: str) -> Iterator[subprocess.Popen[str]]:
    """The process of `tests.producing`; killed at the end if it still runs."""
    command = [sys.executable, "-m", "tests.producing", bootstrap, str(folder), topic, str(LAST)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[str], condition: Callable[[str], bool]) -> None:
    """Read the process's lines until one fits."""
    assert process.stdout is not None
    full = 0
    for line in process.stdout:
        if condition(line.strip()):
            return
        full += line.strip() == "full"
        assert full < 1_200, "the buffer has been full for a minute"
    raise AssertionError(f"the process ended with {process.wait()}")


def beyond(number: int) -> Callable[[str], bool]:
    return lambda line: line.isdigit() and int(line) >= number


def records(bootstrap: str, topic: str, partitions: int) -> list[Message]:
    """Everything in the topic, as it lies in the log."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "back", "auto.offset.reset": "earliest"})
    ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=20)[1] for p in range(partitions)}
    consumer.assign([TopicPartition(topic, p, 0) for p in ends])
    found: list[Message] = []

    def all_read() -> bool:
        found.extend(message for message in consumer.consume(1_000, 0.2) if message.error() is None)
        return len(found) >= sum(ends.values())

    assert wait_until(all_read, 30)
    consumer.close()
    return found


def decoded(messages: list[Message], schemas: SchemaSource | None = None) -> pl.DataFrame:
    """Records as the flow reads them; none is refused."""
    codec = Codec(contract("MachineCycle"), schemas or FolderSchemas())
    offsets = np.array([message.offset() for message in messages])
    values = [message.value() for message in messages]
    batch = codec.decode(RawBatch("back", values, np.zeros(len(values), np.int32), offsets, offsets))
    assert batch.rejects == []
    return batch.frame


def accepted(frame: pl.DataFrame) -> tuple[pl.DataFrame, Deduplicator]:
    """Rows that the flow counts."""
    dedupe = Deduplicator()
    times = frame["event_time"].dt.timestamp("us").to_numpy()
    codes, _gaps = dedupe.judge(frame, times, np.zeros(frame.height, np.int32))
    return frame.filter(pl.Series(codes) == NEW), dedupe


def assert_every_event_counts_once_and_in_order(messages: list[Message]) -> None:
    assert {message.partition() for message in messages} == {messages[0].partition()}
    assert {message.key() for message in messages} == {b"M1"}
    counted, dedupe = accepted(decoded(messages))
    assert counted["sequence"].to_list() == list(range(1, LAST + 1))
    assert counted["event_id"].to_list() == [f"M1-{number}" for number in range(1, LAST + 1)]
    assert dedupe.sequences.missing() == []


def test_killed_without_a_broker_and_with_one_that_hangs_no_event_is_lost_or_counted_twice(tmp_path: Path) -> None:
    """First nobody listens, until the buffer is full; then the broker hangs and comes back; two kills in between."""
    command = [sys.executable, "-m", "sandbox.broker", "--port-file", str(tmp_path / "port"), "--topic", "crash"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as broker:
        try:
            with producing("127.0.0.1:1", tmp_path / "buffer", "crash") as first:
                until(first, lambda line: line == "full")
            assert wait_until((tmp_path / "port").exists, 30)
            address = (tmp_path / "port").read_text()
            with producing(address, tmp_path / "buffer", "crash") as second:
                until(second, beyond(300))
                os.kill(broker.pid, signal.SIGSTOP)
                until(second, lambda line: line == "full" or beyond(500)(line))
            os.kill(broker.pid, signal.SIGCONT)
            with producing(address, tmp_path / "buffer", "crash") as third:
                until(third, beyond(LAST))
                assert third.wait(60) == 0
            assert_every_event_counts_once_and_in_order(records(address, "crash", 4))
        finally:
            broker.kill()


@pytest.mark.server
def test_killed_at_random_while_a_real_broker_is_killed_too_no_event_is_lost_or_counted_twice(
    kafka: Kafka, tmp_path: Path
) -> None:
    topic, chance = kafka.create_topic("producer-crash", 3), random.Random(7)
    for step in (100, 200, 300):
        with producing(kafka.bootstrap, tmp_path, topic) as process:
            until(process, beyond(step + chance.randrange(100)))
    kafka.kill()
    try:
        with producing(kafka.bootstrap, tmp_path, topic) as process:
            until(process, lambda line: line == "full" or beyond(550)(line))
    finally:
        kafka.start()
    with producing(kafka.bootstrap, tmp_path, topic) as process:
        assert process.wait(120) == 0
    assert_every_event_counts_once_and_in_order(records(kafka.bootstrap, topic, 3))


def test_numbers_given_again_would_be_noticed() -> None:
    """Control: without the buffer's memory of numbers the same events after a restart are not counted."""
    frame = pl.DataFrame({"plant": ["P1"] * 4, "source": ["M1"] * 4, "sequence": [1, 2, 1, 2]}).with_columns(
        event_id=pl.Series(["M1-1", "M1-2", "M1-3", "M1-4"]), event_time=pl.Series([1, 2, 3, 4]).cast(pl.Datetime("us"))
    )
    counted, _dedupe = accepted(frame)
    assert counted["event_id"].to_list() == ["M1-1", "M1-2"]
