"""The producer kit for Python: contract, numbers, registry, settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer

from millrace.errors import Misconfigured, Rejected, Retriable
from millrace.producer import Last, MachineCycle, Producer, Record
from millrace.producer.sender import wait_until
from sandbox.broker import EmbeddedBroker
from schemas import wire
from schemas.contracts import AVRO_FOLDER, Schema, contract, contracts, fingerprint, load
from schemas.samples import sample
from tests.producing import cycle
from tools.producer_records import TARGET, module

#: Nobody listens there.
NOWHERE = {"bootstrap.servers": "127.0.0.1:1"}


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as embedded:
        yield embedded


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Producer]:
    """A producer whose broker is down."""
    producer = Producer(NOWHERE, tmp_path)
    yield producer
    producer.close()


def changed(**values: Any) -> MachineCycle:
    return dataclasses.replace(cycle(1), **values)


def values_in(broker: EmbeddedBroker, topic: str, count: int) -> list[tuple[int, str, bytes]]:
    """Partition, key and value of so many records."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found: list[tuple[int, str, bytes]] = []

    def enough() -> bool:
        for message in consumer.consume(count, 0.2):
            assert message.error() is None
            found.append((message.partition(), message.key().decode(), message.value()))
        return len(found) >= count

    assert wait_until(enough, 30)
    consumer.close()
    return found


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"quantity_good": 1.5}, r"encode: MachineCycle: quantity_good: .*float"),
        ({"quantity_good": Decimal("0.0000001")}, r"encode: MachineCycle: quantity_good: Scale"),
        ({"quantity_good": Decimal(10) ** 13}, r"decode: MachineCycle: quantity_good has more than 18 digits"),
        ({"event_time": datetime(2026, 3, 2, 5)}, r"encode: MachineCycle: event_time: the instant has no time zone"),
        ({"counting": "SOMETIMES"}, r"encode: MachineCycle: counting: 'SOMETIMES'"),
        ({"unit": None}, r"encode: MachineCycle: unit: must be string"),
        ({"order_id": 4711}, r"encode: MachineCycle: order_id: "),
        ({"source": None}, r"encode: MachineCycle: source: text is needed"),
        ({"order_id": "x" * 1_000_001}, r"oversize: MachineCycle: "),
    ],
)
def test_an_event_that_breaks_its_contract_is_refused_with_the_field(
    kit: Producer, values: dict[str, Any], sentence: str
) -> None:
    """Neither it nor its neighbours of the same call get a number."""
    with pytest.raises(Rejected, match=f"^{sentence}"):
        kit.send(cycle(1), changed(**values))
    assert kit.status.waiting == 0
    assert kit.send(cycle(1)) == [1]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"pieces": 3}, "pieces: the contract has no such field"),
        ({"sequence": 3}, "sequence: the producer numbers the events itself"),
    ],
)
def test_fields_that_are_not_the_callers_are_refused(kit: Producer, values: dict[str, Any], sentence: str) -> None:
    typed = cycle(1)
    fields = {field.name: getattr(typed, field.name) for field in dataclasses.fields(typed)}
    with pytest.raises(Rejected, match=sentence):
        kit.send(Record("MachineCycle", {**fields, **values}))


def test_a_field_that_lacks_is_named(kit: Producer) -> None:
    with pytest.raises(Rejected, match=r"MachineCycle: event_time: .*missing"):
        kit.send(Record("MachineCycle", {"plant": "P1", "source": "M1"}))


def test_each_source_of_each_contract_is_numbered_by_itself(kit: Producer) -> None:
    assert kit.send(cycle(1), cycle(2), cycle(1, "M2"), cycle(3)) == [1, 2, 1, 3]
    state = {**sample(contract("MachineState"), 1)[0], "source": "M1", "plant": "P1", "sequence": None}
    assert kit.send(Record("MachineState", state)) == [1]
    assert kit.send(changed(plant="P2")) == [1]
    assert kit.last("MachineCycle", "P1", "M1") == Last(3, "M1-3")
    assert kit.last("MachineCycle", "P1", "M9") is None


def test_numbering_begins_where_it_is_told_for_sources_that_the_buffer_has_never_seen(tmp_path: Path) -> None:
    for first, numbers in ((500, [500, 501]), (1, [502, 503])):
        producer = Producer(NOWHERE, tmp_path, first_number=first)
        assert producer.send(cycle(1), cycle(2)) == numbers
        producer.close()


def test_an_event_without_identity_gets_one(kit: Producer) -> None:
    kit.send(changed(event_id=None))
    first = kit.last("MachineCycle", "P1", "M1")
    kit.send(changed(event_id=None))
    second = kit.last("MachineCycle", "P1", "M1")
    assert first is not None
    assert second is not None
    assert first.event_id != second.event_id
    assert len(first.event_id) == 36


def test_samples_of_every_contract_pass_and_arrive_under_their_key(broker: EmbeddedBroker, tmp_path: Path) -> None:
    broker.create_topics(f"all.{name}" for name in contracts())
    topics = {name: f"all.{name}" for name in contracts()}
    records = [
        Record(name, {**record, "sequence": None}) for name in contracts() for record in sample(contract(name), 3)
    ]
    with Producer({"bootstrap.servers": broker.bootstrap}, tmp_path, topics=topics) as producer:
        producer.send(*records)
        assert producer.flush(30) == 0
    for name in ("MachineCycle", "WorkOrder"):
        found = values_in(broker, f"all.{name}", 3)
        wanted = [str(each.values[contract(name).key]) for each in records if each.contract == name]
        assert sorted(key for _partition, key, _value in found) == sorted(wanted)


class SlowRegistry:
    """A registry that is down at first, and gives ids of its own."""

    def __init__(self, *, down: bool = True) -> None:
        self.down = down
        self.asked: list[tuple[str, Schema]] = []

    def schema(self, key: object) -> Schema:
        raise Retriable(f"nobody asks for {key}")

    def id_for(self, subject: str, schema: Schema) -> int:
        self.asked.append((subject, schema))
        if self.down:
            raise Retriable("the schema registry cannot be reached")
        return 4711


def test_events_wait_for_a_registry_that_is_down_and_carry_its_ids(broker: EmbeddedBroker, tmp_path: Path) -> None:
    broker.create_topics(["waits"])
    registry = SlowRegistry()
    kit = Producer(
        {"bootstrap.servers": broker.bootstrap}, tmp_path, schemas=registry, topics={"MachineCycle": "waits"}
    )
    assert kit.send(cycle(1), cycle(2)) == [1, 2]
    assert wait_until(lambda: "registry cannot be reached" in kit.status.trouble, 20)
    assert kit.status.waiting == 2
    registry.down = False
    assert kit.flush(30) == 0
    assert kit.status.trouble == ""
    kit.close()
    assert {(subject, schema["name"]) for subject, schema in registry.asked} == {("waits-value", "MachineCycle")}
    assert [value[:5] for _partition, _key, value in values_in(broker, "waits", 2)] == [wire.prefix(4711)] * 2


def test_an_event_that_waited_for_a_new_version_of_the_kit_goes_under_the_schema_it_was_written_with(
    broker: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = load(AVRO_FOLDER / "released" / "DeadLetter" / "1.avsc")
    assert fingerprint(older.schema) != fingerprint(contract("DeadLetter").schema)
    broker.create_topics(["older"])
    with monkeypatch.context() as patch:
        patch.setattr("millrace.producer.values.contract", lambda _name: older)
        kit = Producer(NOWHERE, tmp_path)
        kit.send(Record("DeadLetter", {**sample(older, 1)[0], "sequence": None}))
        kit.close()
    registry, topics = SlowRegistry(down=False), {"DeadLetter": "older"}
    with Producer({"bootstrap.servers": broker.bootstrap}, tmp_path, schemas=registry, topics=topics) as kit:
        assert kit.flush(30) == 0
    assert [fingerprint(schema) for _subject, schema in registry.asked] == [fingerprint(older.schema)]


def test_what_keeps_events_from_the_broker_is_said(kit: Producer) -> None:
    kit.send(cycle(1))
    assert wait_until(lambda: kit.status.trouble != "", 30)
    assert kit.status.waiting == 1


def test_a_setting_that_the_guarantees_rest_on_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="acks is fixed to all"):
        Producer({**NOWHERE, "acks": 1}, tmp_path)


def test_the_typed_events_are_those_of_the_contracts() -> None:
    """Run `python -m tools.producer_records` after a change of a contract."""
    assert TARGET.read_text() == module()
