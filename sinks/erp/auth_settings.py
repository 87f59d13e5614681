"""Settings of the ways to authenticate at an ERP; secrets are named by place, never written here."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field

from millrace.secret import Secret


def protected_url(url: str) -> str:
    """The URL, if credentials may travel there: https, or plain http on this machine.

    Raises:
        ValueError: They would travel unencrypted, or the URL holds some itself.
    """
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("credentials do not belong into the address")
    if parts.scheme != "https" and not _is_local(parts.hostname or ""):
        raise ValueError("credentials would travel unencrypted: use https")
    return url


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class BasicAuth(BaseModel, extra="forbid", frozen=True):
    """User and password in every request (RFC 7617).

    Args:
        kind: `basic`.
        user: User.
        password: Where the password is.
    """

    kind: Literal["basic"]
    user: str = Field(min_length=1, pattern=r"^[^:\r\n]+$")
    password: Secret


class TokenAuth(BaseModel, extra="forbid", frozen=True):
    """A key that does not expire, in a header of every request.

    Args:
        kind: `token`.
        header: Header that carries it.
        scheme: Word before it; empty for none, as most API keys have it.
        token: Where the key is.
    """

    kind: Literal["token"]
    header: str = Field("Authorization", pattern=r"^[A-Za-z0-9-]+$")
    scheme: str = Field("Bearer", pattern=r"^[A-Za-z0-9-]*$")
    token: Secret


class OAuth2(BaseModel, extra="forbid", frozen=True):
    """OAuth 2.0 client credentials (RFC 6749, 4.4): a token fetched when needed and renewed before it expires.

    Args:
        kind: `oauth2`.
        token_url: Token endpoint.
        client_id: Client.
        client_secret: Where its secret is.
        scope: Scope to ask for.
        parameters: Further form fields, for instance `resource` or `audience`.
        credentials_in: Whether client and secret go into the `header` (basic) or the form (`body`).
        ca_file: Certificates to trust at the token endpoint instead of the system's.
        renew_before: Seconds before its end that a token is replaced; at most half its life.
    """

    kind: Literal["oauth2"]
    token_url: Annotated[str, Field(pattern=r"^https?://[^\s#]+$"), AfterValidator(protected_url)]
    client_id: str = Field(min_length=1)
    client_secret: Secret
    scope: str | None = None
    parameters: dict[str, str] = Field(default_factory=dict)
    credentials_in: Literal["header", "body"] = "header"
    ca_file: Path | None = None
    renew_before: float = Field(60.0, ge=0)


class ClientCertificate(BaseModel, extra="forbid", frozen=True):
    """Certificate to introduce oneself with; the files are read again when they change.

    Args:
        certificate: PEM file of the certificate and its chain.
        key: PEM file of its key.
        password: Where the key's password is, for an encrypted one.
    """

    certificate: Path
    key: Path
    password: Secret | None = None


Auth = Annotated[BasicAuth | TokenAuth | OAuth2, Field(discriminator="kind")]
