"""A real toxiproxy, built once with Go."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

import httpx

from tests.servers.jars import ServersUnavailable, cache
from tests.servers.process import ServerProcess, free_port

_VERSION = "v2.12.0"
_SOURCE = f"github.com/Shopify/toxiproxy/v2/cmd/server@{_VERSION}"
_WAYS = ("upstream", "downstream")


class Toxiproxy:
    """Context manager: a toxiproxy on a free port of 127.0.0.1; its links end with it.

    Args:
        folder: Existing folder for `toxiproxy.log`.

    Raises:
        ServersUnavailable: When Go is missing or cannot build it.
    """

    def __init__(self, folder: Path) -> None:
        port = free_port()
        command = [str(program()), "-host", "127.0.0.1", "-port", str(port)]
        self._server = ServerProcess(command, folder / "toxiproxy.log", self._answers)
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()
        self._server.kill()

    def link(self, name: str, upstream: int) -> ToxicLink:
        """A new link to a port of 127.0.0.1."""
        return ToxicLink(self._client, name, upstream)

    def _answers(self) -> bool:
        try:
            return self._client.get("/version").is_success
        except httpx.TransportError:
            return False


class ToxicLink:
    """One link; see `Link`.

    Args:
        client: Of toxiproxy's interface.
        name: For messages, unique in one proxy.
        upstream: Port that it leads to.
    """

    def __init__(self, client: httpx.Client, name: str, upstream: int) -> None:
        self.name, self.port = name, free_port()
        self._client, self._path = client, f"/proxies/{name}"
        self._is_silent = False
        listen, leads_to = f"127.0.0.1:{self.port}", f"127.0.0.1:{upstream}"
        self._post("/proxies", {"name": name, "listen": listen, "upstream": leads_to, "enabled": True})

    def cut(self) -> None:
        """Disable it."""
        self._post(self._path, {"enabled": False})

    def delay(self, seconds: float) -> None:
        """A latency toxic each way."""
        self._poison("latency", {"latency": round(seconds * 1000)})

    def blackhole(self) -> None:
        """A timeout toxic each way: bytes are dropped and the connection stays."""
        self._is_silent = True
        self._poison("timeout", {"timeout": 0})

    def heal(self) -> None:
        """No toxics, enabled."""
        if self._is_silent:
            self.cut()  # a stream with a hole in it is worse than none
        for toxic in self._client.get(self._path).raise_for_status().json()["toxics"]:
            self._client.delete(f"{self._path}/toxics/{toxic['name']}").raise_for_status()
        self._is_silent = False
        self._post(self._path, {"enabled": True})

    def _poison(self, kind: str, attributes: dict[str, int]) -> None:
        for way in _WAYS:
            self._post(f"{self._path}/toxics", {"type": kind, "stream": way, "attributes": attributes})

    def _post(self, path: str, body: dict[str, Any]) -> None:
        self._client.post(path, json=body).raise_for_status()


def program() -> Path:
    """Path of toxiproxy; built into the cache at the first call, by one of several processes that ask.

    Raises:
        ServersUnavailable: When Go is missing or cannot build it.
    """
    target = cache() / f"toxiproxy-{_VERSION}" / "server"
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _build(target.parent)
    return target


def _build(folder: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise ServersUnavailable("Install Go 1.23 or newer to build toxiproxy.")
    env = {**os.environ, "GOBIN": str(folder)}
    done = subprocess.run([go, "install", _SOURCE], env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServersUnavailable(f"Go could not build toxiproxy:\n{done.stderr[-2000:]}")
