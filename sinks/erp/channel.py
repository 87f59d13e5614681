"""One HTTP exchange with one ERP system: fixed base URL, credentials, bounded time and bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import structlog
from yarl import URL

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
from sinks.erp.wire import BrokenExchange, Wire

log = structlog.get_logger("millrace.post")


class Channel:
    """Sends requests of one connector to one system and reads whole answers.

    Redirects are never followed and no proxy is taken from the environment: credentials go to the system's own
    address and to no other.

    Args:
        settings: The system.
        wire: Replaces the network in tests.

    Raises:
        Misconfigured: A secret or certificate is not where the settings say.
    """

    def __init__(self, settings: SystemSettings, wire: Wire | None = None) -> None:
        self._name = settings.name
        self._base = str(URL(settings.base_url.rstrip("/") + "/"))
        self._timeout = settings.answer_timeout
        self._limit = settings.max_answer_bytes
        self._wire = wire or _network(settings)
        self._token_wire, self._credentials = _credentials(settings, wire)
        self._certificate_refused = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._wire.aclose()
        if self._token_wire is not None:
            await self._token_wire.aclose()

    async def exchange(
        self, request: Request, session: Mapping[str, str], sending: Callable[[], None] = lambda: None
    ) -> Answer:
        """Send and read to the end; once more with newer credentials where these are refused.

        Args:
            request: What to send.
            session: Headers of the session.
            sending: Called just before the request is sent.

        Raises:
            BrokenExchange: It broke off, or the answer was cut at `max_answer_bytes`.
            TimeoutError: It took longer than `answer_timeout` as a whole.
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
            async with asyncio.timeout(self._timeout):
                answer = await self._wire.send(request.method, url, headers, request.body, self._limit, _before_answer)
        except BrokenExchange as error:
            self._note_certificate(error)
            raise
        self._note_certificate(None)
        failpoints.hit("poster.after_answer")
        if "set-cookie" in answer.headers:
            for value in self._wire.cookies():
                redact.keep_out(value, passing=True)
        return answer

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


def _before_answer() -> None:
    failpoints.hit("poster.before_answer")


def _network(settings: SystemSettings) -> Connections:
    trust = Trust(settings.name, settings.ca_file, settings.client_certificate)
    within = min(settings.connect_timeout, settings.answer_timeout)
    return Connections(trust.context, settings.connect_timeout, within)


def _credentials(settings: SystemSettings, wire: Wire | None) -> tuple[Wire | None, Credentials]:
    """Credentials, and the wire that fetches them where they are fetched."""
    auth = settings.auth
    if auth is None:
        return None, NoCredentials()
    if isinstance(auth, OAuth2):
        fetching = wire or Connections(Trust(settings.name, auth.ca_file).context, settings.connect_timeout)
        return fetching, TokenSource(auth, fetching, settings.answer_timeout)
    return None, basic(auth) if isinstance(auth, BasicAuth) else token(auth)
