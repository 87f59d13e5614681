"""A server that repeats whatever it is told, in every place of its answers; and what it was told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: Given out by the server itself; as secret as what it is given.
ISSUED = "issued-token-4f1c77aa"
SESSION = "session-cookie-9b2e61cd"
CSRF = "csrf-token-77d0a4e2"


class HostileErp(ThreadingHTTPServer):
    """Answers by the first part of the path; every answer repeats the request's headers and body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[str] = []
        self.issued: list[str] = []

    @property
    def url(self) -> str:
        """Base address."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: HostileErp
    protocol_version = "HTTP/1.1"

    def _echo(self) -> str:
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        told = " ".join([*(f"{name}: {value} /{value.rpartition(' ')[2]}/" for name, value in self.headers.items())])
        self.server.heard.append(f"{told} {body}")
        return " ".join([told, body, *self.server.issued])

    def _answer(self) -> None:
        echo, kind = self._echo(), self.path.split("/")[1]
        if kind == "token":
            self.server.issued.append(ISSUED)
            self._send(200, {"access_token": ISSUED, "expires_in": 3600})
        elif kind == "refusing-token":
            self._send(401, {"error": "invalid_client", "error_description": echo})
        elif kind == "registry":
            self._send(403, {"error_code": 40301, "message": echo})
        elif self.command == "GET" and "$filter" not in self.path:
            self.server.issued += [CSRF, SESSION]
            self._send(200, {"d": {}}, {"x-csrf-token": CSRF, "set-cookie": f"SAP_SESSIONID={SESSION}"})
        else:
            self._refuse(kind, echo)

    def _refuse(self, kind: str, echo: str) -> None:
        detail = {"code": f"ZZ/{echo[:300]}", "message": echo}
        error = {"code": "ZZ/001", "message": {"value": echo}, "innererror": {"errordetails": [detail]}}
        if kind == "redirect":
            self._send(302, {}, {"location": f"https://elsewhere.test/?{' '.join(echo.split())}"})
        elif kind == "booked":
            reference = "none"
            entity = {"ConfirmationGroup": echo, "ConfirmationCount": "1", "ExternalSystemConfirmation": reference}
            self._send(201, {"d": entity if "$filter" not in self.path else {"results": [entity]}})
        else:
            self._send(403 if kind == "forbidden" else 400, {"error": error})

    def _send(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _answer  # noqa: N815 - names of the base class

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@contextmanager
def hostile_erp() -> Iterator[HostileErp]:
    """The server, while it is needed."""
    server = HostileErp()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
