"""A real schema registry with the Confluent-compatible interface; it keeps its schemas in memory."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.servers.jars import jars, java
from tests.servers.process import ServerProcess, free_port


class Registry:
    """Context manager: a registry on a free port of 127.0.0.1; killing it forgets every schema.

    Args:
        folder: Existing folder for `registry.log`.
        heap: Bound of the Java heap.

    Raises:
        ServersUnavailable: When Java or Maven is missing.
    """

    def __init__(self, folder: Path, heap: str = "384m") -> None:
        self._port = free_port()
        runner = next(jars("registry").glob("*-runner.jar"))
        command = [java(), f"-Xmx{heap}", "-XX:+UseSerialGC", "-jar", str(runner)]
        env = {"QUARKUS_HTTP_PORT": str(self._port), "QUARKUS_HTTP_HOST": "127.0.0.1"}
        self._server = ServerProcess(command, folder / "registry.log", self._answers, env)

    @property
    def url(self) -> str:
        """Base address of the interface; `/subjects`, `/schemas/ids/N` and the others come after it."""
        return f"http://127.0.0.1:{self._port}/apis/ccompat/v7"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start and wait until it answers, about five seconds."""
        self._server.start()

    def stop(self) -> None:
        """Orderly end."""
        self._server.stop()

    def kill(self) -> None:
        """SIGKILL."""
        self._server.kill()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/subjects", timeout=5, trust_env=False).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False
