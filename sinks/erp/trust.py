"""TLS towards an ERP: always verified, at least TLS 1.2; certificate files may be replaced at any time."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import structlog

from millrace.errors import Misconfigured
from millrace.secret import FileMarks, RotatingSecret
from sinks.erp.auth_settings import ClientCertificate

T = TypeVar("T")
log = structlog.get_logger("millrace.post")
#: Seconds between looks at the files.
_LOOK_EVERY = 1.0


class Trust:
    """Whom to trust and how to introduce oneself.

    Args:
        system: Name of the system, for messages.
        ca_file: Certificates to trust; None for the machine's.
        client: Certificate to introduce oneself with.
        clock: Monotonic seconds.

    Raises:
        Misconfigured: A file cannot be read or does not hold what it should.
    """

    def __init__(
        self,
        system: str,
        ca_file: Path | None = None,
        client: ClientCertificate | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._system = system
        self._ca_file = ca_file
        self._client = client
        self._clock = clock
        self._password = RotatingSecret(client.password) if client and client.password else None
        self._marks = FileMarks(_files(ca_file, client))
        self._next_look = clock() + _LOOK_EVERY
        self._context = self._load()

    def context(self) -> ssl.SSLContext:
        """The same context until a file changes. Files that do not fit together yet leave it as it is."""
        if self._clock() >= self._next_look:
            self._next_look = self._clock() + _LOOK_EVERY
            if self._marks.changed():
                self._reload()
        return self._context

    def _reload(self) -> None:
        try:
            self._context = self._load()
        except Misconfigured as error:
            log.error("certificates_unreadable", system=self._system, detail=str(error))
        else:
            log.info("certificates_reloaded", system=self._system)

    def _load(self) -> ssl.SSLContext:
        context = self._read("ca_file", lambda: ssl.create_default_context(cafile=self._ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        client = self._client
        if client is not None:
            # An empty password instead of none: OpenSSL would ask for one at the terminal.
            password = self._password.value() if self._password else ""
            self._read("client_certificate", lambda: context.load_cert_chain(client.certificate, client.key, password))
        return context

    def _read(self, key: str, read: Callable[[], T]) -> T:
        try:
            return read()
        except OSError as error:
            names = ", ".join(str(path) for path in _files(self._ca_file, self._client))
            raise Misconfigured(f"{key} of system {self._system!r} ({names}): {error}") from error


def _files(ca_file: Path | None, client: ClientCertificate | None) -> list[Path]:
    given = [ca_file, client.certificate, client.key] if client else [ca_file]
    if client and client.password:
        given.append(client.password.file)
    return [path for path in given if path is not None]
