"""Records of dead letters back to a real broker, and through a running flow."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from dataflows.desk import open_desk
from dataflows.settings import OUTPUTS, ConfirmationsSettings
from millrace.errors import Rejected
from millrace.ledger import Ledger
from millrace.ledger.letters import Letter, LetterFilter
from operators.replayed import replay_of
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas
from sinks.resend import KafkaResender
from sources.kafka_reference import read_all
from tests.integration.flow_process import FlowProcess, cycles
from tests.servers import Kafka
from tests.unit.letter_desk import ANN, one

pytestmark = pytest.mark.server
_numbers = count(1)


@pytest.fixture
def topic(kafka: Kafka) -> str:
    """Three records in partition 1 of two."""
    name = kafka.create_topic(f"replayed{next(_numbers)}", 2)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for number in range(3):
        value, headers = f"value {number}".encode(), [("trace", b"t1")]
        producer.produce(name, value, key=f"key {number}".encode(), partition=1, headers=headers)
    assert producer.flush(30) == 0
    return name


def letter(topic: str, offset: int, **values: Any) -> Letter:
    fields = {
        "event_id": f"{topic}/1/{offset}",
        "event_time": 1,
        "plant": "",
        "source": "flow",
        "kind": "RECORD",
        "reason": "decode",
        "error_class": "transport",
        "detail": "",
        "owner": "",
        "document_key": None,
        "revision": 0,
        "events": 1,
        "correlation_id": None,
        "state": "open",
        "state_at": 1,
        "replays": 0,
        **values,
    }
    return Letter(topic=topic, partition=1, offset=offset, **fields)


def sent(kafka: Kafka, topic: str) -> list[Any]:
    """Records behind the first three."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "look", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 1, 3)])
    found = []
    while (message := consumer.poll(10)) is not None and message.error() is None:
        found.append(message)
    consumer.close()
    return found


def resender(kafka: Kafka) -> KafkaResender:
    return KafkaResender(
        {"bootstrap.servers": kafka.bootstrap},
        lambda of, given: (of.payload, b"made") if given is None else (given, b"made"),
    )


def test_a_record_goes_back_with_its_partition_key_bytes_and_headers(kafka: Kafka, topic: str) -> None:
    way, found = resender(kafka), letter(topic, 1)
    place = way.send(found, {**way.plan(found, 1, None), "replay": 1}, again=False)
    [message] = sent(kafka, topic)
    assert place == f"{topic}/1/{message.offset()}"
    assert (message.key(), message.value()) == (b"key 1", b"value 1")
    assert replay_of(message.headers()) == (f"{topic}/1/1", 1)
    assert ("trace", b"t1") in message.headers()


def test_who_goes_on_after_a_kill_finds_what_was_sent_and_sends_what_was_not(kafka: Kafka, topic: str) -> None:
    way, first, second = resender(kafka), letter(topic, 0), letter(topic, 2)
    intents = {each.event_id: {**way.plan(each, 1, None), "replay": 1} for each in (first, second)}
    place = way.send(first, intents[first.event_id], again=False)
    assert way.send(first, intents[first.event_id], again=True) == place
    way.send(second, intents[second.event_id], again=True)
    assert [message.value() for message in sent(kafka, topic)] == [b"value 0", b"value 2"]


def test_a_corrected_record_keeps_its_key_and_a_second_replay_has_one_header(kafka: Kafka, topic: str) -> None:
    way, found = resender(kafka), letter(topic, 1)
    way.send(found, {**way.plan(found, 1, b"corrected"), "replay": 1}, again=False)
    again = letter(topic, 3, event_id=f"{topic}/1/1", replays=1)
    way.send(again, {**way.plan(again, 2, None), "replay": 2}, again=False)
    messages = sent(kafka, topic)
    assert [(message.key(), message.value()) for message in messages] == [(b"key 1", b"corrected")] * 2
    assert [replay_of(message.headers()) for message in messages] == [(f"{topic}/1/1", 1), (f"{topic}/1/1", 2)]
    assert len(messages[1].headers()) == 2


def test_a_record_that_the_log_has_deleted_is_sent_from_its_letter(kafka: Kafka, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for future in admin.delete_records([TopicPartition(topic, 1, 2)]).values():
        future.result()
    way, found = resender(kafka), letter(topic, 0, payload=b"kept")
    way.send(found, {**way.plan(found, 1, None), "replay": 1}, again=False)
    assert [(message.key(), message.value()) for message in sent(kafka, topic)] == [(b"made", b"kept")]


def test_a_topic_that_is_gone_leaves_the_letter_out(kafka: Kafka) -> None:
    with pytest.raises(Rejected, match="no partition nowhere/1"):
        resender(kafka).plan(letter("nowhere", 0), 1, None)


def test_a_torn_record_is_corrected_replayed_and_booked_once(kafka: Kafka, tmp_path: Path) -> None:
    flow = FlowProcess(kafka, tmp_path, f"replays{next(_numbers)}", partitions=2)
    try:
        flow.release("O1")
        flow.send("MachineCycle", cycles("M1", 1, 49), partition=1)
        producer = Producer({"bootstrap.servers": kafka.bootstrap})
        producer.produce(flow.topics["MachineCycle"], b"\x00torn", key=b"M1", partition=1)
        assert producer.flush(30) == 0
        flow.send("MachineCycle", cycles("M1", 51, 50), partition=1)
        flow.start()
        flow.wait(lambda: flow.totals() == {"O1": 99} and bool(flow.dead_letters()), "all but the torn record")
        name = f"{flow.topics['MachineCycle']}/1/49"
        with Ledger(flow.settings["ledger"], who="desk") as ledger:
            desk = open_desk(ledger, ConfirmationsSettings.model_validate(flow.settings))
            assert desk.replay(LetterFilter(), ANN).done == [name]
            flow.wait(lambda: one(ledger, name).revision == 1, "the same letter again")
            assert (one(ledger, name).state, one(ledger, name).replays) == ("open", 1)
            [mended] = cycles("M1", 50, 1)
            desk.replay(LetterFilter(ids=(name,)), ANN, payload=json.dumps(mended, default=str).encode())
            flow.wait(lambda: flow.totals() == {"O1": 100}, "the corrected record")
            assert one(ledger, name).state == "replayed"
            assert len(desk.list(LetterFilter()).letters) == 1
        assert flow.drain() == [0]
    finally:
        flow.close()


def test_a_flow_on_a_wrong_topic_ends_with_code_2_and_one_alert_and_goes_on_when_told(
    kafka: Kafka, tmp_path: Path
) -> None:
    flow = FlowProcess(kafka, tmp_path, f"stops{next(_numbers)}", partitions=1, lanes=1, publish=True, reject_window=50)
    try:
        for name in OUTPUTS:
            flow.settings["topics"][name] = kafka.create_topic(f"{flow.name}.{contract(name).topic}", 1)
        flow.release("O1")
        flow.send("MachineCycle", cycles("M1", 1, 20))
        producer = Producer({"bootstrap.servers": kafka.bootstrap})
        for _ in range(200):
            producer.produce(flow.topics["MachineCycle"], b"{}", key=b"M1")
        assert producer.flush(30) == 0
        flow.send("MachineCycle", cycles("M1", 21, 20))
        flow.start()
        assert flow.wait_for_end() == 2
        assert "set reject_share to 1" in flow.log.splitlines()[-1], "the way on is the last thing one reads"
        assert sum(flow.dead_letters().values()) < 200
        codec = Codec(contract("Alert"), FolderSchemas())
        alerts = read_all({"bootstrap.servers": kafka.bootstrap}, flow.settings["topics"]["Alert"], codec)
        assert [(alert["kind"], alert["severity"]) for alert in alerts] == [("most_refused", "CRITICAL")]
        flow.start(reject_share=1)
        flow.wait(lambda: flow.totals() == {"O1": 40}, "the rest")
        assert flow.dead_letters() == {"no_prefix": 200}
        assert flow.drain() == [0]
    finally:
        flow.close()
