"""A gate in front of a registry: TLS with a certificate of a private authority, and basic authentication."""

from __future__ import annotations

import base64
import http.server
import ssl
import threading
from types import TracebackType
from typing import Self

import httpx
import trustme


class GuardedRegistry:
    """Context manager: lets requests with the right user and password through to a registry, over TLS alone.

    Args:
        upstream: Address of the registry behind it.
        user: User that is let in.
        password: Its password.
        authority: Issues the gate's certificate, for localhost.
    """

    def __init__(self, upstream: str, user: str, password: str, authority: trustme.CA) -> None:
        wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.answered: list[int] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(upstream, wanted, self.answered))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, name="gate", daemon=True)

    @property
    def url(self) -> str:
        """Base address, as a client is given it."""
        return f"https://localhost:{self._server.server_address[1]}/apis/ccompat/v7"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(upstream: str, wanted: str, answered: list[int]) -> type[http.server.BaseHTTPRequestHandler]:
    class Gate(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Authorization") != wanted:
                self._answer(401, b"<html>Who are you?</html>", "text/html")
                return
            path = self.path.removeprefix("/apis/ccompat/v7")
            kind = self.headers.get("Content-Type") or "application/json"
            found = httpx.request(
                self.command, upstream + path, content=body, headers={"Content-Type": kind}, trust_env=False, timeout=30
            )
            self._answer(found.status_code, found.content, found.headers.get("Content-Type", "application/json"))

        def _answer(self, status: int, content: bytes, kind: str) -> None:
            answered.append(status)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _pass  # noqa: N815 - names of the base class

        def log_message(self, *_: object) -> None:
            """Tests print enough."""

    return Gate
