"""The real servers that other tests rely on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from tests.servers import Kafka, Registry

pytestmark = pytest.mark.server
ROOT = Path(__file__).parents[2]


def produce(kafka: Kafka, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(30) == 0


def consume(kafka: Kafka, topic: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "check"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages = consumer.consume(count, timeout=30)
    consumer.close()
    return [message.value() for message in messages]


def test_the_broker_returns_what_was_written(kafka: Kafka) -> None:
    topic = kafka.create_topic("round-trip", partitions=1)
    produce(kafka, topic, [b"one", b"two"])
    assert consume(kafka, topic, 2) == [b"one", b"two"]


def test_topics_are_shaped_as_asked_and_do_not_appear_by_themselves(
    kafka: Kafka,
) -> None:
    topic = kafka.create_topic("shaped", partitions=8, config={"cleanup.policy": "compact"})
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    assert len(producer.list_topics(topic, timeout=10).topics[topic].partitions) == 8
    with pytest.raises(KafkaException, match="exists"):
        kafka.create_topic(topic)
    unknown = producer.list_topics("never-created", timeout=10).topics["never-created"].error
    assert unknown is not None
    assert unknown.code() in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}


def test_a_killed_broker_comes_back_with_its_address_and_data(tmp_path: Path, kafka: Kafka) -> None:
    with Kafka(tmp_path, heap="256m") as own:
        address, first = own.bootstrap, own.pid
        produce(own, own.create_topic("kept"), [b"before"])
        own.restart()
        assert own.pid != first
        assert own.bootstrap == address
        assert address != kafka.bootstrap
        produce(own, "kept", [b"after"])
        assert consume(own, "kept", 2) == [b"before", b"after"]


def test_the_registry_gives_a_schema_an_id_and_refuses_an_incompatible_version(registry: Registry) -> None:
    def register(fields: str) -> httpx.Response:
        schema = {"schema": f'{{"type":"record","name":"R","fields":[{fields}]}}'}
        return httpx.post(f"{registry.url}/subjects/r-value/versions", json=schema, trust_env=False)

    httpx.put(f"{registry.url}/config/r-value", json={"compatibility": "FULL"}, trust_env=False)
    first = register('{"name":"a","type":"string"}')
    known = httpx.get(f"{registry.url}/schemas/ids/{first.json()['id']}", trust_env=False)
    assert '"name":"a"' in known.json()["schema"].replace(" ", "")
    assert register('{"name":"a","type":"string"},{"name":"b","type":"int"}').status_code == httpx.codes.CONFLICT


def test_a_server_dies_with_the_process_that_started_it_however_that_ends() -> None:
    """Else a killed test run would leave Java processes on the machine."""
    code = (
        "import sys, time, pathlib\n"
        "from tests.servers.process import ServerProcess\n"
        "server = ServerProcess(['sleep', '300'], pathlib.Path('/dev/null'), lambda: True)\n"
        "server.start()\n"
        "print(server.pid, flush=True)\n"
        "time.sleep(300)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        try:
            server = int(parent.stdout.readline())
            # The kernel knows of the guard only once the guard has become the server.
            while Path(f"/proc/{server}/comm").read_text().strip() != "sleep":
                time.sleep(0.01)
        finally:
            parent.kill()
    deadline = time.monotonic() + 20
    while is_running(server) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(server)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
