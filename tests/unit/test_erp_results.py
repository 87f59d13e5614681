"""Outcomes of postings are published, each at least once and always under the same identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from millrace.ledger import Ledger, Status
from millrace.ledger.approval_requirement import asks
from millrace.ledger.desk import Desk
from millrace.ledger.letter_states import Person
from millrace.ledger.outbox import Outgoing
from millrace.ledger.results import RESULTS
from millrace.ledger.short_stock import RETRY_SECONDS, SHORT_STOCK
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas
from sinks.erp.results import Publisher
from tests.conformance.erp_world import Clock, document
from tests.unit.ledger_desk import book_all, claim, finish, want


class Topic:
    """Takes results while it is up."""

    def __init__(self) -> None:
        self.up = True
        self.records: list[dict[str, Any]] = []

    def send(self, found: Sequence[Outgoing]) -> bool:
        if self.up:
            self.records += [dict(each.record) for each in found]
        return self.up

    def told(self) -> list[tuple[str, str]]:
        return [(record["order_id"], record["status"]) for record in self.records]


@pytest.fixture
def topic() -> Topic:
    return Topic()


def test_each_settled_posting_is_published_with_its_number(ledger: Ledger, topic: Topic) -> None:
    want(ledger, document(1, "1000001", **{"yield": "1"}), document(1, "1000002", **{"yield": "1"}))
    [booked, refused] = claim(ledger)
    finish(ledger, [booked])
    finish(ledger, [refused], Status.REJECTED, reason="M7/021", detail="deficit of stock")
    assert Publisher(ledger, topic).round() == 2
    assert topic.told() == [("1000001", "booked"), ("1000002", "rejected")]
    assert [(r["erp_document"], r["reason"]) for r in topic.records] == [("1/1", None), (None, "M7/021")]
    assert len(Codec(contract(RESULTS.contract), FolderSchemas()).encode(topic.records)) == 2


def test_nothing_is_published_twice_while_the_publisher_lives(ledger: Ledger, topic: Topic, clock: Clock) -> None:
    publisher = Publisher(ledger, topic)
    for order in ("1000001", "1000002", "1000003"):
        want(ledger, document(1, order, **{"yield": "1"}))
        book_all(ledger)
        publisher.round()
        publisher.round()
        clock.advance(20)
    assert topic.told() == [(order, "booked") for order in ("1000001", "1000002", "1000003")]


def test_a_topic_that_is_down_delays_results_and_loses_none(ledger: Ledger, topic: Topic, clock: Clock) -> None:
    publisher = Publisher(ledger, topic)
    topic.up = False
    for order in ("1000001", "1000002"):
        want(ledger, document(1, order, **{"yield": "1"}))
        book_all(ledger)
        assert publisher.round() == 0
        clock.advance(60)
    topic.up = True
    publisher.round()
    assert topic.told() == [("1000001", "booked"), ("1000002", "booked")]


def test_a_restart_repeats_only_what_is_young_under_the_same_identity(
    ledger: Ledger, topic: Topic, clock: Clock
) -> None:
    publisher = Publisher(ledger, topic)
    want(ledger, document(1, "1000001", **{"yield": "1"}))
    book_all(ledger)
    publisher.round()
    clock.advance(31)
    want(ledger, document(1, "1000002", **{"yield": "1"}))
    book_all(ledger)
    publisher.round()
    Publisher(ledger, topic).round()
    assert topic.told() == [(order, "booked") for order in ("1000001", "1000002", "1000002")]
    assert topic.records[1] == topic.records[2]


def test_replicas_that_publish_the_same_do_not_move_past_each_other(ledger: Ledger, topic: Topic, clock: Clock) -> None:
    first, other = Publisher(ledger, topic), Publisher(ledger, topic)
    want(ledger, document(1, **{"yield": "1"}))
    book_all(ledger)
    clock.advance(60)
    old = ledger.ask(RESULTS.position)
    first.round()
    position = ledger.ask(RESULTS.position)
    assert position > old
    assert ledger.change(lambda engine, connection, _: RESULTS.move(engine, connection, old, old + 100)) is False
    assert (other.round(), ledger.ask(RESULTS.position)) == (0, position)


def _short(ledger: Ledger) -> None:
    finish(ledger, claim(ledger), Status.REJECTED, reason=SHORT_STOCK, detail="deficit")


def test_a_refusal_for_want_of_stock_is_no_outcome_and_the_later_booking_is_one(
    ledger: Ledger, topic: Topic, clock: Clock
) -> None:
    """It waits for stock; what the ERP refuses for another reason is told at once."""
    want(ledger, document(1, **{"yield": "1"}))
    _short(ledger)
    assert (Publisher(ledger, topic).round(), topic.told()) == (0, [])
    clock.advance(RETRY_SECONDS + 1)
    book_all(ledger)
    Publisher(ledger, topic).round()
    assert topic.told() == [("1000001", "booked")]
    want(ledger, document(2, **{"yield": "1"}))
    finish(ledger, claim(ledger), Status.REJECTED, reason="M7/021")
    Publisher(ledger, topic).round()
    assert topic.told()[-1] == ("1000001", "rejected")


def test_what_a_person_refuses_before_it_was_posted_is_told_and_that_it_is_tried_again(
    ledger: Ledger, topic: Topic
) -> None:
    """Without a posting there is no reference, and nothing of what the person wrote leaves the ledger."""
    asked = document(1, **{"yield": "1"})
    want(
        ledger, replace(asked, attributes={**asked.attributes, "approval_required": True}, requires=[asks("its value")])
    )
    desk, ann = Desk(ledger), Person("ann", "too much")
    desk.refuse(asked.key, ann)
    desk.retry(asked.key, ann)
    assert Publisher(ledger, topic).round() == 2
    told = [(r["document_key"], r["status"], r["reason"], r["external_reference"]) for r in topic.records]
    assert told == [(asked.key, "rejected", "not_approved", ""), (asked.key, "pending", None, "")]
    assert len(Codec(contract(RESULTS.contract), FolderSchemas()).encode(topic.records)) == 2
    assert "ann" not in str(topic.records)
    assert "too much" not in str(topic.records)
    assert len({record["event_id"] for record in topic.records}) == 2


def test_a_refused_posting_that_is_tried_again_is_pending(ledger: Ledger, topic: Topic) -> None:
    """Letters that a person sends again with it are no outcomes of their own."""
    want(ledger, document(1, **{"yield": "1"}))
    finish(ledger, claim(ledger), Status.REJECTED, reason="M7/021")
    Desk(ledger).retry(document(1).key, Person("ann", "mended"))
    want(ledger)
    book_all(ledger)
    Publisher(ledger, topic).round()
    assert [status for _, status in topic.told()] == ["rejected", "pending", "booked"]
