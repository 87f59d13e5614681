"""Why a broker does not let us in, as one sentence: the client only says that it has no connection.

Delivery: none; it is asked before the first record is read.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from millrace.errors import Misconfigured
from millrace.redact import redact

_PLACE = re.compile(r"^\S+://(?P<address>[^/\s]+)/\S+: ")
_TIMING = re.compile(r" \(after \d+ms in state \w+\)$|, verify that ssl\.ca\.location.*$")


class Refusals:
    """Takes the client's errors (`error_cb`) and keeps the last that no waiting mends.

    Args:
        client: Configuration of the connection, for the user's name.
    """

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._client = client
        self._sentence: str | None = None

    def __call__(self, error: KafkaError) -> None:
        """The client tells an error."""
        told = _who_refused(error)
        if told is not None:
            self._sentence = f"{self._words(told)}: {redact(_detail(error.str()))}"

    def admin(self) -> AdminClient:
        """A client that tells its errors here.

        Raises:
            Misconfigured: The settings cannot be used, such as a key that does not fit its certificate.
        """
        # What the client would log again and again is told once.
        settings: dict[str, Any] = {**self._client, "error_cb": self, "log_level": 0}
        try:
            return AdminClient(settings)
        except KafkaException as error:
            told = redact(error.args[0].str())
            raise Misconfigured(f"kafka: {told}") from error

    def check(self) -> None:
        """Raise what was told, if anything was.

        Raises:
            Misconfigured: The broker refuses our user or certificate, or we refuse the broker's certificate.
        """
        if self._sentence is not None:
            raise Misconfigured(self._sentence)

    def _words(self, told: str) -> str:
        broker = f"the Kafka broker at {self._client['bootstrap.servers']}"
        if told == "user":
            return f"{broker} refuses user {self._client.get('sasl.username')}: check sasl_username and its password"
        if told == "certificate":
            return f"{broker} refuses our certificate: check ssl_certificate and ssl_key"
        return f"{broker} shows a certificate that is not accepted: check ssl_ca and the broker's name"


def reachable(client: Mapping[str, Any], patience: float = 20.0) -> None:
    """Wait until a broker lets us in.

    Raises:
        Misconfigured: It refuses us, or none answered in `patience` seconds.
    """
    refusals = Refusals(client)
    admin = refusals.admin()
    deadline = time.monotonic() + patience
    while True:
        try:
            admin.list_topics(timeout=2)
        except KafkaException as error:
            admin.poll(0)
            refusals.check()
            if time.monotonic() > deadline:
                raise Misconfigured(f"no Kafka broker at {client['bootstrap.servers']}: {error}") from error
        else:
            return


def _who_refused(error: KafkaError) -> str | None:
    """TLS 1.3 tells of a client's certificate after the handshake, so that it looks like a broken connection."""
    if error.code() == KafkaError._AUTHENTICATION:
        return "user"
    text = error.str()
    if error.code() in (KafkaError._SSL, KafkaError._TRANSPORT) and "alert" in text and "certificate" in text:
        return "certificate"
    return "broker" if error.code() == KafkaError._SSL else None


def _detail(text: str) -> str:
    return _TIMING.sub("", _PLACE.sub("", text))
