"""A server that is struck while everything else goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol


class Server(Protocol):
    """What the servers under tests/servers have in common."""

    def start(self) -> None:
        """Start on the same data and port, and wait until it answers."""

    def stop(self) -> None:
        """Orderly end."""

    def kill(self) -> None:
        """SIGKILL."""


class Keeper:
    """Starts and strikes one server on one thread, since a server dies with the thread that started it.

    Args:
        name: For messages.
        server: The server, started by `start`.
    """

    def __init__(self, name: str, server: Server) -> None:
        self.name, self._server = name, server
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._strike: Future[None] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        self._thread.submit(self._server.start).result()

    def kill(self) -> None:
        """SIGKILL, and start again."""
        self._begin(self._server.kill)

    def restart(self) -> None:
        """Orderly end, and start again."""
        self._begin(self._server.stop)

    @property
    def is_back(self) -> bool:
        """Whether the server runs again; what went wrong at its start is raised."""
        if self._strike is None or not self._strike.done():
            return self._strike is None
        self._strike.result()
        return True

    def close(self) -> None:
        """End of the test."""
        self._thread.submit(self._server.kill).result()
        self._thread.shutdown()

    def _begin(self, blow: Callable[[], None]) -> None:
        def strike() -> None:
            blow()
            self._server.start()

        self._strike = self._thread.submit(strike)
