"""One HTTP exchange with one ERP system: fixed base URL, session, bounded time and bytes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx

from millrace import failpoints
from millrace.errors import Misconfigured, Rejected
from sinks.erp.connections import Connections
from sinks.erp.connector import Answer, Request
from sinks.erp.settings import SystemSettings


class AnswerTooLong(Exception):
    """The answer was cut at the system's `max_answer_bytes`, so it says nothing."""


class Channel:
    """Sends requests of one connector to one system and reads whole answers.

    Args:
        settings: The system.
        transport: Replaces the network in tests.
    """

    def __init__(self, settings: SystemSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._base = settings.base_url.rstrip("/") + "/"
        self._timeout = settings.answer_timeout
        self._limit = settings.max_answer_bytes
        self._client = httpx.AsyncClient(
            auth=_credentials(settings),
            timeout=httpx.Timeout(settings.answer_timeout, connect=settings.connect_timeout),
            follow_redirects=False,
            trust_env=False,
            transport=transport or Connections(_trust(settings)),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def exchange(self, request: Request, session: Mapping[str, str]) -> Answer:
        """Send and read to the end.

        Raises:
            httpx.HTTPError: The exchange broke off.
            TimeoutError: It took longer than `answer_timeout` as a whole.
            AnswerTooLong: The answer was cut.
            Rejected: The path would leave the service.
        """
        url = self._base + _inside(request.path)
        headers = {**request.headers, **session}
        async with (
            asyncio.timeout(self._timeout),
            self._client.stream(request.method, url, headers=headers, content=request.body) as response,
        ):
            failpoints.hit("poster.before_answer")
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._limit:
                    raise AnswerTooLong(f"answer is longer than {self._limit} bytes")
        failpoints.hit("poster.after_answer")
        return Answer(response.status_code, _lower(response.headers), bytes(body))


def _inside(path: str) -> str:
    """The path, if it stays below the base URL whatever a key in it holds."""
    if not path.isascii() or not path.isprintable() or " " in path:
        raise Rejected("unsafe_path", f"{path!r} is not percent-encoded")
    steps = path.partition("?")[0].split("/")
    if path.startswith("/") or "://" in path or ".." in steps or "." in steps:
        raise Rejected("unsafe_path", f"{path!r} leaves the service")
    return path


def _lower(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _credentials(settings: SystemSettings) -> httpx.BasicAuth | None:
    if settings.user is None or settings.password is None:
        return None
    return httpx.BasicAuth(settings.user, settings.password.read().get_secret_value())


def _trust(settings: SystemSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise Misconfigured(f"ca_file {settings.ca_file} of system {settings.name!r}: {error}") from error
