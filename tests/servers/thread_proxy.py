"""A TCP proxy on a thread of the test, for machines without Go (Debian's is too old to build toxiproxy)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self

from tests.servers.process import free_port

_CHUNK = 65_536


class ThreadProxy:
    """Context manager: links served by one event loop on one thread."""

    def __init__(self) -> None:
        self._links: list[ThreadLink] = []

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        for link in self._links:
            link.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def link(self, name: str, upstream: int) -> ThreadLink:
        """A new link to a port of 127.0.0.1."""
        link = ThreadLink(name, upstream, self._run)
        self._links.append(link)
        link.heal()
        return link

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


class ThreadLink:
    """One link; see `Link`.

    Sockets are its own to close: asyncio's server lets go of one that it accepts in the step in which it is closed.

    Args:
        name: For messages.
        upstream: Port that it leads to.
        run: Runs a coroutine on the proxy's loop and waits for it.
    """

    def __init__(self, name: str, upstream: int, run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self.name, self.port = name, free_port()
        self._upstream, self._run = upstream, run
        self._listener: socket.socket | None = None
        self._delay = 0.0
        self._is_silent = False
        self._open: set[socket.socket] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """End all connections and take no new ones."""
        self._run(self._stop())

    def delay(self, seconds: float) -> None:
        """Hold back every chunk for so long."""
        self._delay = seconds

    def blackhole(self) -> None:
        """Read and forget."""
        self._is_silent = True

    def heal(self) -> None:
        """Serve as at first."""
        self._run(self._heal())

    async def _heal(self) -> None:
        if self._is_silent:
            await self._stop()  # a stream with a hole in it is worse than none
        self._delay, self._is_silent = 0.0, False
        if self._listener is None:
            self._listener = self._opened(socket.create_server(("127.0.0.1", self.port), backlog=100))
            asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    async def _stop(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for one in self._open:
            one.close()
        self._open.clear()

    def _opened(self, one: socket.socket) -> socket.socket:
        one.setblocking(False)
        self._open.add(one)
        return one

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # a client that has gone again
            task = asyncio.create_task(self._serve(self._opened(listener.accept()[0])))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, near: socket.socket) -> None:
        far = self._opened(socket.socket())
        try:
            await asyncio.get_running_loop().sock_connect(far, ("127.0.0.1", self._upstream))
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(near, far))
                both.create_task(self._pass(far, near))
        except* OSError:
            pass  # one side is not there or broke off; the other one must hear of it too
        finally:
            for one in (near, far):
                one.close()
                self._open.discard(one)

    async def _pass(self, source: socket.socket, target: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while chunk := await loop.sock_recv(source, _CHUNK):
            if self._delay:
                await asyncio.sleep(self._delay)
            if not self._is_silent:
                await loop.sock_sendall(target, chunk)
        target.shutdown(socket.SHUT_WR)
