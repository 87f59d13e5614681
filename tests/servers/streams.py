"""A server of streams on the loop of the test that closes every connection it took, at whatever moment it ends.

`asyncio.start_server` lets go of one that it accepts in the step in which it is closed, and of one amid its handshake.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Self

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class StreamServer:
    """Asynchronous context manager.

    Args:
        serve: Serves one connection, which is closed when this returns.
        port: To listen on; 0 for any that is free.
        tls: Certificate and demands.
    """

    def __init__(self, serve: Serve, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._serve, self.port, self._tls = serve, port, tls
        self._connections: dict[asyncio.Task[None], socket.socket] = {}

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=100)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._loop.add_reader(self._listener, self._accept)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._loop.remove_reader(self._listener)
        self._listener.close()
        connections, self._connections = self._connections, {}
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        for each in connections.values():
            each.close()  # also where its task had not begun

    async def served(self) -> None:
        """Wait until all that have connected so far are served to their end."""
        self._accept()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):  # all are taken, or a client has gone again
            while True:
                connection, _ = self._listener.accept()
                connection.setblocking(False)
                self._connections[self._loop.create_task(self._take(connection))] = connection

    async def _take(self, connection: socket.socket) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        with contextlib.suppress(OSError):  # a client that breaks off, or does not like our certificate
            transport, _ = await self._loop.connect_accepted_socket(lambda: protocol, connection, ssl=self._tls)
            writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
            try:
                await self._serve(reader, writer)
            finally:
                transport.abort()
                await writer.wait_closed()
