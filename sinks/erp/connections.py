"""A connection per concurrent exchange.

httpcore's pool looks at every connection, and polls the socket of each, at every request and answer; with 64
orders at a time that was two thirds of a posting's CPU time. Here each exchange takes a transport with a
single connection.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from types import TracebackType

import httpx


class Connections(httpx.AsyncBaseTransport):
    """Transports of one connection each; one that has just been used is taken first, so that few stay busy.

    Args:
        trust: The TLS context to connect with now. Connections of an earlier one are closed when they are idle.
    """

    def __init__(self, trust: Callable[[], ssl.SSLContext]) -> None:
        self._trust = trust
        self._context = trust()
        self._idle: list[httpx.AsyncHTTPTransport] = []
        self._all: list[httpx.AsyncHTTPTransport] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send over an idle transport; it is idle again when the answer is closed."""
        if self._trust() is not self._context:
            await self._start_afresh()
        transport = self._idle.pop() if self._idle else self._open()
        try:
            response = await transport.handle_async_request(request)
        except BaseException:
            self._idle.append(transport)
            raise
        response.stream = _Lent(response.stream, self._idle, transport)
        return response

    async def _start_afresh(self) -> None:
        """Certificates were replaced. What is under way ends on the connection that it has."""
        self._context = self._trust()
        idle, self._idle = self._idle, []
        self._all = [transport for transport in self._all if transport not in idle]
        for transport in idle:
            await transport.aclose()

    def _open(self) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        transport = httpx.AsyncHTTPTransport(verify=self._context, limits=limits, trust_env=False)
        self._all.append(transport)
        return transport

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        for transport in self._all:
            await transport.aclose()


class _Lent(httpx.AsyncByteStream):
    def __init__(
        self, stream: object, idle: list[httpx.AsyncHTTPTransport], transport: httpx.AsyncHTTPTransport
    ) -> None:
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError("not an asynchronous answer")
        self._stream = stream
        self._idle = idle
        self._transport = transport
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
        if not self._closed:
            self._closed = True
            self._idle.append(self._transport)
