"""HTTP connections of one system, by aiohttp: why that one is in docs/adr/0017-http-client-of-the-poster.md."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from millrace.ledger.clock import ticks
from sinks.erp.connector import Answer
from sinks.erp.wire import AnswerTooLong, BrokenExchange, NotReachable

#: Seconds that an idle connection is kept: less than the five after which many servers close theirs.
_KEPT_IDLE = 4.0
#: Longest line and header of an answer, in bytes.
_LONGEST_HEADER = 1 << 16
#: Raised before a byte of the request was written.
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


class Connections:
    """As many connections as there are exchanges at a time; each is used again while it is open.

    Args:
        trust: The TLS context to connect with now. A connection of an earlier one is not used again.
        connect_timeout: Seconds for a connection with its TLS handshake.
        write_within: Seconds after the call within which a request with a body is written, or never.
        clock: Ticks in seconds; they pass while the process is paused.
    """

    def __init__(
        self,
        trust: Callable[[], ssl.SSLContext],
        connect_timeout: float,
        write_within: float | None = None,
        clock: Callable[[], float] = ticks,
    ) -> None:
        self._trust, self._clock = trust, clock
        self._write_within = connect_timeout if write_within is None else write_within
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        longest: int,
        answering: Callable[[], None] | None = None,
    ) -> Answer:
        """See `Wire.send`. What is not read to its end takes its connection with it."""
        session = self._session or self._open()
        data = None if body is None else _Timely(body, self._clock() + self._write_within, self._clock)
        try:
            response = await session.request(
                method, URL(url, encoded=True), headers=headers, data=data, allow_redirects=False, ssl=self._trust()
            )
            try:
                if answering is not None:
                    answering()
                content = await _whole(response.content, longest)
            finally:
                response.release()
        except _NEVER_SENT as error:
            raise NotReachable(f"{type(error).__name__}: {error}") from error
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise BrokenExchange(f"{type(error).__name__}: {error}") from error
        return Answer(response.status, _lower(response), content)

    def cookies(self) -> list[str]:
        """Values of the cookies that are kept."""
        return [] if self._session is None else [cookie.value for cookie in self._session.cookie_jar]

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        """A session belongs to the loop that runs, so it is opened with the first request."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_IDLE),
            cookie_jar=aiohttp.CookieJar(unsafe=True, quote_cookie=False),
            headers={"User-Agent": "millrace"},
            skip_auto_headers=("Content-Type",),
            timeout=self._timeout,
            trust_env=False,
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
        )
        return self._session


class _Timely(aiohttp.BytesPayload):
    """A body that is not written once its time is over.

    Whoever lets a request go has seen that its lease lasts long enough. A process that is paused between that and the
    write would send it when another one has taken the order over; so the time is looked at again in the very step that
    writes. Headers go out with the body, so a request whose time is over leaves nothing at the server.
    """

    def __init__(self, body: bytes, until: float, clock: Callable[[], float]) -> None:
        super().__init__(body)
        self._until, self._clock = until, clock

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """See `BytesPayload`."""
        if self._clock() > self._until:
            raise TimeoutError("the time for this request was over before it was written")
        await super().write_with_length(writer, content_length)


async def _whole(content: aiohttp.StreamReader, longest: int) -> bytes:
    body = bytearray()
    while piece := await content.readany():
        body += piece
        if len(body) > longest:
            raise AnswerTooLong(f"answer is longer than {longest} bytes")
    return bytes(body)


def _lower(response: aiohttp.ClientResponse) -> dict[str, str]:
    """Names in lower case; a header that comes more than once is joined."""
    found: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found
