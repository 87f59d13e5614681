"""A partner's topic on a real broker: the allowed fields alone, nothing lost over a kill, nothing of broken records."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import fastavro
import pytest
import yaml
from confluent_kafka import Consumer, Producer, TopicPartition

from millrace.failpoints import VARIABLE
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.governance.views import view
from schemas.registry import FolderSchemas, RegistrySchemas
from schemas.samples import sample
from tests.servers import Kafka, Registry

pytestmark = pytest.mark.server
REPORT = contract("OperationReport")
SECRET = "BADGE-4711-SECRET"  # noqa: S105 - the value of a field
_numbers = count(1)


class Desk:
    """A topic of reports, a partner's topic and the settings between them."""

    def __init__(self, kafka: Kafka, folder: Path) -> None:
        number = next(_numbers)
        self.kafka, self.folder = kafka, folder
        self.topic = kafka.create_topic(f"forward{number}.operation-report", partitions=2)
        self.to = kafka.create_topic(f"acme{number}.reports", partitions=2)
        self.settings: dict[str, Any] = {
            "kafka": {"bootstrap": kafka.bootstrap},
            "contract_topics": {"OperationReport": self.topic},
            "partners": [{"name": "acme", "contracts": [{"contract": "OperationReport"}]}],
        }

    def send(self, first: int, records: int, values: list[bytes] | None = None) -> None:
        """Reports that each name an operator, in value, key and headers; or other values."""
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap})
        made = sample(REPORT, records)
        for at, record in enumerate(made):
            record.update(event_id=f"R{first + at}", source=f"T{at % 5}", operator=SECRET)
        for at, value in enumerate(values or Codec(REPORT, FolderSchemas()).encode(made)):
            producer.produce(self.topic, value, key=f"T{at % 5}-{SECRET}", headers={"who": SECRET})
        assert producer.flush(30) == 0

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        config = self.folder / "partners.yaml"
        config.write_text(yaml.safe_dump(self.settings))
        words = [
            "contracts",
            "forward",
            "--partner",
            "acme",
            "--topic",
            self.topic,
            "--to",
            self.to,
            "--once",
            "--json",
        ]
        return subprocess.run(
            [sys.executable, "-m", "millrace", *words, "--config", str(config)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **environment},
            timeout=120,
        )

    def delivered(self) -> list[tuple[bytes, bytes, Any]]:
        """Value, key and headers of every record of the partner's topic."""
        consumer = Consumer(
            {"bootstrap.servers": self.kafka.bootstrap, "group.id": "partner", "enable.auto.commit": False}
        )
        ends = [consumer.get_watermark_offsets(TopicPartition(self.to, p), timeout=20)[1] for p in range(2)]
        consumer.assign([TopicPartition(self.to, p, 0) for p in range(2)])
        found = []
        while len(found) < sum(ends):
            message = consumer.poll(20)
            assert message is not None
            assert message.error() is None
            found.append((message.value(), message.key(), message.headers()))
        consumer.close()
        return found  # type: ignore[return-value]


@pytest.fixture
def desk(kafka: Kafka, tmp_path: Path) -> Desk:
    return Desk(kafka, tmp_path)


def shown(value: bytes) -> dict[str, Any]:
    """A record as the partner reads it, with the schema that it was given and Avro's own library."""
    theirs = fastavro.parse_schema(view(REPORT).contract.schema)
    found: dict[str, Any] = fastavro.schemaless_reader(io.BytesIO(value[5:]), theirs, None)  # type: ignore[assignment]
    return found


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_what_is_left_out_is_in_no_byte_of_the_partners_topic(desk: Desk) -> None:
    """Values, keys and headers of the original name an operator; none of it arrives, everything else does."""
    desk.send(1, 100)
    done = desk.run()
    assert (done.returncode, told(done)) == (0, {"forwarded": 100, "refused": {}}), done.stderr
    found = desk.delivered()
    assert not any(SECRET.encode() in value + key for value, key, _ in found)
    assert {str(headers) for _, _, headers in found} == {"None"}
    assert {key for _, key, _ in found} == {f"T{n}".encode() for n in range(5)}
    records = [shown(value) for value, _, _ in found]
    assert sorted(record["event_id"] for record in records) == sorted(f"R{n}" for n in range(1, 101))
    assert all(set(record) == set(REPORT.fields) - {"operator"} for record in records)


def test_a_run_goes_on_where_the_last_ended_and_a_killed_one_loses_nothing(desk: Desk) -> None:
    """Killed when the broker has a batch and the group does not know it yet: it is sent again, none is left out."""
    desk.send(1, 50)
    assert told(desk.run())["forwarded"] == 50
    desk.send(51, 50)
    killed = desk.run(**{VARIABLE: "forward.before_commit"})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert told(desk.run())["forwarded"] > 0
    assert told(desk.run())["forwarded"] == 0
    names = [shown(value)["event_id"] for value, _, _ in desk.delivered()]
    assert set(names) == {f"R{n}" for n in range(1, 101)}
    assert len(names) > 100, "else the kill came too late to show anything"
    assert len([name for name in names if int(name[1:]) <= 50]) == 50, "what was committed is not repeated"


def test_records_that_break_the_contract_stay_here_and_are_counted(desk: Desk) -> None:
    good = Codec(REPORT, FolderSchemas()).encode([{**sample(REPORT, 1)[0], "event_id": "R1", "operator": SECRET}])
    desk.send(1, 42, [good[0] + SECRET.encode(), good[0], *([SECRET.encode()] * 40)])
    done = desk.run()
    assert done.returncode == 1
    assert told(done) == {"forwarded": 1, "refused": {"trailing_bytes": 1, "no_prefix": 40}}
    assert 1 <= done.stderr.count("records_not_forwarded") < 10, "a line for a batch, not for a record"
    assert SECRET not in done.stdout + done.stderr
    assert [shown(value)["event_id"] for value, _, _ in desk.delivered()] == ["R1"]


def test_with_a_registry_the_partners_topic_has_a_schema_of_its_own_there(desk: Desk, registry: Registry) -> None:
    desk.settings["registry"] = {"url": registry.url}
    source = RegistrySchemas(registry.url)
    values = Codec(replace(REPORT, topic=desk.topic), source).encode(
        [{**record, "operator": SECRET} for record in sample(REPORT, 5)]
    )
    desk.send(1, 5, values)
    done = desk.run()
    assert (done.returncode, told(done)["forwarded"]) == (0, 5), done.stderr
    for value, _, _ in desk.delivered():
        schema = source.schema(int.from_bytes(value[1:5], "big"))
        assert "operator" not in {field["name"] for field in schema["fields"]}
        assert SECRET.encode() not in value
    status, versions = source.ask("GET", f"/subjects/{desk.to}-value/versions")
    assert (status, versions) == (200, [1])
    source.close()


def test_a_partner_is_not_given_what_it_is_not_named_for(desk: Desk) -> None:
    desk.settings["contract_topics"] = {"WorkOrder": desk.topic}
    done = desk.run()
    assert done.returncode == 2
    assert "partner acme gets no WorkOrder" in done.stderr
    assert desk.delivered() == []
