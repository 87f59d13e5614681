"""A rotated Kafka password reaches clients that live on."""

from __future__ import annotations

import os
from pathlib import Path

from millrace.kafka_login import KafkaLogin
from millrace.redact import redact
from millrace.secret import Secret
from sinks.erp.results_settings import ResultsSettings
from sources.kafka_settings import KafkaSettings

SCRAM = {"security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "mes"}


class Told:
    """A client that notes what it was told."""

    def __init__(self) -> None:
        self.passwords: list[tuple[str, str]] = []

    def set_sasl_credentials(self, username: str, password: str, /) -> None:
        self.passwords.append((username, password))


def test_a_client_is_told_once_when_its_file_has_another_password(tmp_path: Path) -> None:
    """As Kubernetes does it: a symlink to another folder."""
    for word in ("word-one-1", "word-two-2"):
        (tmp_path / word).mkdir()
        (tmp_path / word / "password").write_text(f"{word}\n")
    link, client = tmp_path / "data", Told()
    link.symlink_to("word-one-1")
    login = KafkaLogin(KafkaSettings(bootstrap="k:1", **SCRAM, sasl_password_file=link / "password").client())  # type: ignore[arg-type]
    login.renew(client)
    assert client.passwords == []
    (tmp_path / "next").symlink_to("word-two-2")
    os.replace(tmp_path / "next", link)
    login.renew(client)
    login.renew(client)
    assert client.passwords == [("mes", "word-two-2")]
    assert redact("word-two-2") == "[redacted]"


def test_a_file_that_is_empty_for_a_moment_leaves_the_password(tmp_path: Path) -> None:
    file, client = tmp_path / "password", Told()
    file.write_text("word-one-1")
    login = KafkaLogin(KafkaSettings(bootstrap="k:1", **SCRAM, sasl_password_file=file).client())  # type: ignore[arg-type]
    file.write_text("")
    login.renew(client)
    file.write_text("word-one-1\n")
    login.renew(client)
    assert client.passwords == []


def test_the_posters_secret_is_renewed_too_and_one_without_a_file_never(tmp_path: Path) -> None:
    file, client = tmp_path / "password", Told()
    file.write_text("word-one-1")
    secrets = {"sasl.password": Secret(file=file)}
    results = ResultsSettings(bootstrap="k:1", client={"sasl.username": "poster"}, secrets=secrets)
    login = KafkaLogin(results.configuration(), results.secrets["sasl.password"])
    file.write_text("word-two-2")
    login.renew(client)
    assert client.passwords == [("poster", "word-two-2")]
    KafkaLogin({"sasl.username": "mes", "sasl.password": "word"}).renew(client)
    assert len(client.passwords) == 1
