"""The embedded broker of the demo and of fast tests."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from sandbox.broker import BYTES_PER_PARTITION, PARTITIONS, EmbeddedBroker

ROOT = Path(__file__).parents[2]
WRITER = (
    "import sys\n"
    "from confluent_kafka import Producer\n"
    "producer = Producer({'bootstrap.servers': sys.argv[1]})\n"
    "producer.produce('talk', 'from another process', partition=3)\n"
    "sys.exit(producer.flush(20))\n"
)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "sandbox.broker", "--port-file", str(port_file), "--topic", "talk"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            printed = process.stdout.readline().decode().strip()
            deadline = time.monotonic() + 20
            while not port_file.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            assert port_file.read_text() == printed
            yield printed
        finally:
            process.terminate()
        assert process.wait(20) == 0


def test_two_processes_talk_through_a_third(address: str) -> None:
    subprocess.run([sys.executable, "-c", WRITER, address], check=True)
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader", "auto.offset.reset": "earliest"})
    consumer.subscribe(["talk"])
    messages = consumer.consume(1, timeout=30)
    assert [(message.partition(), message.value()) for message in messages] == [(3, b"from another process")]
    consumer.commit(message=messages[0], asynchronous=False)
    consumer.close()
    reader = Consumer({"bootstrap.servers": address, "group.id": "reader"})
    assert reader.committed([TopicPartition("talk", 3)], timeout=20)[0].offset == 1
    reader.close()


def test_a_topic_has_four_partitions_whether_created_or_only_written_to() -> None:
    with EmbeddedBroker() as broker:
        broker.create_topics(["created"])
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        producer.produce("written", b"x")
        assert producer.flush(20) == 0
        topics = producer.list_topics(timeout=10).topics
        assert {name: len(topic.partitions) for name, topic in topics.items()} == {
            "created": PARTITIONS,
            "written": PARTITIONS,
        }


def test_a_partition_forgets_its_oldest_records_beyond_five_mebibytes() -> None:
    with EmbeddedBroker() as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 5})
        records, size = 800, 10_000
        for _ in range(records):
            producer.produce("big", b"x" * size, partition=0)
        assert producer.flush(30) == 0
        consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "check"})
        low, high = consumer.get_watermark_offsets(TopicPartition("big", 0), timeout=20)
        consumer.close()
        assert high == records
        assert 0 < (high - low) * size <= BYTES_PER_PARTITION
