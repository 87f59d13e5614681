"""Credentials for the headers of a request, and newer ones where these were refused."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Protocol

from millrace.errors import Misconfigured, Retriable
from millrace.redact import redact
from millrace.secret import RotatingSecret, Secret
from sinks.erp.auth_settings import BasicAuth, TokenAuth

_HEADER_SAFE = re.compile(r"[!-~]+")


class TokenUnavailable(Retriable):
    """No token could be had, so nothing was sent.

    Args:
        detail: One sentence for a person.
        retry_after: Seconds that the token endpoint asked to wait.
    """

    def __init__(self, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Credentials(Protocol):
    """Headers that prove who we are."""

    async def headers(self) -> Mapping[str, str]:
        """Headers of a request.

        Raises:
            TokenUnavailable: None can be had for now.
            Misconfigured: They are refused or not there.
        """
        ...

    async def renewed(self, refused: Mapping[str, str]) -> Mapping[str, str] | None:
        """Headers to try once more after a 401; None where there are no other than those refused.

        Raises:
            TokenUnavailable: None can be had for now.
            Misconfigured: They are refused or not there.
        """
        ...


class NoCredentials:
    """For a system that asks for none, or knows us by our certificate."""

    async def headers(self) -> Mapping[str, str]:
        """None at all."""
        return {}

    async def renewed(self, refused: Mapping[str, str]) -> Mapping[str, str] | None:  # noqa: ARG002
        """There are no others."""
        return None


class StaticCredentials:
    """A header made of one secret, which may be replaced while the process runs.

    Args:
        secret: Where the secret is.
        header: Makes name and value of the header.
    """

    def __init__(self, secret: Secret, header: Callable[[str], tuple[str, str]]) -> None:
        self._secret = RotatingSecret(secret)
        self._header = header
        self._made_of: str | None = None
        self._headers: dict[str, str] = {}

    async def headers(self) -> Mapping[str, str]:
        """The header with the secret as it is now."""
        value = self._secret.value()
        if value != self._made_of:
            name, content = self._header(value)
            redact.keep_out(content)
            redact.keep_out(content.rpartition(" ")[2])
            self._made_of, self._headers = value, {name: content}
        return self._headers

    async def renewed(self, refused: Mapping[str, str]) -> Mapping[str, str] | None:
        """The header, if the secret has been replaced meanwhile."""
        now = await self.headers()
        return None if now == refused else now


def basic(settings: BasicAuth) -> StaticCredentials:
    """User and password."""
    return StaticCredentials(settings.password, lambda word: ("Authorization", basic_value(settings.user, word)))


def token(settings: TokenAuth) -> StaticCredentials:
    """A key in a header."""

    def header(value: str) -> tuple[str, str]:
        if not is_header_safe(value):
            raise Misconfigured(f"secret {settings.token.place} holds a character that no header can carry")
        return settings.header, f"{settings.scheme} {value}".strip()

    return StaticCredentials(settings.token, header)


def basic_value(user: str, password: str) -> str:
    """Value of a header of basic authentication, in UTF-8 (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def is_header_safe(value: str) -> bool:
    """Whether a header can carry the value as one word."""
    return _HEADER_SAFE.fullmatch(value) is not None
