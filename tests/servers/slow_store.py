"""A stand-in before an object store that keeps some puts to itself, and carries them out when it is told to.

As a store does that is slow: the request is complete and its sender gone when it takes effect.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, Self

#: Of one connection, not of the request.
_HOPS = {"connection", "transfer-encoding", "keep-alive"}


class Request(NamedTuple):
    """As it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class SlowStore:
    """Context manager: passes requests on to a port, but keeps those that `keeps` tells.

    Args:
        upstream: Port of the store on this machine.
        keeps: Whether a request is kept, by its method and path; while `holding`.
    """

    def __init__(self, upstream: int, keeps: Callable[[str, str], bool]) -> None:
        self._upstream, self._keeps = upstream, keeps
        self.kept: list[Request] = []
        self.holding = True
        self._released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.port = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="slow-store", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    def take(self, request: Request) -> tuple[int, list[tuple[str, str]], bytes] | None:
        """The store's answer; None for a request that is kept, after its sender has given up."""
        if self.holding and self._keeps(request.method, request.path):
            self.kept.append(request)
            self._released.wait()
            return None
        return self.carry_out(request)

    def carry_out(self, request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
        """Send a request on, as if it came now."""
        connection = http.client.HTTPConnection("127.0.0.1", self._upstream, timeout=30)
        try:
            connection.request(request.method, request.path, request.body, request.headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def land(self) -> list[int]:
        """Carry out everything that was kept; the store's status of each."""
        self.holding = False
        landed = [self.carry_out(request)[0] for request in self.kept]
        self.kept.clear()
        return landed


def _handler(store: SlowStore) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOPS}
            answer = store.take(Request(self.command, self.path, headers, body))
            if answer is None:
                self.close_connection = True
                return
            status, told, content = answer
            self.send_response_only(status)
            for name, value in told:
                if name.lower() not in _HOPS | {"content-length"}:
                    self.send_header(name, value)
            length = {name.lower(): value for name, value in told}.get("content-length", str(len(content)))
            self.send_header("Content-Length", length if self.command == "HEAD" else str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", Handler._pass_on)
    return Handler
