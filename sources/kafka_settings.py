"""How to reach a Kafka cluster: addresses, TLS, SASL; secrets from the environment or from files only."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from millrace.errors import Misconfigured
from millrace.kafka_login import START_WAIT_S, ClientConfig
from millrace.redact import redact


class KafkaSettings(BaseModel):
    """Connection to a cluster.

    Args:
        bootstrap: host:port list.
        security_protocol: As librdkafka names them.
        sasl_mechanism: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER.
        sasl_username: User.
        sasl_password: Password, by environment only; else `sasl_password_file`.
        sasl_password_file: Mounted secret; read again when it changes.
        ssl_ca: CA bundle; the system's when left out.
        ssl_certificate: Client certificate for mutual TLS.
        ssl_key: Its key.
        start_wait_s: Seconds that a start waits for a broker that does not answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    bootstrap: str = Field(min_length=1)
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    sasl_password_file: Path | None = None
    ssl_ca: Path | None = None
    ssl_certificate: Path | None = None
    ssl_key: Path | None = None
    start_wait_s: float = Field(default=START_WAIT_S, ge=0)

    @model_validator(mode="after")
    def _complete(self) -> KafkaSettings:
        if self.security_protocol.startswith("SASL") and self.sasl_mechanism is None:
            raise ValueError("sasl_mechanism is needed for " + self.security_protocol)
        if self.sasl_password is not None and self.sasl_password_file is not None:
            raise ValueError("give sasl_password or sasl_password_file, not both")
        if (self.ssl_certificate is None) != (self.ssl_key is None):
            raise ValueError("ssl_certificate and ssl_key go together")
        return self

    def client(self) -> ClientConfig:
        """Configuration for librdkafka.

        Raises:
            Misconfigured: A file of a password, key or certificate is not there, or empty.
        """
        for name in ("ssl_ca", "ssl_certificate", "ssl_key"):
            path: Path | None = getattr(self, name)
            if path is not None and not path.is_file():
                raise Misconfigured(f"{name}: there is no file {path}")
        values = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.security_protocol,
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.sasl_username,
            "sasl.password": self._password(),
            "ssl.ca.location": self.ssl_ca,
            "ssl.certificate.location": self.ssl_certificate,
            "ssl.key.location": self.ssl_key,
        }
        config = ClientConfig({name: str(value) for name, value in values.items() if value is not None})
        config.password_file, config.start_wait_s = self.sasl_password_file, self.start_wait_s
        return config

    def _password(self) -> str | None:
        if self.sasl_password_file is None:
            return self.sasl_password.get_secret_value() if self.sasl_password else None
        try:
            password = self.sasl_password_file.read_text().strip()
        except OSError as error:
            raise Misconfigured(f"sasl_password_file {self.sasl_password_file}: {error.strerror}") from error
        if not password:
            raise Misconfigured(f"sasl_password_file {self.sasl_password_file} is empty")
        redact.keep_out(password)
        return password
