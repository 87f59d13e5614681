"""What every registered connector must do on the driver: book, refuse, wait, reverse, and keep to its service."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from millrace.ledger import queries
from tests.conformance.conftest import Bench

HOSTILE = {
    "quote": "1' or '1'='1",
    "parent": "../../admin",
    "encoded parent": "..%2f..%2fadmin",
    "call": "1%27)/$value",
    "query": "a&b=c#d?e",
    "Umlauts": "Größe",
    "bidi": "\u202e1000",
    "header": "1\r\nX-Evil: 1",
    "encoded header": "1%0d%0aX-Evil:%201",
    "nul": "\x00",
    "encoded nul": "1%00",
    "very long": "7" * 5000,
}


def test_a_document_is_booked_once_with_its_number_and_reference(bench: Bench) -> None:
    bench.want()
    bench.world.settle()
    [posting] = bench.postings()
    assert (posting["status"], bool(posting["erp_document"])) == ("booked", True)
    assert bench.references() == [bench.erp.reference(posting["external_reference"])]
    assert bench.ends_booked_once()


def test_a_business_error_rejects_its_document_and_the_rest_goes_on(bench: Bench) -> None:
    bench.wire.instead(bench.books, bench.erp.business_error)
    bench.want(number=1)
    bench.want(number=2)
    bench.world.settle()
    assert [posting["status"] for posting in bench.postings()] == ["rejected", "booked"]
    assert sum(bench.world.ledger.ask(queries.dead_letters_by_reason).values()) == 1
    assert (bench.total(), len(bench.references())) == (5, 1)


def test_a_lock_is_tried_again_until_it_is_gone(bench: Bench) -> None:
    bench.wire.instead(bench.books, *[bench.erp.lock] * 3)
    bench.want()
    bench.world.settle()
    assert bench.sent() == 4
    assert bench.ends_booked_once()


def test_429_waits_as_long_as_the_erp_asks(bench: Bench) -> None:
    bench.wire.instead(bench.books, lambda: httpx.Response(429, headers={"Retry-After": "120"}))
    bench.want()
    bench.world.post()
    bench.world.clock.advance(119)
    assert bench.world.post() == 0
    bench.world.clock.advance(1)
    assert bench.world.post() == 1
    bench.world.settle()
    assert bench.ends_booked_once()


def test_an_expired_session_is_renewed_once_within_the_attempt(bench: Bench) -> None:
    session = bench.world.connector.session()
    if session is None or bench.erp.session_expired() is None:
        pytest.skip("no sessions")
    bench.wire.instead(bench.books, bench.erp.session_expired)
    bench.want()
    bench.world.post()
    address = f"{bench.erp.base_url}/{session.path}"
    opened = [r for r in bench.wire.requests if (r.method, str(r.url)) == (session.method, address)]
    assert (bench.sent(), len(opened)) == (2, 2)
    bench.world.settle()
    assert bench.ends_booked_once()


def test_a_session_that_never_holds_is_backed_off_from(bench: Bench) -> None:
    if bench.erp.session_expired() is None:
        pytest.skip("no sessions")
    bench.wire.instead(bench.books, *[bench.erp.session_expired] * 2)
    bench.want()
    bench.world.post()
    assert (bench.status(), bench.sent(), bench.world.post()) == ("pending", 2, 0)
    bench.world.settle()
    assert bench.ends_booked_once()


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_id_reaches_the_erp_as_it_is_or_is_rejected_by_its_field(bench: Bench, hostile: str) -> None:
    for number, field in enumerate(bench.erp.id_fields, 1):
        known = len(bench.erp.bookings())
        wanted = bench.want(number=number, **{field: hostile})
        bench.world.settle()
        [posting] = [p for p in bench.postings(wanted) if p["document_key"] == wanted.key]
        booked = [booking.ids[field] for booking in bench.erp.bookings()[known:]]
        if posting["status"] == "booked":
            assert booked == [hostile]
        else:
            assert (posting["status"], booked) == ("rejected", [])
            assert bench.erp.id_fields[field] in posting["detail"]
    assert bench.erp.id_fields, "the suite must know which ids go to the ERP"
    assert all(str(request.url).startswith(bench.erp.base_url) for request in bench.wire.requests)
    assert not any("X-Evil" in request.headers for request in bench.wire.requests)


def test_a_smaller_total_is_reversed_and_posted_again(bench: Bench) -> None:
    bench.want()
    bench.world.settle()
    bench.want(revision=2, total="3")
    bench.world.settle()
    actions = [(posting["action"], posting["status"]) for posting in bench.postings()]
    if bench.erp.reverses:
        assert actions == [("book", "booked"), ("reverse", "booked"), ("book", "booked")]
        assert bench.total() == 3
    else:
        assert actions == [("book", "booked"), ("reverse", "rejected")]
        assert bench.total() == 5


def test_a_reversal_whose_answer_is_lost_is_asked_for_like_any_posting(bench: Bench) -> None:
    if not (bench.erp.reverses and bench.erp.can_be_asked):
        pytest.skip("no reversals that one can ask for")
    bench.want()
    bench.world.settle()
    bench.wire.after(bench.books, lambda: httpx.ReadTimeout("no answer in time"))
    bench.want(revision=2, total="3")
    bench.world.settle()
    assert (len(bench.references()), len(set(bench.references())), bench.total()) == (3, 3, 3)


def test_every_kind_of_document_it_names_is_a_contract(bench: Bench) -> None:
    contracts = {path.stem for path in Path("schemas/avro").glob("*.avsc")}
    assert bench.world.connector.kinds <= contracts
    assert bench.erp.document().kind in bench.world.connector.kinds


def test_split_parts_add_up_to_the_whole(bench: Bench) -> None:
    amounts = bench.erp.document().quantities
    parts = bench.world.connector.split(amounts)
    assert {name: sum(part.get(name, 0) for part in parts) for name in amounts} == amounts
