"""The port that people and machines look in by: `/metrics`, `/livez`, `/readyz`. It changes nothing.

`/metrics` is OpenMetrics where the reader asks for it, else Prometheus text. The probes answer 200 or 503 with one
line that says why. A thread of its own serves, so that a stalled worker is still seen to be stalled.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder

from millrace.errors import Misconfigured
from millrace.health import Health, health


class _Answers(BaseHTTPRequestHandler):
    """GET alone; nothing of a request is kept or logged."""

    server: HealthServer
    #: Seconds after which a client that says nothing is left.
    timeout = 10

    def do_GET(self) -> None:
        """Answer one question."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, kind = choose_encoder(self.headers.get("Accept", ""))
            self._answer(200, kind, encode(REGISTRY))
        elif path in ("/livez", "/readyz"):
            state = self.server.health
            verdict = state.live() if path == "/livez" else state.ready()
            self._answer(200 if verdict.holds else 503, "text/plain; charset=utf-8", f"{verdict.why}\n".encode())
        else:
            self._answer(404, "text/plain; charset=utf-8", b"there are /metrics, /livez and /readyz\n")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):  # who asked did not wait for the answer
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """A probe every few seconds is no news."""


class HealthServer(ThreadingHTTPServer):
    """Serves until the process ends.

    Args:
        port: Port, on all interfaces.
        state: What the probes ask.

    Raises:
        Misconfigured: The port is taken.
    """

    daemon_threads = True

    def __init__(self, port: int, state: Health = health) -> None:
        self.health = state
        try:
            super().__init__(("", port), _Answers)
        except OSError as error:
            raise Misconfigured(f"metrics_port: port {port} cannot be served: {error.strerror}") from error

    def start(self) -> None:
        """Answer from now on, in a thread."""
        threading.Thread(target=self.serve_forever, name="health", daemon=True).start()


def serve(port: int | None, process: int = 0) -> None:
    """Serve metrics and probes; every process of a cluster on a port of its own.

    Args:
        port: Port of process 0; None serves none.
        process: Number of this process.
    """
    if port is not None:
        HealthServer(port + process).start()
