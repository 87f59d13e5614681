"""A schema registry over HTTP that can be told to fail: read-only, slow, forgetful, or plainly wrong."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Answer = tuple[int, Any]
#: Method and path to an answer instead of the true one; None where the true one shall be given.
Fault = Callable[[str, str], Answer | None]


class FakeRegistry:
    """Context manager: a registry on a free port that keeps schemas in memory and judges nothing."""

    def __init__(self) -> None:
        self.subjects: dict[str, dict[int, str]] = {}
        self.levels: dict[str, str] = {}
        self.schemas: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.writes: list[str] = []
        self.fault: Fault = lambda _method, _path: None
        self.after_write: Callable[[str], None] = lambda _subject: None
        self.stalled = threading.Event()
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stalled.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def put(self, subject: str, schema: Any) -> int:
        """Store a version as a client would; returns its number."""
        text = json.dumps(schema)
        with self._lock:
            versions = self.subjects.setdefault(subject, {})
            for number, known in versions.items():
                if json.loads(known) == schema:
                    return number
            versions[number := max(versions, default=0) + 1] = text
            self._id(text)
            return number

    def _id(self, text: str) -> int:
        same = [number for number, each in enumerate(self.schemas, 1) if json.loads(each) == json.loads(text)]
        if not same:
            self.schemas.append(text)
        return same[0] if same else len(self.schemas)

    def answer(self, method: str, path: str, body: Any) -> Answer:
        if method != "GET":
            self.writes.append(f"{method} {path}")
        wrong = self.fault(method, path)
        if wrong is not None:
            return wrong
        parts = path.strip("/").split("/")
        if method == "POST":
            self.bodies.append(body)
            self.after_write(parts[1])
        with self._lock:
            return self._read(parts) if method == "GET" else self._write(method, parts, body)

    def _read(self, parts: list[str]) -> Answer:
        match parts:
            case "subjects", subject, "versions" if subject in self.subjects:
                return 200, sorted(self.subjects[subject])
            case "subjects", subject, "versions", number if int(number) in self.subjects.get(subject, {}):
                text = self.subjects[subject][int(number)]
                return 200, {"subject": subject, "version": int(number), "id": self._id(text), "schema": text}
            case "schemas", "ids", number if int(number) <= len(self.schemas):
                return 200, {"schema": self.schemas[int(number) - 1]}
            case "config", subject if subject in self.levels:
                return 200, {"compatibilityLevel": self.levels[subject]}
        return 404, {"error_code": 40401, "message": "not found"}

    def _write(self, method: str, parts: list[str], body: Any) -> Answer:
        match method, *parts:
            case "POST", "subjects", subject, "versions":
                self.put(subject, json.loads(body["schema"]))
                return 200, {"id": self._id(body["schema"])}
            case "DELETE", "subjects", subject, "versions", number:
                del self.subjects[subject][int(number)]
                return 200, int(number)
            case "PUT", "config", subject:
                self.levels[subject] = body["compatibility"]
                return 200, body
        return 405, {"message": "not known here"}


def _handler(registry: FakeRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = registry.answer(self.command, self.path, json.loads(content) if content else None)
            data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            with contextlib.suppress(ConnectionError):  # who asked may have given up
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815  # names of the standard library's protocol

        def log_message(self, *_: Any) -> None:
            return

    return Handler
