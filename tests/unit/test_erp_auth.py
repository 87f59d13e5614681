"""Ways to authenticate: what is sent, when it is renewed, and what a failure means."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from pydantic import ValidationError

from millrace.errors import Misconfigured
from millrace.secret import Secret
from sinks.erp import policy
from sinks.erp.auth import TokenUnavailable
from sinks.erp.auth_settings import OAuth2
from sinks.erp.channel import Channel
from sinks.erp.connector import Kind, Request
from sinks.erp.oauth import TokenSource
from sinks.erp.settings import SystemSettings
from tests.conformance.httpx_wire import HttpxWire
from tests.conformance.identity import ENDPOINT, ISSUED, Identity

T = TypeVar("T")
GET = Request("GET", "thing")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("pass-word-1\n")
    return path


def system(**more: Any) -> SystemSettings:
    return SystemSettings(**{"name": "s4", "connector": "x", "base_url": "https://erp.test/api", **more})


class Seen(httpx.AsyncBaseTransport):
    """Answers 200, or 401 until the header is the one that is wanted."""

    def __init__(self, wanted: Callable[[httpx.Request], bool] = lambda _: True) -> None:
        self.requests: list[httpx.Request] = []
        self._wanted = wanted

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(200 if self._wanted(request) else 401)


def exchange(settings: SystemSettings, transport: httpx.AsyncBaseTransport, request: Request = GET) -> int:
    async def once() -> int:
        async with Channel(settings, HttpxWire(transport)) as channel:
            return (await channel.exchange(request, {})).status

    return asyncio.run(once())


def test_basic_sends_user_and_password_in_utf8(place: Path) -> None:
    place.write_text("Größe:1")
    seen = Seen()
    exchange(system(auth={"kind": "basic", "user": "MILLRACE", "password": {"file": place}}), seen)
    sent = seen.requests[0].headers["authorization"]
    assert base64.b64decode(sent.removeprefix("Basic ")).decode() == "MILLRACE:Größe:1"


@pytest.mark.parametrize(
    ("more", "header", "value"),
    [
        ({}, "Authorization", "Bearer pass-word-1"),
        ({"header": "X-API-Key", "scheme": ""}, "X-API-Key", "pass-word-1"),
    ],
)
def test_a_token_goes_into_its_header(place: Path, more: dict[str, str], header: str, value: str) -> None:
    seen = Seen()
    exchange(system(auth={"kind": "token", "token": {"file": place}, **more}), seen)
    assert seen.requests[0].headers[header] == value


def test_a_token_that_no_header_can_carry_stops_with_its_place(place: Path) -> None:
    place.write_text("key\r\nX-Evil: 1")
    seen = Seen()
    with pytest.raises(Misconfigured, match="no header can carry") as stopped:
        exchange(system(auth={"kind": "token", "token": {"file": place}}), seen)
    assert (seen.requests, "X-Evil" in str(stopped.value)) == ([], False)


def test_a_password_that_was_replaced_is_tried_once_after_a_refusal(place: Path) -> None:
    """The ERP's administrator changes it a moment before the file changes."""

    def wanted(request: httpx.Request) -> bool:
        place.write_text("pass-word-2, longer")
        return request.headers["authorization"].endswith(base64.b64encode(b"M:pass-word-2, longer").decode())

    seen = Seen(wanted)
    assert exchange(system(auth={"kind": "basic", "user": "M", "password": {"file": place}}), seen) == 200
    assert len(seen.requests) == 2


def test_a_password_that_stays_refused_is_not_tried_again(place: Path) -> None:
    seen = Seen(lambda _: False)
    assert exchange(system(auth={"kind": "basic", "user": "M", "password": {"file": place}}), seen) == 401
    assert len(seen.requests) == 1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"auth": {"kind": "basic", "user": "M"}}, "password"),
        ({"auth": {"kind": "magic"}}, "'basic', 'token', 'oauth2'"),
        ({"auth": {"kind": "basic", "user": "a:b", "password": {"env": "P"}}}, "user"),
        ({"auth": {"kind": "basic", "user": "M", "password": "hush"}}, "password"),
        ({"base_url": "http://erp.test/x", "auth": {"kind": "token", "token": {"env": "T"}}}, "unencrypted"),
        ({"auth": {"kind": "oauth2", "token_url": "http://login.test/t", "client_id": "c", "client_secret": {"env": "S"}}}, "unencrypted"),  # noqa: E501
        ({"base_url": "http://erp.test", "client_certificate": {"certificate": "a", "key": "b"}}, "https"),
        ({"verify": False}, "verify"),
        ({"client_certificate": {"certificate": "a", "key": "b", "verify": False}}, "verify"),
    ],
)  # fmt: skip
def test_settings_that_would_endanger_credentials_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        system(**wrong)


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:80"])
def test_plain_http_is_allowed_on_this_machine(host: str) -> None:
    assert system(base_url=f"http://{host}/x", auth={"kind": "token", "token": {"env": "T"}})


class Desk:
    """A token source with a clock that is moved by hand."""

    def __init__(self, place: Path, **more: Any) -> None:
        self.now = 0.0
        self.identity = Identity(Seen())
        settings = OAuth2(kind="oauth2", token_url=ENDPOINT, client_id="mill", client_secret=Secret(file=place), **more)
        self.source = TokenSource(settings, HttpxWire(self.identity), 5.0, lambda: self.now)

    async def token(self) -> str:
        return (await self.source.headers())["Authorization"]


@pytest.fixture
def desk(place: Path) -> Desk:
    return Desk(place, scope="post")


def run(call: Awaitable[T]) -> T:
    async def whole() -> T:
        return await call

    return asyncio.run(whole())


def test_many_requests_at_a_time_fetch_one_token(desk: Desk) -> None:
    async def many() -> set[str]:
        return set(await asyncio.gather(*(desk.token() for _ in range(50))))

    assert run(many()) == {"Bearer " + ISSUED.format(number=1)}
    assert (len(desk.identity.asked), desk.identity.forms()[0]["scope"]) == (1, ["post"])


def test_many_requests_that_are_refused_at_a_time_renew_one_token(desk: Desk) -> None:
    async def many() -> list[Any]:
        refused = await desk.source.headers()
        return await asyncio.gather(*(desk.source.renewed(refused) for _ in range(50)))

    renewed = run(many())
    assert {entry["Authorization"] for entry in renewed} == {"Bearer " + ISSUED.format(number=2)}
    assert len(desk.identity.asked) == 2


def test_a_token_is_kept_until_shortly_before_its_end(desk: Desk) -> None:
    async def over_time() -> list[int]:
        issued = []
        for desk.now in (0.0, 3539.0, 3541.0, 3542.0):
            await desk.token()
            issued.append(desk.identity.issued)
        return issued

    assert run(over_time()) == [1, 1, 2, 2]


@pytest.mark.parametrize(("life", "kept", "replaced"), [(60, 29.0, 31.0), (None, 239.0, 241.0)])
def test_a_short_or_unstated_life_still_lets_a_token_be_used(
    desk: Desk, life: float | None, kept: float, replaced: float
) -> None:
    desk.identity.life = life

    async def over_time() -> list[int]:
        issued = []
        for desk.now in (0.0, kept, replaced):
            await desk.token()
            issued.append(desk.identity.issued)
        return issued

    assert run(over_time()) == [1, 1, 2]


def test_a_token_that_cannot_be_renewed_is_used_to_its_end_and_the_endpoint_left_alone(desk: Desk) -> None:
    async def over_time() -> None:
        first = await desk.token()
        desk.identity.instead = [lambda: httpx.Response(503)] * 2
        for desk.now in (3550.0, 3551.0, 3552.0):
            assert await desk.token() == first
        assert len(desk.identity.asked) == 2
        desk.now = 3601.0
        with pytest.raises(TokenUnavailable, match="HTTP 503"):
            await desk.token()

    run(over_time())


OUTAGES: dict[str, Callable[[], httpx.Response | Exception]] = {
    "not reachable": lambda: httpx.ConnectError("refused"),
    "timeout": lambda: httpx.ReadTimeout("no answer in time"),
    "503": lambda: httpx.Response(503, headers={"Retry-After": "7"}),
    "429": lambda: httpx.Response(429),
    "login page": lambda: httpx.Response(200, content=b"<html>log on</html>"),
    "no token in it": lambda: httpx.Response(200, json={"expires_in": 5}),
    "list": lambda: httpx.Response(200, json=[1]),
    "header injection": lambda: httpx.Response(200, json={"access_token": "a\r\nX-Evil: 1"}),
    "life below zero": lambda: httpx.Response(200, json={"access_token": "abc", "expires_in": -1}),
    "not a number": lambda: httpx.Response(200, json={"access_token": "abc", "expires_in": "NaN"}),
    "too long": lambda: httpx.Response(200, content=b"x" * 100_000),
}
REFUSALS: dict[str, Callable[[], httpx.Response | Exception]] = {
    "client unknown": lambda: httpx.Response(401, json={"error": "invalid_client"}),
    "bad request": lambda: httpx.Response(400, json={"error": "invalid_scope", "error_description": "pass-word-1"}),
    "forbidden": lambda: httpx.Response(403, content=b"<html>"),
    "redirect": lambda: httpx.Response(307, headers={"Location": "https://elsewhere.test/"}),
}


@pytest.mark.parametrize("answer", OUTAGES.values(), ids=OUTAGES)
def test_a_token_endpoint_that_does_not_answer_is_an_outage_and_nothing_was_sent(desk: Desk, answer) -> None:
    desk.identity.instead = [answer]
    with pytest.raises(TokenUnavailable) as out:
        run(desk.token())
    verdict = policy.of_exception(out.value)
    assert (verdict.kind, verdict.outage) == (Kind.RETRY, True)
    assert verdict.retry_after == (7.0 if "503" in str(out.value) else None)


@pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS)
def test_a_client_that_is_refused_is_a_matter_of_configuration(desk: Desk, answer) -> None:
    desk.identity.instead = [answer]
    with pytest.raises(Misconfigured, match="token endpoint: HTTP") as stopped:
        run(desk.token())
    assert policy.of_exception(stopped.value).kind is Kind.MISCONFIGURED
    assert "pass-word-1" not in str(stopped.value)
    assert [request.url.host for request in desk.identity.asked] == ["login.test"]


@pytest.mark.parametrize("where", ["header", "body"])
def test_client_and_secret_go_where_the_endpoint_wants_them(place: Path, where: str) -> None:
    place.write_text("pass+word/1")
    desk = Desk(place, credentials_in=where, parameters={"resource": "https://erp.test"})
    run(desk.token())
    [form], [asked] = desk.identity.forms(), desk.identity.asked
    assert (form["grant_type"], form["resource"]) == (["client_credentials"], ["https://erp.test"])
    if where == "body":
        assert (form["client_id"], form["client_secret"]) == (["mill"], ["pass+word/1"])
        assert "authorization" not in asked.headers
    else:
        encoded = asked.headers["authorization"].removeprefix("Basic ")
        assert base64.b64decode(encoded) == b"mill:pass%2Bword%2F1"
        assert "client_secret" not in form


def test_a_replaced_client_secret_is_used_for_the_next_token(place: Path) -> None:
    desk = Desk(place, credentials_in="body")

    async def over_time() -> None:
        await desk.token()
        place.write_text("pass-word-2, longer")
        desk.now = 4000.0
        await desk.token()

    run(over_time())
    assert [form["client_secret"] for form in desk.identity.forms()] == [["pass-word-1"], ["pass-word-2, longer"]]
