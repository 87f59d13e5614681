"""A request that nobody answers is asked for anew only if the first one can no longer be posted."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from millrace.ledger import Ledger
from millrace.ledger.requisition import desired_document
from operators.replenishment_withdrawals import Withdrawals
from operators.request_lifecycle import Progress
from sinks.ledger import document_records
from sinks.replenishment_batches import of_announced
from tests.flows.stock_memory import Heard
from tests.flows.stock_records import Record, answer, at, balance, issue, notice, order, receipt, result
from tests.unit.ledger_desk import book_all, want
from tests.unit.test_replenishment_shard import shard, ticked

DAY = 1440
FIRST, SECOND = "P1||STEEL|RM01|1", "P1||STEEL|RM01|2"
RULE = {"unanswered_days": 1}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{tmp_path}/ledger.db") as opened:
        yield opened


def told(*records: Record, until: float = 2 * DAY, one: Any = None) -> tuple[list[Record], Heard]:
    """Records of ReplenishmentRequest in the order in which they are announced, and all that is."""
    of, heard = one or shard(**RULE), Heard()
    asked: list[Record] = []
    for minutes, given in [(record_minutes(each), [each]) for each in records] + [(until, [])]:
        batch = of_announced(ticked(of, minutes + 1, given))
        asked += [record for frame in batch.documents for record in document_records(frame, "stock")]
        heard.take([batch])
    return asked, heard


def record_minutes(record: Record) -> float:
    return (record["event_time"] - balance(0, 1)["event_time"]).total_seconds() / 60


CROSSED = [balance(0, 150), issue(1, 10, 60)]


def posted(ledger: Ledger, asked: list[Record]) -> list[Any]:
    """What a poster that comes to it last books."""
    want(ledger, *(desired_document(record) for record in asked))
    return [step.quantities["quantity"] for step in book_all(ledger)]


def test_what_is_given_up_is_withdrawn_before_it_is_asked_for_anew(ledger: Ledger) -> None:
    """The first document still waits, for instance for approval: it is posted no more, and the need once."""
    asked, heard = told(*CROSSED)
    assert [(each["document_key"], each["revision"], each["withdrawn"]) for each in asked] == [
        (FIRST, 1, False), (FIRST, 2, True), (SECOND, 1, False)]  # fmt: skip
    assert asked[0]["crossed_at"] == asked[1]["crossed_at"] < asked[1]["event_time"] == asked[2]["crossed_at"]
    assert heard.open_alerts() == {("request_unanswered", f"STEEL|{FIRST}")}
    assert posted(ledger, asked) == [210]


def test_without_withdrawal_both_are_posted(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    monkeypatch.setattr(Withdrawals, "given_up", lambda *_: [])
    assert posted(ledger, told(*CROSSED)[0]) == [210, 210]


def test_what_stands_in_the_erp_is_not_asked_for_anew_until_it_is_answered() -> None:
    """The alert says that it stands there; an order closes it."""
    booked = [*CROSSED, result(20, "booked")]
    asked, heard = told(*booked)
    assert [each["document_key"] for each in asked] == [FIRST]
    assert heard.open_alerts() == {("request_unanswered", f"STEEL|{FIRST}")}
    assert all("stands in the ERP" in alert["message"] for alert in heard.alerts.values())
    asked, heard = told(*booked, order(2 * DAY, 210, request_number=FIRST))
    assert [each["document_key"] for each in asked] == [FIRST]
    assert ("request_unanswered", f"STEEL|{FIRST}") not in heard.open_alerts()


def test_orders_that_are_cancelled_close_what_stands_in_the_erp() -> None:
    cancelled = [order(2 * DAY + n, 210, version=n, request_number=FIRST, status=status) for n, status in
                 enumerate(("OPEN", "CANCELLED"), start=1)]  # fmt: skip
    asked, _ = told(*CROSSED, result(20, "booked"), *cancelled, until=3 * DAY)
    assert [(each["document_key"], each["withdrawn"]) for each in asked] == [(FIRST, False), (SECOND, False)]


PART = order(0.5 * DAY, 5, request_number=FIRST)
NUMBERS = ("document_key", "revision", "withdrawn")
WITHDRAWN = [(FIRST, 1, False), (FIRST, 2, True), (SECOND, 1, False)]


def numbers(asked: list[Record]) -> list[tuple[Any, ...]]:
    return [tuple(each[name] for name in NUMBERS) for each in asked]


def open_requests(heard: Heard) -> str:
    return str(heard.standings["P1", "stock|STEEL|RM01"]["content"]["open_requests"])


def test_what_is_left_of_a_request_that_was_partly_ordered_is_given_up_and_asked_for_anew(ledger: Ledger) -> None:
    """Five of 210 are ordered and stay; the others are in nobody's hands, as long as the ERP has not booked them."""
    asked, heard = told(*CROSSED, PART)
    assert numbers(asked) == WITHDRAWN
    assert (asked[2]["quantity"], open_requests(heard)) == (205, "210")
    assert posted(ledger, asked) == [205]
    messages = [each["message"] for each in heard.alerts.values() if each["kind"] == "request_unanswered"]
    assert any("no purchase order for 205 KGM" in message for message in messages), messages


def test_without_it_what_is_left_counts_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: the plant waits for 205 that nobody ordered."""
    monkeypatch.setattr(Progress, "rest_expired", False)
    asked, heard = told(*CROSSED, PART, until=30 * DAY)
    assert numbers(asked) == WITHDRAWN[:1]
    assert open_requests(heard) == "210"


def test_what_is_left_in_the_erp_stands_until_what_was_ordered_has_come() -> None:
    """A buyer may still order it from the same requisition: asked for anew it would come twice."""
    asked, heard = told(*CROSSED, PART, result(20, "booked"))
    assert (numbers(asked), open_requests(heard)) == (WITHDRAWN[:1], "210")
    assert heard.open_alerts() >= {("request_unanswered", f"STEEL|{FIRST}")}
    came = [answer(0.6 * DAY, 5), receipt("R1", 1.5 * DAY, 5)]
    asked, heard = told(*CROSSED, result(20, "booked"), PART, *came)
    assert numbers(asked) == [WITHDRAWN[0], WITHDRAWN[2]]
    assert ("request_unanswered", f"STEEL|{FIRST}") not in heard.open_alerts()


@pytest.mark.parametrize("seed", range(24))
def test_papers_in_any_order_leave_what_was_shipped_and_give_up_the_rest(seed: int) -> None:
    """Order, answer, notice, receipt and their corrections come as they like, also after the request was given up."""
    chance = random.Random(seed)
    papers = [
        order(0, 80, request_number=FIRST),
        order(0, 5, version=2, request_number=FIRST),
        answer(0, 9),
        answer(0, 5, version=2),
        notice("S1", 0, 5),
        receipt("R1", 0, 2, "S1"),
    ]
    chance.shuffle(papers)
    ends = [chance.uniform(0.1, 1.8) * DAY for _ in papers]
    came = [{**each, "event_time": at(minutes)} for each, minutes in zip(papers, sorted(ends), strict=True)]
    asked, heard = told(*CROSSED, *came, until=1.9 * DAY)
    content = heard.standings["P1", "stock|STEEL|RM01"]["content"]
    assert sorted(numbers(asked))[:2] == sorted(WITHDRAWN)[:2]
    assert (content["in_transit"], content["on_hand"]) == ("3", "92")
    # Whatever was asked for meanwhile, no more is on its way than lifts stock to S, but for orders that came too late.
    assert Decimal(content["projected"]) >= 300
    last = [each for each in asked if not each["withdrawn"] and each["document_key"] != FIRST]
    assert [each["document_key"] for each in last] == [SECOND]


def test_a_result_that_comes_after_the_withdrawal_does_not_bring_the_request_back(ledger: Ledger) -> None:
    """It was on its way, or tells of the posting that the ledger took back: the second request stands alone."""
    asked, heard = told(*CROSSED, result(2 * DAY, "booked"))
    assert [each["document_key"] for each in asked] == [FIRST, FIRST, SECOND]
    assert heard.standings["P1", "stock|STEEL|RM01"]["content"]["open_requests"] == "210"
    want(ledger, desired_document(asked[0]))
    book_all(ledger)
    assert posted(ledger, asked[1:]) == [-210, 210]


def test_an_order_that_answers_a_withdrawn_request_counts() -> None:
    """Somebody ordered under its number nevertheless: the goods are expected."""
    _, heard = told(*CROSSED, order(1.5 * DAY, 210, request_number=FIRST), until=1.6 * DAY)
    assert heard.standings["P1", "stock|STEEL|RM01"]["content"]["open_requests"] == "420"
    assert heard.open_alerts() == set()


def test_a_restart_forgets_no_request_that_may_have_to_be_withdrawn() -> None:
    before, after = shard(**RULE), shard(**RULE)
    first, _ = told(*CROSSED, until=20, one=before)
    after.restore(before.snapshot())
    second, _ = told(one=after)
    assert [(each["document_key"], each["withdrawn"]) for each in first + second] == [
        (FIRST, False), (FIRST, True), (SECOND, False)]  # fmt: skip
