"""OAuth 2.0 client credentials: one token for all requests, renewed before it expires or when it is refused."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus, urlencode

import structlog

from millrace.errors import Misconfigured
from millrace.redact import redact
from millrace.secret import RotatingSecret
from sinks.erp.auth import TokenUnavailable, basic_value, is_header_safe
from sinks.erp.auth_settings import OAuth2
from sinks.erp.connector import Answer
from sinks.erp.retry_after import retry_after
from sinks.erp.wire import AnswerTooLong, BrokenExchange, Wire

log = structlog.get_logger("millrace.post")
#: Life of a token whose answer does not say, seconds.
_UNSTATED_LIFE = 300.0
#: Wait after a failed renewal while the old token still holds, seconds.
_RENEWAL_RETRY = 5.0
_LONGEST_ANSWER = 65536


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, and when to replace it, in seconds of the source's clock."""

    value: str
    renew_at: float
    ends_at: float

    @property
    def headers(self) -> dict[str, str]:
        """The header that carries it."""
        return {"Authorization": f"Bearer {self.value}"}


class TokenSource:
    """Credentials of a client; however many requests need one, one token is fetched.

    Args:
        settings: Where tokens come from.
        wire: The way to the endpoint.
        timeout: Seconds for one request as a whole.
        clock: Monotonic seconds.
    """

    def __init__(
        self, settings: OAuth2, wire: Wire, timeout: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._wire = wire
        self._timeout = timeout
        self._clock = clock
        self._secret = RotatingSecret(settings.client_secret)
        self._token: Token | None = None
        self._lock = asyncio.Lock()

    async def headers(self) -> Mapping[str, str]:
        """The token's header; a token near its end is replaced first, or used on while that fails."""
        token = self._token
        if token is not None and self._clock() < token.renew_at:
            return token.headers
        async with self._lock:
            if self._token is not token and self._token is not None:  # another task was faster
                return self._token.headers
            return (await self._replaced(token)).headers

    async def renewed(self, refused: Mapping[str, str]) -> Mapping[str, str] | None:
        """The header of a token other than the one refused."""
        async with self._lock:
            if self._token is None or self._token.headers == refused:
                self._token = None
                self._token = await self._fetch()
            now = self._token.headers
        return None if now == refused else now

    async def _replaced(self, token: Token | None) -> Token:
        try:
            self._token = await self._fetch()
        except TokenUnavailable as error:
            now = self._clock()
            if token is None or now >= token.ends_at:
                raise
            log.warning("token_not_renewed", detail=str(error))
            self._token = Token(token.value, min(now + _RENEWAL_RETRY, token.ends_at), token.ends_at)
        return self._token

    async def _fetch(self) -> Token:
        asked_at = self._clock()
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._ask()
        except AnswerTooLong as error:
            raise TokenUnavailable("token endpoint: the answer is longer than any token's") from error
        except (BrokenExchange, TimeoutError, OSError) as error:
            raise TokenUnavailable(f"token endpoint: {type(error).__name__}: {error}") from error
        return self._read(answer, asked_at)

    async def _ask(self) -> Answer:
        settings, secret = self._settings, self._secret.value()
        form = {"grant_type": "client_credentials", **settings.parameters}
        if settings.scope is not None:
            form["scope"] = settings.scope
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        if settings.credentials_in == "header":
            headers["Authorization"] = basic_value(quote_plus(settings.client_id), quote_plus(secret))
            redact.keep_out(headers["Authorization"].partition(" ")[2])
        else:
            form |= {"client_id": settings.client_id, "client_secret": secret}
        return await self._wire.send("POST", settings.token_url, headers, urlencode(form).encode(), _LONGEST_ANSWER)

    def _read(self, answer: Answer, asked_at: float) -> Token:
        status = answer.status
        if status in (408, 429) or status >= 500:
            wait = retry_after(answer, datetime.now(UTC))
            raise TokenUnavailable(f"token endpoint: HTTP {status}", wait)
        if status != 200:
            raise Misconfigured(f"token endpoint: HTTP {status}: client or address is wrong ({_error(answer)})")
        try:
            found = json.loads(answer.body)
            value, life = str(found["access_token"]), float(found.get("expires_in") or _UNSTATED_LIFE)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise TokenUnavailable("token endpoint: the answer holds no token") from error
        if not is_header_safe(value) or not life > 0:
            raise TokenUnavailable("token endpoint: the answer holds a token that cannot be used")
        redact.keep_out(value, passing=True)
        return Token(value, asked_at + life - min(self._settings.renew_before, life / 2), asked_at + life)


def _error(answer: Answer) -> str:
    """The error code of RFC 6749, 5.2; never the whole answer, which may repeat what was sent."""
    try:
        found: Any = json.loads(answer.body)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "no error code"
    return str(found)[:60] if isinstance(found, str) and found.isidentifier() else "no error code"
