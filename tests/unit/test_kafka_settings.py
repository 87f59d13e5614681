"""Settings of a connection to Kafka, and the sentence for a broker that refuses it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError
from pydantic import ValidationError

from millrace.errors import Misconfigured
from millrace.kafka_login import START_WAIT_S
from millrace.redact import redact
from sources.kafka import partition_counts
from sources.kafka_refusal import Refusals
from sources.kafka_settings import KafkaSettings

SCRAM = {"security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "mes"}


def settings(**values: Any) -> KafkaSettings:
    return KafkaSettings(bootstrap="kafka:9092", **values)


def test_a_password_comes_from_its_file_and_is_kept_out_of_texts(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("mes-8Kd3-word\n")
    client = settings(**SCRAM, sasl_password_file=secret).client()
    assert client["sasl.password"] == "mes-8Kd3-word"
    assert redact("it was mes-8Kd3-word") == "it was [redacted]"


@pytest.mark.parametrize("name", ["ssl_ca", "ssl_certificate", "ssl_key"])
def test_a_file_that_is_not_there_is_told_by_its_setting(tmp_path: Path, name: str) -> None:
    there = tmp_path / "there.pem"
    there.touch()
    files = {"ssl_certificate": there, "ssl_key": there, name: tmp_path / "nowhere.pem"}
    with pytest.raises(Misconfigured, match=rf"^{name}: there is no file .*nowhere\.pem"):
        settings(security_protocol="SSL", **files).client()


def test_an_empty_password_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(Misconfigured, match="is empty"):
        settings(**SCRAM, sasl_password_file=tmp_path / "empty").client()


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="ssl_certificate and ssl_key go together"):
        settings(security_protocol="SSL", ssl_certificate=tmp_path / "tls.crt")


@pytest.mark.parametrize(
    ("code", "text", "told"),
    [
        (KafkaError._AUTHENTICATION, "sasl_ssl://kafka:9092/1: SASL authentication error: no", "refuses user mes"),
        (KafkaError._TRANSPORT, "ssl://kafka:9092/1: Receive failed: ssl/tls alert bad certificate", "our certificate"),
        (KafkaError._SSL, "ssl://kafka:9092/1: SSL handshake failed: certificate verify failed", "check ssl_ca"),
    ],
)
def test_who_refuses_whom_is_told_from_the_clients_error(code: int, text: str, told: str) -> None:
    refusals = Refusals(settings(**SCRAM).client())
    refusals(KafkaError(code, text))
    with pytest.raises(Misconfigured, match=told):
        refusals.check()


@pytest.mark.parametrize("text", ["Connect to kafka failed: Connection refused", "1/1 brokers are down"])
def test_a_broker_that_is_down_refuses_nobody(text: str) -> None:
    """It is waited for; a broken connection must not end a flow as wrong settings would."""
    refusals = Refusals(settings(**SCRAM).client())
    refusals(KafkaError(KafkaError._TRANSPORT, text))
    refusals.check()


def test_how_long_a_start_waits_for_a_broker_is_a_setting() -> None:
    client = settings(start_wait_s=0.1).client()
    client["bootstrap.servers"] = "127.0.0.1:1"
    begun = time.monotonic()
    with pytest.raises(Misconfigured, match="no Kafka broker at 127"):
        partition_counts(client, ["any"])
    assert time.monotonic() - begun < START_WAIT_S / 2
