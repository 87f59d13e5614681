"""The password that a Kafka client logs on with, which may be replaced while the client lives.

A broker asks for it at every new connection. Without this a rotated password is noticed when the last connection is
lost, by a flow that then waits for its broker for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import structlog

from millrace.secret import RotatingSecret, Secret

log = structlog.get_logger("millrace.kafka")


#: Seconds that a start waits for a broker that does not answer.
START_WAIT_S = 60.0


class ClientConfig(dict[str, str]):
    """Configuration for librdkafka with what is not the library's: the password's file, and how long a start waits."""

    password_file: Path | None = None
    start_wait_s: float = START_WAIT_S


class Client(Protocol):
    """A consumer or producer."""

    def set_sasl_credentials(self, username: str, password: str, /) -> object:
        """Log on with these from the next connection on; those that stand are kept."""
        ...


class KafkaLogin:
    """Hands a client the password again when its file has another.

    Args:
        config: What the client was made with; one without a password file is never renewed.
        secret: Where the password is, if `config` does not say it.
    """

    def __init__(self, config: Mapping[str, str], secret: Secret | None = None) -> None:
        file = getattr(config, "password_file", None)
        place = Secret(file=file) if file is not None else secret
        self._secret = None if place is None or place.file is None else RotatingSecret(place)
        self._user, self._given = config.get("sasl.username", ""), config.get("sasl.password", "")

    def renew(self, client: Client) -> None:
        """Look at the file (one `stat`); cheap enough for every poll."""
        if self._secret is None:
            return
        password = self._secret.value().strip()
        if password != self._given and password:
            client.set_sasl_credentials(self._user, password)
            self._given = password
            log.info("kafka_password_renewed", user=self._user)
