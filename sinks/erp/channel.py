"""One HTTP exchange with one ERP system: fixed base URL, credentials, bounded time and bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import httpx
import structlog

from millrace import failpoints
from millrace.errors import Rejected
from millrace.redact import redact
from sinks.erp.auth import Credentials, NoCredentials, basic, token
from sinks.erp.auth_settings import BasicAuth, OAuth2
from sinks.erp.connections import Connections
from sinks.erp.connector import Answer, Request
from sinks.erp.oauth import TokenSource
from sinks.erp.policy import is_certificate_error
from sinks.erp.settings import SystemSettings
from sinks.erp.trust import Trust

log = structlog.get_logger("millrace.post")


class AnswerTooLong(Exception):
    """The answer was cut at the system's `max_answer_bytes`, so it says nothing."""


class Channel:
    """Sends requests of one connector to one system and reads whole answers.

    Redirects are never followed and no proxy is taken from the environment: credentials go to the system's own
    address and to no other.

    Args:
        settings: The system.
        transport: Replaces the network in tests.

    Raises:
        Misconfigured: A secret or certificate is not where the settings say.
    """

    def __init__(self, settings: SystemSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._name = settings.name
        self._base = settings.base_url.rstrip("/") + "/"
        self._timeout = settings.answer_timeout
        self._limit = settings.max_answer_bytes
        self._client = _client(settings, transport or _network(settings))
        self._token_client, self._credentials = _credentials(settings, transport)
        self._certificate_refused = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()
        if self._token_client is not None:
            await self._token_client.aclose()

    async def exchange(
        self, request: Request, session: Mapping[str, str], sending: Callable[[], None] = lambda: None
    ) -> Answer:
        """Send and read to the end; once more with newer credentials where these are refused.

        Args:
            request: What to send.
            session: Headers of the session.
            sending: Called just before the request is sent.

        Raises:
            httpx.HTTPError: The exchange broke off.
            TimeoutError: It took longer than `answer_timeout` as a whole.
            AnswerTooLong: The answer was cut.
            Rejected: The path would leave the service.
            TokenUnavailable: There are no credentials for now, nothing was sent.
            Misconfigured: Credentials are refused or missing, nothing was sent.
        """
        url = self._base + _inside(request.path)
        headers = {**request.headers, **session}
        for value in session.values():
            redact.keep_out(value, passing=True)
        credentials = await self._credentials.headers()
        sending()
        answer = await self._send(request, url, {**headers, **credentials})
        if answer.status == 401 and (newer := await self._credentials.renewed(credentials)) is not None:
            sending()
            answer = await self._send(request, url, {**headers, **newer})
        return answer

    async def _send(self, request: Request, url: str, headers: Mapping[str, str]) -> Answer:
        try:
            answer = await self._read(request, url, headers)
        except httpx.TransportError as error:
            self._note_certificate(error)
            raise
        self._note_certificate(None)
        failpoints.hit("poster.after_answer")
        return answer

    async def _read(self, request: Request, url: str, headers: Mapping[str, str]) -> Answer:
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
        if "set-cookie" in response.headers:
            for cookie in self._client.cookies.jar:
                redact.keep_out(cookie.value or "", passing=True)
        return Answer(response.status_code, _lower(response.headers), bytes(body))

    def _note_certificate(self, error: Exception | None) -> None:
        """A certificate that is not accepted is an alert of its own, once until it is."""
        refused = error is not None and is_certificate_error(error)
        if refused and not self._certificate_refused:
            log.error("certificate_refused", system=self._name, detail=str(error))
        self._certificate_refused = refused


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


def _network(settings: SystemSettings) -> Connections:
    return Connections(Trust(settings.name, settings.ca_file, settings.client_certificate).context)


def _client(settings: SystemSettings, transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    timeout = httpx.Timeout(settings.answer_timeout, connect=settings.connect_timeout)
    return httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False, transport=transport)


def _credentials(
    settings: SystemSettings, transport: httpx.AsyncBaseTransport | None
) -> tuple[httpx.AsyncClient | None, Credentials]:
    """Credentials, and the client that fetches them where they are fetched."""
    auth = settings.auth
    if auth is None:
        return None, NoCredentials()
    if isinstance(auth, OAuth2):
        client = _client(settings, transport or Connections(Trust(settings.name, auth.ca_file).context))
        return client, TokenSource(auth, client, settings.answer_timeout)
    return None, basic(auth) if isinstance(auth, BasicAuth) else token(auth)
