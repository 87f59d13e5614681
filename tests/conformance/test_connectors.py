"""What every registered connector must do on the driver, whatever the network and the ERP come up with."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from millrace.errors import Misconfigured
from millrace.ledger import Status, queries
from sinks.erp.registry import CONNECTORS
from tests.conformance.cases import CASES, Case
from tests.conformance.erp_world import World
from tests.conformance.faulty import Chunks, Faulty

HOSTILE = (
    "1' or '1'='1",
    "../../admin",
    "1%27)/$value",
    "a&b=c#d?e",
    "Größe",
    "\u202e1000",
    "1\r\nX-Evil: 1",
    "\x00",
)


@dataclass
class Bench:
    """One connector, the service that it talks to, and the faults between them."""

    case: Case
    world: World
    wire: Faulty

    def want(self, **more) -> None:
        self.world.want(self.case.documents(**{"yield": "5", **more}))

    def bookings(self) -> list[str]:
        return self.case.bookings(self.world)

    def changes(self) -> int:
        return sum(self.case.is_change(request) for request in self.wire.requests)

    def status(self) -> str:
        [(_, status)] = self.world.statuses()
        return status


@pytest.fixture(params=sorted(CONNECTORS))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    assert request.param in CASES, f"connector {request.param!r} has no case in tests/conformance/cases.py"
    case = CASES[request.param]
    wire = Faulty(httpx.MockTransport(lambda _: httpx.Response(500)))
    world = World(tmp_path, transport=wire, connector=request.param, options=case.options, max_answer_bytes=1 << 20)
    wire.inner = httpx.ASGITransport(world.erp)
    built = Bench(case, world, wire)
    yield built
    built.world.close()


def test_a_document_is_booked_once_with_its_number_and_reference(bench: Bench) -> None:
    bench.want()
    bench.world.settle()
    [report] = bench.world.ledger.order_report("1000001")
    [posting] = report.postings
    assert (posting["status"], bool(posting["erp_document"])) == ("booked", True)
    assert bench.bookings() == [posting["external_reference"]]


def test_a_business_error_rejects_its_document_and_the_rest_goes_on(bench: Bench) -> None:
    bench.wire.instead(bench.case.is_change, bench.case.business_error)
    bench.want(number=1)
    bench.want(number=2)
    bench.world.settle()
    assert bench.world.statuses() == [("book", "rejected"), ("book", "booked")]
    assert sum(bench.world.ledger.ask(queries.dead_letters_by_reason).values()) == 1


def test_a_lock_is_tried_again_until_it_is_gone(bench: Bench) -> None:
    bench.wire.instead(bench.case.is_change, *[bench.case.lock] * 3)
    bench.want()
    bench.world.settle()
    assert (bench.status(), bench.changes(), len(bench.bookings())) == ("booked", 4, 1)


def test_429_waits_as_long_as_the_erp_asks(bench: Bench) -> None:
    bench.wire.instead(bench.case.is_change, lambda: httpx.Response(429, headers={"Retry-After": "120"}))
    bench.want()
    bench.world.post()
    bench.world.clock.advance(119)
    assert bench.world.post() == 0
    bench.world.clock.advance(1)
    bench.world.post()
    assert (bench.status(), len(bench.bookings())) == ("booked", 1)


MAYBE_BOOKED: dict[str, Callable[[], httpx.Response | Exception]] = {
    "timeout": lambda: httpx.ReadTimeout("no answer in time"),
    "total timeout": TimeoutError,
    "cut connection": lambda: httpx.RemoteProtocolError("peer closed connection"),
    "reset": lambda: httpx.ReadError("connection reset"),
    "half an answer": lambda: httpx.Response(201, content=b'{"d": {"Confir'),
    "breaks off": lambda: httpx.Response(201, stream=Chunks([b'{"d":'], httpx.ReadError("connection reset"))),
    "empty 200": lambda: httpx.Response(200),
    "HTML page": lambda: httpx.Response(200, content=b"<html>Please log on</html>"),
    "HTML error page": lambda: httpx.Response(400, content=b"<html>Bad gateway page</html>"),
    "8 MB body": lambda: httpx.Response(201, stream=Chunks([b"x" * 65536] * 128)),
    "wrong shape": lambda: httpx.Response(201, content=b'{"d": [1, null, "x"]}'),
    "deep nesting": lambda: httpx.Response(201, content=b"[" * 100_000),
    "500": lambda: httpx.Response(500),
    "502": lambda: httpx.Response(502, content=b"<html>"),
    "503": lambda: httpx.Response(503, headers={"Retry-After": "7"}),
    "504": lambda: httpx.Response(504),
    "408": lambda: httpx.Response(408),
}


@pytest.mark.parametrize("answer", MAYBE_BOOKED.values(), ids=MAYBE_BOOKED)
def test_an_answer_lost_after_the_booking_books_nothing_a_second_time(bench: Bench, answer) -> None:
    bench.wire.after(bench.case.is_change, answer)
    bench.want()
    bench.world.post()
    assert bench.status() == "unknown"
    bench.world.settle()
    assert (bench.status(), bench.changes(), len(bench.bookings())) == ("booked", 1, 1)


@pytest.mark.parametrize("answer", MAYBE_BOOKED.values(), ids=MAYBE_BOOKED)
def test_a_request_lost_before_the_booking_is_asked_for_and_sent_again(bench: Bench, answer) -> None:
    bench.wire.instead(bench.case.is_change, answer)
    bench.want()
    bench.world.settle()
    assert (bench.status(), bench.changes(), len(bench.bookings())) == ("booked", 2, 1)


@pytest.mark.parametrize("answer", MAYBE_BOOKED.values(), ids=MAYBE_BOOKED)
def test_a_lookup_that_fails_proves_nothing(bench: Bench, answer) -> None:
    bench.wire.after(bench.case.is_change, lambda: httpx.ReadTimeout("no answer in time"))
    bench.wire.instead(lambda request: request.method == "GET" and "filter" in str(request.url), *[answer] * 3)
    bench.want()
    bench.world.settle()
    assert (bench.status(), bench.changes(), len(bench.bookings())) == ("booked", 1, 1)


def test_nothing_found_is_not_believed_while_the_first_request_may_still_run(bench: Bench) -> None:
    bench.wire.instead(bench.case.is_change, lambda: httpx.ReadTimeout("no answer in time"))
    bench.want()
    bench.world.post()
    bench.world.clock.advance(29)
    bench.world.post()
    assert (bench.status(), bench.changes()) == ("unknown", 1)
    bench.world.settle()
    assert (bench.status(), bench.changes()) == ("booked", 2)


def test_a_system_that_cannot_be_reached_keeps_the_document_and_sends_nothing_twice(bench: Bench) -> None:
    bench.wire.instead(lambda _: True, *[lambda: httpx.ConnectError("refused")] * 5)
    bench.want()
    bench.world.post()
    assert bench.status() == "pending"
    bench.world.settle()
    assert (bench.status(), len(bench.bookings())) == ("booked", 1)


def test_an_expired_session_is_renewed_once_within_the_attempt(bench: Bench) -> None:
    if bench.case.session_expired is None:
        pytest.skip("no sessions")
    bench.wire.instead(bench.case.is_change, bench.case.session_expired)
    bench.want()
    bench.world.post()
    opened = sum(not bench.case.is_change(request) for request in bench.wire.requests)
    assert (bench.status(), bench.changes(), opened) == ("booked", 2, 2)


def test_a_session_that_never_holds_is_backed_off_from(bench: Bench) -> None:
    if bench.case.session_expired is None:
        pytest.skip("no sessions")
    bench.wire.instead(bench.case.is_change, *[bench.case.session_expired] * 2)
    bench.want()
    bench.world.post()
    assert (bench.status(), bench.changes(), bench.world.post()) == ("pending", 2, 0)


def _certificate_error() -> Exception:
    error = httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    error.__cause__ = ssl.SSLCertVerificationError(1, "certificate verify failed")
    return error


CONFIGURATION: dict[str, Callable[[], httpx.Response | Exception]] = {
    "redirect": lambda: httpx.Response(302, headers={"Location": "https://elsewhere.test/login"}),
    "401": lambda: httpx.Response(401),
    "403": lambda: httpx.Response(403),
    "404": lambda: httpx.Response(404, content=b"<html>not here</html>"),
    "wrong certificate": _certificate_error,
}


@pytest.mark.parametrize("answer", CONFIGURATION.values(), ids=CONFIGURATION)
@pytest.mark.parametrize("where", ["session", "change"])
def test_what_every_document_would_meet_stops_the_poster_and_loses_nothing(bench: Bench, answer, where: str) -> None:
    hit = (lambda _: True) if where == "session" else bench.case.is_change
    bench.wire.instead(hit, answer)
    bench.want()
    with pytest.raises(Misconfigured, match="system 'sap': "):
        bench.world.post()
    assert (bench.status(), bench.bookings()) == ("pending", [])
    assert all(request.url.host == "erp.test" for request in bench.wire.requests)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("field", ["order", "operation", "plant"])
def test_a_hostile_id_reaches_the_erp_as_data_or_not_at_all(bench: Bench, hostile: str, field: str) -> None:
    wanted = bench.case.documents(1, **{field: hostile, "yield": "1"})
    bench.world.want(wanted)
    bench.world.settle()
    [report] = bench.world.ledger.order_report(wanted.order_id)
    assert report.postings[-1]["status"] in ("booked", "rejected")
    base = bench.world.settings.base_url
    assert all(str(request.url).startswith(base) for request in bench.wire.requests)
    assert not any("X-Evil" in request.headers for request in bench.wire.requests)


def test_a_smaller_total_is_reversed_and_posted_again(bench: Bench) -> None:
    bench.want()
    bench.world.settle()
    bench.want(revision=2, **{"yield": "3"})
    bench.world.settle()
    assert bench.world.statuses() == [("book", "booked"), ("reverse", "booked"), ("book", "booked")]


def test_a_reversal_whose_answer_is_lost_is_asked_for_like_any_posting(bench: Bench) -> None:
    bench.want()
    bench.world.settle()
    bench.wire.after(bench.case.is_change, lambda: httpx.ReadTimeout("no answer in time"))
    bench.want(revision=2, **{"yield": "3"})
    bench.world.settle()
    assert len(bench.bookings()) == len(set(bench.bookings())) == 3


def test_every_kind_of_document_it_names_is_a_contract(bench: Bench) -> None:
    contracts = {path.stem for path in Path("schemas/avro").glob("*.avsc")}
    assert bench.world.connector.kinds <= contracts


def test_split_parts_add_up_to_the_whole(bench: Bench) -> None:
    amounts = bench.case.documents(**{"yield": "1"}, scrap_A="2", scrap_B="3", setup_time="60").quantities
    parts = bench.world.connector.split(amounts)
    merged = {name: sum(part.get(name, 0) for part in parts) for name in amounts}
    assert merged == amounts


def test_a_blind_resend_would_book_twice(bench: Bench, tmp_path: Path) -> None:
    """Negative control: with the look-up off, the same lost answer doubles the booking."""
    bench.world.close()
    (tmp_path / "blind").mkdir()
    bench.world = World(tmp_path / "blind", lookup=False, transport=bench.wire, options=bench.case.options)
    bench.wire.inner = httpx.ASGITransport(bench.world.erp)
    bench.wire.after(bench.case.is_change, lambda: httpx.ReadTimeout("no answer in time"))
    bench.want()
    bench.world.settle()
    assert (bench.status(), len(bench.bookings())) == (Status.BOOKED, 2)
