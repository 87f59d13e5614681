"""An HTTPS server in this process whose certificate and demands a test chooses."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization as how

from tests.servers.streams import StreamServer


def server_context(ca: trustme.CA, *names: str, expired: bool = False) -> ssl.SSLContext:
    """A server's context with a certificate of the CA for the names."""
    past = datetime.now(UTC) - timedelta(days=1)
    period = {"not_before": past - timedelta(days=30), "not_after": past} if expired else {}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*(names or ("localhost",)), **period).configure_cert(context)
    return context


def client_files(ca: trustme.CA, folder: Path, name: str, password: bytes | None = None) -> tuple[Path, Path]:
    """Certificate and key of a client as files; the key encrypted where a password is given."""
    made = ca.issue_cert(name)
    certificate, key = folder / "client.crt", folder / "client.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    text = made.private_key_pem.bytes()
    if password is not None:
        loaded = how.load_pem_private_key(text, None)
        encrypted = how.BestAvailableEncryption(password)
        text = loaded.private_bytes(how.Encoding.PEM, how.PrivateFormat.PKCS8, encrypted)
    key.write_bytes(text)
    return certificate, key


class TlsErp:
    """Answers every request alike and notes whose certificate it came with.

    Args:
        context: Certificate and demands; may be replaced while it runs, for connections to come.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self.requests: list[bytes] = []
        self.clients: list[str] = []
        self.port = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[TlsErp]:
        """Serve on a port of its own."""
        self.context.sni_callback = lambda connection, *_: setattr(connection, "context", self.context)
        async with StreamServer(self._serve, self.port, self.context) as server:
            self.port = server.port
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        subject = (writer.get_extra_info("peercert") or {}).get("subjectAltName", ())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                self.clients += [value for _, value in subject]
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                await writer.drain()
