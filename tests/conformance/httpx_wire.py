"""A wire over an httpx transport: stand-ins of ERPs and scripts of faults are written as such."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx

from sinks.erp.connector import Answer
from sinks.erp.wire import AnswerTooLong, BrokenExchange, NotReachable


class HttpxWire:
    """Sends through a transport.

    Args:
        transport: Takes the place of the network.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._client = httpx.AsyncClient(transport=transport, follow_redirects=False, trust_env=False)

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        longest: int,
        answering: Callable[[], None] | None = None,
    ) -> Answer:
        content = bytearray()
        try:
            async with self._client.stream(method, url, headers=headers, content=body) as response:
                if answering is not None:
                    answering()
                async for piece in response.aiter_bytes():
                    content += piece
                    if len(content) > longest:
                        raise AnswerTooLong(f"answer is longer than {longest} bytes")
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotReachable(str(error)) from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise BrokenExchange(str(error)) from error
        return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, bytes(content))

    def cookies(self) -> list[str]:
        return [cookie.value or "" for cookie in self._client.cookies.jar]

    async def aclose(self) -> None:
        await self._client.aclose()
