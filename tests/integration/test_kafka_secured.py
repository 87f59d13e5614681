"""A broker that asks who comes: the flow, producers and refusals over SASL/SCRAM and mutual TLS, rights by ACL."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from dataflows.settings import OUTPUTS
from millrace.cli.app import app
from millrace.errors import Misconfigured
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas
from sources.kafka import partition_counts
from sources.kafka_reader import KafkaReader, ReaderConfig
from sources.kafka_sample import look
from sources.kafka_settings import KafkaSettings
from tests.integration.flow_process import FlowProcess, cycles
from tests.servers import SecureKafka
from tests.servers.kafka_secure import ADMIN, PASSWORDS

pytestmark = pytest.mark.server
WAYS = ("by_password", "by_certificate")
MES, FLOW = "system-mes", "flow-confirmations"


@pytest.fixture
def broker(secure_kafka: SecureKafka) -> SecureKafka:
    return secure_kafka


def acls(broker: SecureKafka, folder: Path, *options: str, **kafka: Any) -> Result:
    """`millrace contracts acls` as the administrator, or with other settings."""
    config = folder / "admin.yaml"
    config.write_text(yaml.safe_dump({"kafka": kafka or broker.by_password(ADMIN)}))
    return CliRunner().invoke(app, ["contracts", "acls", "--config", str(config), *options])


def granted(broker: SecureKafka, folder: Path, prefix: str) -> None:
    done = acls(broker, folder, "--apply", "--topic-prefix", prefix)
    assert done.exit_code == 0, done.output


def sent(client: dict[str, str], topic: str, values: list[bytes]) -> set[str]:
    """What the broker said to records: names of errors, or OK."""
    said: set[str] = set()
    producer = Producer({**client, "message.timeout.ms": 30_000})
    for value in values:
        producer.produce(
            topic, value, key=b"M1", on_delivery=lambda error, _: said.add(error.name() if error else "OK")
        )
    producer.flush(40)
    return said


def test_rights_of_the_contracts_are_added_once_and_what_goes_beyond_them_is_told(
    broker: SecureKafka, tmp_path: Path
) -> None:
    options = ["--topic-prefix", "once.", "--format", "json"]
    before = acls(broker, tmp_path, "--dry-run", *options)
    assert before.exit_code == 1, before.output
    missing = json.loads(before.stdout)["missing"]
    assert ("User:system-mes", "once.machine-cycle", "WRITE") in [
        (each["principal"], each["name"], each["operation"]) for each in missing
    ]
    assert json.loads(acls(broker, tmp_path, "--apply", *options).stdout)["missing"] == missing
    again = acls(broker, tmp_path, "--dry-run", *options)
    assert (again.exit_code, json.loads(again.stdout)["missing"]) == (0, [])
    wider = acls(broker, tmp_path, "--dry-run", "--topic-prefix", "once.", "--principal", "User:{name}-{kind}")
    assert "beyond the contracts: User:system-mes may write topic once.machine-cycle" in wider.output


@pytest.mark.parametrize("way", WAYS)
def test_a_producer_writes_its_own_topics_and_no_others(broker: SecureKafka, tmp_path: Path, way: str) -> None:
    prefix = f"{way.replace('_', '-')}."
    for topic in ("machine-cycle", "work-order"):
        broker.create_topic(prefix + topic)
    mes = KafkaSettings(**getattr(broker, way)(MES)).client()
    assert sent(mes, f"{prefix}machine-cycle", [b"x"]) == {"TOPIC_AUTHORIZATION_FAILED"}, "nothing is granted yet"
    granted(broker, tmp_path, prefix)
    assert sent(mes, f"{prefix}machine-cycle", [b"x"]) == {"OK"}
    assert sent(mes, f"{prefix}work-order", [b"x"]) == {"TOPIC_AUTHORIZATION_FAILED"}
    with pytest.raises(Misconfigured, match=r"has no right to topic .*work-order"):
        partition_counts(mes, [f"{prefix}work-order"])


@pytest.mark.parametrize("way", WAYS)
def test_the_flow_runs_with_the_rights_that_its_contracts_declare(
    broker: SecureKafka, tmp_path: Path, way: str
) -> None:
    """Orders come from the plain listener; cycles from a producer that has no right but its own."""
    name = f"confirmations_{'scram' if way == 'by_password' else 'mtls'}"
    connect = getattr(broker, way)
    flow = FlowProcess(broker, tmp_path, name, publish=True)
    outputs = {each: broker.create_topic(f"{name}.{contract(each).topic}") for each in OUTPUTS}
    granted(broker, tmp_path, f"{name}.")
    flow.release("O1")
    values = Codec(contract("MachineCycle"), FolderSchemas()).encode(cycles("M1", 1, 100))
    assert sent(KafkaSettings(**connect(MES)).client(), flow.topics["MachineCycle"], values) == {"OK"}
    try:
        flow.start(kafka=connect(FLOW), topics={**flow.topics, **outputs})
        flow.wait(lambda: flow.totals() == {"O1": 100}, "cycles over the secured listener")
        assert flow.drain() == [0]
        assert flow.dead_letters() == {}
        assert all(password not in flow.log for password in PASSWORDS.values())
    finally:
        flow.close()
    assert _records(broker, outputs["ProductionConfirmation"]) > 0


def _records(broker: SecureKafka, topic: str) -> int:
    return sum(len(batch.values) for batch in look(KafkaSettings(bootstrap=broker.bootstrap).client(), topic))


def test_a_rotated_password_is_taken_without_a_restart(broker: SecureKafka, tmp_path: Path) -> None:
    """The broker knows another password and forgets all connections; the flow is the same process before and after.

    A reader that knows no file, as every client was before, is the control: it waits for ever.
    """
    name, user = "confirmations_rotated", "rotated"
    flow = FlowProcess(broker, tmp_path, name)
    broker.set_password(user, "rotated-word-1")
    kafka = broker.by_password(user, "rotated-word-1")
    broker.may_all(user)
    flow.release("O1")
    plain = ReaderConfig(client=dict(KafkaSettings(**kafka).client()), group=f"{name}_control")
    control = KafkaReader(plain, dict.fromkeys((flow.topics["MachineCycle"], number) for number in range(4)))
    try:
        flow.start(kafka=kafka)
        flow.send("MachineCycle", cycles("M1", 1, 100))
        flow.wait(lambda: flow.totals() == {"O1": 100}, "cycles before the rotation")
        assert _read_for(control, seconds=30, until=100) == 100
        Path(kafka["sasl_password_file"]).write_text("rotated-word-2\n")
        broker.set_password(user, "rotated-word-2")
        broker.restart()
        flow.send("MachineCycle", cycles("M1", 101, 100))
        flow.wait(lambda: flow.totals() == {"O1": 200}, "cycles after the rotation")
        assert "kafka_password_renewed" in flow.log
        assert "rotated-word" not in flow.log
        assert flow.drain() == [0]
        assert _read_for(control, seconds=10, until=1) == 0
    finally:
        flow.close()
        control.close()


def _read_for(reader: KafkaReader, seconds: float, until: int) -> int:
    """Records that a reader gets in that time, or as soon as it has so many."""
    end, read = time.monotonic() + seconds, 0
    while time.monotonic() < end and read < until:
        read += sum(len(batch.values) for batch in reader.poll(0.5))
    return read


REFUSALS = {
    "wrong password": (lambda b: b.by_password(MES, "mes-no-such"), "refuses user system-mes: check sasl_username"),
    "certificate of a stranger": (lambda b: b.by_certificate(MES, trustme.CA()), "refuses our certificate"),
    "no certificate": (
        lambda b: {k: v for k, v in b.by_certificate(MES).items() if k not in {"ssl_certificate", "ssl_key"}},
        "refuses our certificate",
    ),
    "broker of a strange authority": (
        lambda b: {**b.by_password(MES), "ssl_ca": _strange_authority(b)},
        "shows a certificate that is not accepted: check ssl_ca",
    ),
    "key of another certificate": (
        lambda b: {**b.by_certificate(MES), "ssl_key": b.by_certificate(FLOW)["ssl_key"]},
        "kafka: ",
    ),
    "no administrator": (lambda b: b.by_password(MES), "our user may not manage ACLs"),
}


def _strange_authority(broker: SecureKafka) -> str:
    path = broker.authority.with_name("strange.pem")
    trustme.CA().cert_pem.write_to_path(path)
    return str(path)


@pytest.mark.parametrize("case", REFUSALS)
def test_who_is_not_let_in_reads_one_sentence_that_says_why(broker: SecureKafka, tmp_path: Path, case: str) -> None:
    settings, sentence = REFUSALS[case]
    done = acls(broker, tmp_path, "--dry-run", **settings(broker))
    assert isinstance(done.exception, Misconfigured), (done.output, done.exception)
    assert sentence in str(done.exception)
    assert len(str(done.exception).splitlines()) == 1
    assert "mes-no-such" not in str(done.exception)


def test_a_wrong_password_ends_a_flow_at_its_start(broker: SecureKafka) -> None:
    """The same sentence, where a flow first asks for its topics; it does not wait as for a broker that is down."""
    client = KafkaSettings(**broker.by_password(FLOW, "flow-wrong")).client()
    with pytest.raises(Misconfigured, match="refuses user flow-confirmations"):
        partition_counts(client, ["any"], patience=600)
