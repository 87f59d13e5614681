"""fake-gcs-server with what it lacks of Google's XML interface: puts, plain and in parts, and lists from a name on.

`python -m tests.servers.gcs_gateway PORT PROGRAM` starts it on a port of its own and listens at PORT. Puts become
uploads of the JSON interface, with the condition on the generation that they carry; everything else goes through as it
is. So conditions, generations, listings and contents are the emulator's.
"""

from __future__ import annotations

import http.client
import itertools
import json
import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import unescape

from tests.servers.process import free_port

#: Becomes the program, which the kernel kills when the gateway is gone (PR_SET_PDEATHSIG).
_DIES_WITH_US = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execv(sys.argv[1], sys.argv[1:])"
_CONDITION = "x-goog-if-generation-match"


class Gateway(ThreadingHTTPServer):
    """Listens for the XML interface.

    Args:
        port: To listen at.
        upstream: Port of the emulator.
    """

    def __init__(self, port: int, upstream: int) -> None:
        self.upstream = upstream
        self.parts: dict[str, dict[int, bytes]] = {}
        self.numbers = itertools.count(1)
        super().__init__(("127.0.0.1", port), Handler)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Gateway

    def pass_on(self) -> None:
        """Any request."""
        length = int(self.headers.get("Content-Length") or 0)
        url, body = urlsplit(self.path), self.rfile.read(length)
        asked = parse_qs(url.query, keep_blank_values=True)
        if self.path.startswith(("/storage/", "/upload/")) or self.command not in {"PUT", "POST"}:
            status, headers, content = self._ask(self.command, self.path, body, dict(self.headers.items()))
            self._answer(
                status, headers, _after(content, asked["start-after"][0]) if "start-after" in asked else content
            )
        elif "uploads" in asked:
            upload = f"upload-{next(self.server.numbers)}"
            self.server.parts[upload] = {}
            self._answer(200, {}, _xml("InitiateMultipartUploadResult", UploadId=upload))
        elif "partNumber" in asked:
            self.server.parts[asked["uploadId"][0]][int(asked["partNumber"][0])] = body
            self._answer(200, {"ETag": f'"{asked["partNumber"][0]}"'}, b"")
        elif "uploadId" in asked:
            parts = self.server.parts.pop(asked["uploadId"][0])
            self._put(url.path, b"".join(parts[number] for number in sorted(parts)), in_parts=True)
        else:
            self._put(url.path, body)

    def _put(self, path: str, body: bytes, *, in_parts: bool = False) -> None:
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        condition = self.headers.get(_CONDITION)
        more = f"&ifGenerationMatch={condition}" if condition is not None else ""
        target = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(key, safe='')}{more}"
        status, _, content = self._ask("POST", target, body, {"Content-Type": "application/octet-stream"})
        told = json.loads(content) if status == 200 else {}
        headers = {"ETag": f'"{told.get("etag", "").strip(chr(34))}"', "x-goog-generation": told.get("generation", "")}
        done = _xml("CompleteMultipartUploadResult", ETag=headers["ETag"]) if in_parts else b""
        self._answer(status, headers, done if status == 200 else content)

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=60)
        # The emulator knows the interface by the host that it was told, whatever link leads to us.
        ours = {"host": f"127.0.0.1:{self.server.server_port}", "connection": "close"}
        others = {name: value for name, value in headers.items() if name.lower() not in ours}
        try:
            connection.request(method, path, body or None, {**others, **ours})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        told = {name.lower(): value for name, value in headers.items()}
        length = told.pop("content-length", None) if self.command == "HEAD" else None
        for name, value in told.items():
            if name not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


for _method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
    setattr(Handler, f"do_{_method}", Handler.pass_on)


def _after(listed: bytes, name: str) -> bytes:
    """A list without the objects up to a name, and with it."""

    def kept(entry: re.Match[str]) -> str:
        return entry[0] if unescape(entry[1]) > name else ""

    return re.sub(r"<Contents>.*?<Key>(.*?)</Key>.*?</Contents>", kept, listed.decode(), flags=re.DOTALL).encode()


def _xml(root: str, **fields: str) -> bytes:
    inner = "".join(f"<{name}>{value.replace(chr(34), '&quot;')}</{name}>" for name, value in fields.items())
    return f'<?xml version="1.0" encoding="UTF-8"?><{root}>{inner}</{root}>'.encode()


def main(port: str, program: str) -> None:
    """Serve until killed."""
    inner = free_port()
    where = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(inner), "-backend", "memory"]
    where += ["-public-host", f"127.0.0.1:{port}", "-external-url", f"http://127.0.0.1:{port}", "-log-level", "error"]
    subprocess.Popen([sys.executable, "-c", _DIES_WITH_US, program, *where])
    Gateway(int(port), inner).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
