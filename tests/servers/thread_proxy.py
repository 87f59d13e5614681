"""A TCP proxy on a thread of the test, for machines without Go (Debian's is too old to build toxiproxy)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Self

from tests.servers.process import free_port

_CHUNK = 65_536


class ThreadProxy:
    """Context manager: links served by one event loop on one thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._links: list[ThreadLink] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        for link in self._links:
            link.cut()
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

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

    Args:
        name: For messages.
        upstream: Port that it leads to.
        run: Runs a coroutine on the proxy's loop and waits for it.
    """

    def __init__(self, name: str, upstream: int, run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self.name, self.port = name, free_port()
        self._upstream, self._run = upstream, run
        self._server: asyncio.Server | None = None
        self._delay = 0.0
        self._is_silent = False
        self._writers: set[asyncio.StreamWriter] = set()

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
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._writers |= both
        try:
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        except OSError:
            pass  # one side broke off; the other one must hear of it too
        finally:
            self._writers -= both
            for one in both:
                one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK):
            if self._delay:
                await asyncio.sleep(self._delay)
            if not self._is_silent:
                writer.write(chunk)
                await writer.drain()
        writer.write_eof()
