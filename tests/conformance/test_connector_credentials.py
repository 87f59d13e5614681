"""Every connector posts with every way to authenticate; credentials that ran out are renewed, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from millrace.errors import Misconfigured
from sinks.erp.registry import CONNECTORS
from tests.conformance.conftest import Bench, bench_of
from tests.conformance.identity import ENDPOINT, ISSUED, Identity

WAYS: dict[str, dict[str, Any]] = {
    "basic": {"kind": "basic", "user": "MILLRACE", "password": {"env": "ERP_SECRET"}},
    "token": {"kind": "token", "token": {"env": "ERP_SECRET"}},
    "API key": {"kind": "token", "header": "X-API-Key", "scheme": "", "token": {"env": "ERP_SECRET"}},
    "oauth2": {"kind": "oauth2", "token_url": ENDPOINT, "client_id": "mill", "client_secret": {"env": "ERP_SECRET"}},
}


@pytest.fixture(params=sorted(CONNECTORS))
def connector(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ERP_SECRET", "conformance-secret-1")
    return str(request.param)


@pytest.fixture
def guarded(connector: str, tmp_path: Path) -> Iterator[tuple[Bench, Identity]]:
    """A bench whose ERP takes nothing without a valid token; faults play before that gate."""
    with bench_of(connector, tmp_path, auth=WAYS["oauth2"]) as bench:
        identity = Identity(bench.wire.inner)
        bench.wire.inner = identity
        yield bench, identity


@pytest.mark.parametrize("way", WAYS)
def test_credentials_go_to_the_erp_in_every_request_and_nowhere_else(connector: str, way: str, tmp_path: Path) -> None:
    with bench_of(connector, tmp_path, auth=WAYS[way]) as bench:
        if way == "oauth2":
            bench.wire.inner = Identity(bench.wire.inner)
        bench.wire.instead(bench.books, lambda: httpx.Response(307, headers={"Location": "https://elsewhere.test/"}))
        bench.want()
        with pytest.raises(Misconfigured, match="HTTP 307"):
            bench.world.post()
        bench.world.start()
        bench.world.settle()
        assert bench.ends_booked_once()
        header = "x-api-key" if way == "API key" else "authorization"
        to_erp = [request for request in bench.wire.requests if request.url.host == "erp.test"]
        assert all(request.headers.get(header) for request in to_erp)
        assert {request.url.host for request in bench.wire.requests} <= {"erp.test", "login.test"}


def test_an_expired_token_is_renewed_once_and_the_document_booked_once(guarded: tuple[Bench, Identity]) -> None:
    bench, identity = guarded
    bench.want(number=1)
    bench.world.settle()
    identity.expire()
    bench.want(number=2)
    bench.world.settle()
    assert [posting["status"] for posting in bench.postings()] == ["booked", "booked"]
    assert (identity.issued, identity.refused, len(bench.references())) == (2, 1, 2)


def test_a_token_that_expires_in_the_middle_of_a_lookup_is_renewed(guarded: tuple[Bench, Identity]) -> None:
    bench, identity = guarded
    if not bench.erp.can_be_asked:
        pytest.skip("cannot be asked")
    bench.wire.after(bench.books, lambda: httpx.ReadTimeout("no answer in time"))
    bench.want()
    bench.world.post()
    identity.expire()
    bench.world.settle()
    assert (identity.issued, bench.sent()) == (2, 1)
    assert bench.ends_booked_once()


def test_a_token_endpoint_that_is_down_is_waited_for(guarded: tuple[Bench, Identity]) -> None:
    bench, identity = guarded
    identity.instead = [lambda: httpx.Response(503), lambda: httpx.ConnectError("refused")] * 3
    bench.want()
    bench.world.post()
    assert (bench.status(), bench.sent()) == ("pending", 0)
    bench.world.settle()
    assert bench.ends_booked_once()


def test_a_client_that_the_token_endpoint_refuses_stops_the_poster(guarded: tuple[Bench, Identity]) -> None:
    bench, identity = guarded
    identity.instead = [lambda: httpx.Response(401, json={"error": "invalid_client"})]
    bench.want()
    with pytest.raises(Misconfigured, match="invalid_client"):
        bench.world.post()
    assert (bench.status(), bench.sent()) == ("pending", 0)


def test_a_token_that_is_refused_again_after_its_renewal_stops_the_poster(guarded: tuple[Bench, Identity]) -> None:
    bench, identity = guarded
    bench.wire.inner = Identity(httpx.MockTransport(lambda _: httpx.Response(401)))
    bench.wire.inner.refused = -1
    bench.want()
    with pytest.raises(Misconfigured, match="credentials refused"):
        bench.world.post()
    assert (bench.status(), identity.issued) == ("pending", 0)
    assert len([r for r in bench.wire.requests if r.url.host == "erp.test"]) == 2


def test_a_lookup_waits_from_when_the_request_left_not_from_when_a_token_was_asked_for(
    guarded: tuple[Bench, Identity],
) -> None:
    """The ERP may be busy with the request for `settle_seconds` (30 here) after it left."""
    bench, identity = guarded
    if not bench.erp.can_be_asked:
        pytest.skip("cannot be asked")

    def slow_token() -> httpx.Response:
        bench.world.clock.advance(29)
        return httpx.Response(200, json={"access_token": ISSUED.format(number=7)})

    identity.instead, identity.valid = [slow_token], ISSUED.format(number=7)
    bench.wire.instead(bench.books, lambda: httpx.ReadTimeout("no answer in time"))
    bench.want()
    bench.world.post()
    bench.world.clock.advance(15)
    bench.world.post()
    assert (bench.status(), bench.sent()) == ("unknown", 1)
    bench.world.settle()
    assert bench.sent() == 2
    assert bench.ends_booked_once()
