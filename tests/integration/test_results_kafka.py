"""Outcomes of postings on a real broker."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import fastavro
import pytest
from confluent_kafka import Consumer

from millrace.ledger import Ledger
from schemas.contracts import contract
from sinks.erp.results import KafkaTopic, Publisher
from sinks.erp.results_settings import ResultsSettings
from tests.conformance.erp_world import document
from tests.servers import Kafka
from tests.unit.ledger_desk import book_all, want

pytestmark = pytest.mark.server


def test_results_arrive_on_the_topic_keyed_by_order(kafka: Kafka, tmp_path: Path) -> None:
    settings = ResultsSettings(bootstrap=kafka.bootstrap, topic=kafka.create_topic("results-arrive"))
    with Ledger(f"sqlite:///{tmp_path}/ledger.db", who="poster") as ledger:
        want(ledger, *(document(1, order, **{"yield": "1"}) for order in ("1000001", "1000002")))
        steps = book_all(ledger)
        publisher = Publisher(ledger, KafkaTopic(settings))
        while not publisher.round():  # a broker that has just started may not be ready yet
            continue
    read = _read(kafka.bootstrap, settings.topic, 2)
    assert {key for key, _ in read} == {"1000001", "1000002"}
    assert {record["external_reference"] for _, record in read} == {step.external_reference for step in steps}
    assert {(record["status"], record["erp_document"]) for _, record in read} == {("booked", "1/1")}


def test_a_broker_that_is_not_there_leaves_the_results_for_later(tmp_path: Path) -> None:
    topic = KafkaTopic(ResultsSettings(bootstrap="127.0.0.1:1", client={"log_level": "0"}), patience=0.1)
    with Ledger(f"sqlite:///{tmp_path}/ledger.db", who="poster") as ledger:
        want(ledger, document(1, **{"yield": "1"}))
        book_all(ledger)
        assert Publisher(ledger, topic).round() == 0


def _read(bootstrap: str, topic: str, count: int) -> list[tuple[str, dict]]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found = []
    while len(found) < count:
        for message in consumer.consume(count, 1.0):
            body = fastavro.schemaless_reader(BytesIO(message.value()[5:]), contract("PostingResult").schema, None)
            found.append((message.key().decode(), body))
    consumer.close()
    return found
