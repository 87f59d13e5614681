"""Whatever befalls a request or its answer, the ERP ends with each reference booked once."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from millrace.errors import Misconfigured
from tests.conformance.conftest import Bench, bench_of
from tests.conformance.faulty import Chunks

#: What leaves open whether the ERP has booked.
MAYBE_BOOKED: dict[str, Callable[[], httpx.Response | Exception]] = {
    "timeout": lambda: httpx.ReadTimeout("no answer in time"),
    "total timeout": TimeoutError,
    "cut connection": lambda: httpx.RemoteProtocolError("peer closed connection"),
    "reset": lambda: httpx.ReadError("connection reset"),
    "half an answer": lambda: httpx.Response(201, content=b'{"d": {"Confir'),
    "breaks off": lambda: httpx.Response(201, stream=Chunks([b'{"d":'], httpx.ReadError("connection reset"))),
    "empty 200": lambda: httpx.Response(200),
    "HTML page": lambda: httpx.Response(200, content=b"<html>Please log on</html>"),
    "HTML page with 400": lambda: httpx.Response(400, content=b"<html>Bad gateway page</html>"),
    "HTML page with 500": lambda: httpx.Response(500, content=b"<html>Internal error</html>"),
    "8 MB body": lambda: httpx.Response(201, stream=Chunks([b"x" * 65536] * 128)),
    "8 MB error": lambda: httpx.Response(500, stream=Chunks([b"x" * 65536] * 128)),
    "wrong shape": lambda: httpx.Response(201, content=b'{"d": [1, null, "x"]}'),
    "deep nesting": lambda: httpx.Response(201, content=b"[" * 100_000),
    "not UTF-8": lambda: httpx.Response(201, content=b'{"d": "\xff\xfe"}'),
    "500": lambda: httpx.Response(500),
    "502": lambda: httpx.Response(502, content=b"<html>"),
    "503": lambda: httpx.Response(503, headers={"Retry-After": "7"}),
    "504": lambda: httpx.Response(504),
    "408": lambda: httpx.Response(408),
}
each_fault = pytest.mark.parametrize("answer", MAYBE_BOOKED.values(), ids=MAYBE_BOOKED)


@each_fault
def test_an_answer_lost_after_the_booking_books_nothing_a_second_time(bench: Bench, answer) -> None:
    bench.wire.after(bench.books, answer)
    bench.want()
    bench.world.post()
    assert bench.status() == "unknown"
    bench.world.settle()
    assert (bench.status(), bench.sent()) == ("booked" if bench.erp.can_be_asked else "parked", 1)
    assert (len(bench.references()), bench.total()) == (1, 5)


@each_fault
def test_a_request_lost_before_the_booking_is_asked_for_and_sent_again(bench: Bench, answer) -> None:
    bench.wire.instead(bench.books, answer)
    bench.want()
    bench.world.settle()
    if not bench.erp.can_be_asked:
        assert (bench.status(), bench.sent(), bench.references()) == ("parked", 1, [])
        return
    assert bench.sent() == 2
    assert bench.ends_booked_once()


@each_fault
def test_a_lookup_that_fails_proves_nothing(bench: Bench, answer) -> None:
    if not bench.erp.can_be_asked:
        pytest.skip("cannot be asked")
    bench.wire.after(bench.books, lambda: httpx.ReadTimeout("no answer in time"))
    bench.wire.instead(bench.asks, *[answer] * 3)
    bench.want()
    bench.world.settle()
    assert bench.sent() == 1
    assert bench.ends_booked_once()


def test_nothing_found_is_not_believed_while_the_first_request_may_still_run(bench: Bench) -> None:
    if not bench.erp.can_be_asked:
        pytest.skip("cannot be asked")
    bench.wire.instead(bench.books, lambda: httpx.ReadTimeout("no answer in time"))
    bench.want()
    bench.world.post()
    bench.world.clock.advance(29)
    bench.world.post()
    assert (bench.status(), bench.sent()) == ("unknown", 1)
    bench.world.settle()
    assert bench.sent() == 2
    assert bench.ends_booked_once()


def test_a_system_that_cannot_be_reached_keeps_the_document_and_sends_nothing_twice(bench: Bench) -> None:
    bench.wire.instead(lambda _: True, *[lambda: httpx.ConnectError("refused")] * 5)
    bench.want()
    bench.world.post()
    assert bench.status() == "pending"
    bench.world.settle()
    assert bench.ends_booked_once()


def _certificate_error() -> Exception:
    error = httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired")
    error.__cause__ = ssl.SSLCertVerificationError(1, "certificate has expired")
    return error


@pytest.mark.parametrize("where", ["first request", "booking", "look-up"])
def test_a_wrong_certificate_is_waited_for_and_rejects_nothing(bench: Bench, where: str) -> None:
    """Real handshakes are in tests/unit/test_erp_channel_tls.py."""
    if where == "look-up":
        bench.wire.after(bench.books, lambda: httpx.ReadTimeout("no answer in time"))
    hit = {"first request": lambda _: True, "booking": bench.books, "look-up": bench.asks}[where]
    bench.wire.instead(hit, *[_certificate_error] * 3)
    bench.want()
    bench.world.post()
    assert bench.status() == ("unknown" if where == "look-up" else "pending")
    bench.world.settle()
    if bench.erp.can_be_asked:
        assert bench.ends_booked_once()
    assert bench.total() == 5


CONFIGURATION: dict[str, Callable[[], httpx.Response | Exception]] = {
    **{
        f"redirect {status}": lambda status=status: httpx.Response(
            status, headers={"Location": "https://elsewhere.test/login"}
        )
        for status in (301, 302, 303, 307, 308)
    },
    "401": lambda: httpx.Response(401),
    "403": lambda: httpx.Response(403),
    "404": lambda: httpx.Response(404, content=b"<html>not here</html>"),
}


@pytest.mark.parametrize("answer", CONFIGURATION.values(), ids=CONFIGURATION)
@pytest.mark.parametrize("where", ["first request", "booking"])
def test_what_every_document_would_meet_stops_the_poster_and_loses_nothing(bench: Bench, answer, where: str) -> None:
    hit = (lambda _: True) if where == "first request" else bench.books
    bench.wire.instead(hit, answer)
    bench.want()
    with pytest.raises(Misconfigured, match="system 'sap': "):
        bench.world.post()
    assert (bench.status(), bench.references()) == ("pending", [])
    assert {request.url.host for request in bench.wire.requests} == {"erp.test"}


def test_a_blind_resend_would_book_twice(bench: Bench, tmp_path: Path) -> None:
    """Negative control: with the look-up off, the same lost answer doubles the booking."""
    (tmp_path / "blind").mkdir()
    with bench_of(bench.world.settings.connector, tmp_path / "blind", lookup=False) as blind:
        blind.wire.after(blind.books, lambda: httpx.ReadTimeout("no answer in time"))
        blind.want()
        for _ in range(2):
            blind.world.post()
            blind.world.clock.advance(61)
        assert (len(blind.references()), blind.total()) == (2, 10)
