"""How far requests are, and what is not as agreed."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from operators.replenishment_alarms import Alarms
from operators.request_book import RequestBook
from operators.request_deviations import deviations, next_look
from operators.request_lifecycle import Progress, Stage, Terms, progress
from operators.request_papers import PAPER, merge_papers, papers
from operators.safety_stock import request_key
from schemas.contracts import contract
from schemas.types import polars_schema
from tests.flows.stock_memory import CONTRACTS
from tests.flows.stock_records import Record, answer, at, notice, order, receipt, result

TERMS = Terms(acknowledge=timedelta(hours=4), order=timedelta(days=3))
NUMBER = "P1||STEEL|RM01|1"
LATER = at(60)


def paper(record: Record) -> pl.DataFrame:
    """A record as a row of PAPER."""
    name = CONTRACTS[record["event_id"][0]]
    return papers(name, pl.DataFrame([record], schema=polars_schema(contract(name))))


def asked(quantity: int = 100) -> pl.DataFrame:
    """A request of START."""
    row = paper(order(0, quantity)).with_columns(
        pl.lit("requested").alias("kind"), pl.lit(NUMBER).alias("record_id"), pl.lit(NUMBER).alias("request_number"),
        pl.lit("").alias("purchase_order"), pl.lit("").alias("purchase_order_item"), pl.lit(None).alias("price"),
    )  # fmt: skip
    return row.select(pl.col(name).cast(kind) for name, kind in PAPER.items())


def followed(*records: Record, instant: datetime = LATER, request: int | None = 100) -> Progress:
    """How far it is with these records."""
    rows = [paper(record) for record in records] + ([asked(request)] if request else [])
    return progress(merge_papers(rows).to_dicts(), instant, TERMS)


def ordered(quantity: int = 100, minutes: float = 10, **values: Any) -> Record:
    """An item that answers the request."""
    return order(minutes, quantity, request_number=NUMBER, **values)


WAY = [ordered(), answer(20, 100), notice("S1", 30, 100), receipt("R1", 40, 100, "S1")]


@pytest.mark.parametrize(("count", "stage"), list(enumerate(list(Stage)[:5])))
def test_each_paper_takes_a_request_one_stage_on(count: int, stage: Stage) -> None:
    found = followed(*WAY[:count])
    assert found.stage is stage
    assert found.closed is (stage is Stage.RECEIVED)
    assert bool(found.waits_for()) is not found.closed


def test_parts_wait_for_the_rest() -> None:
    found = followed(ordered(), answer(20, 100), notice("S1", 30, 60), receipt("R1", 40, 60, "S1"))
    assert (found.stage, found.waits_for()) == (Stage.ACKNOWLEDGED, ["shipment of 40 of 4500/10 by 2026-03-06"])


def test_a_request_is_as_far_as_the_least_of_its_orders() -> None:
    found = followed(*(ordered(60), answer(20, 60), notice("S1", 30, 60)), ordered(40, item="20"))
    assert found.stage is Stage.ORDERED
    assert found.waits_for() == ["receipt of 60 of 4500/10", "acknowledgement of 4500/20 by ACME"]


def test_what_no_order_answers_is_waited_for() -> None:
    found = followed(ordered(60), receipt("R1", 40, 60))
    assert (found.stage, found.waits_for()) == (Stage.TRIGGERED, ["a purchase order for 40"])


def test_a_completed_delivery_closes_though_less_came() -> None:
    found = followed(ordered(), receipt("R1", 40, 90, delivery_completed=True))
    assert found.stage is Stage.RECEIVED


def test_cancelled_orders_cancel_the_request() -> None:
    assert followed(ordered(version=2, status="CANCELLED"), ordered()).stage is Stage.CANCELLED


def test_one_cancelled_item_of_two_leaves_the_rest_open() -> None:
    found = followed(ordered(60, status="CANCELLED"), ordered(40, item="20"))
    assert (found.stage, found.unanswered) == (Stage.TRIGGERED, 60)


def test_a_request_without_answer_expires() -> None:
    found = followed(instant=at(0) + timedelta(days=3))
    assert found.stage is Stage.EXPIRED
    assert [each["kind"] for each in deviations(found, at(0) + timedelta(days=3), TERMS)] == ["request_unanswered"]


def test_a_rejected_request_closes_and_is_held_until_it_may_be_asked_for_anew() -> None:
    """By default that is when a request without any answer is given up; a newer result lets it stand again."""
    held = followed(result(20))
    assert (held.stage, held.closed, held.held) == (Stage.REJECTED, True, True)
    assert held.held_until == at(0) + TERMS.order
    assert held.waits_for() == ["a person to try it again; asked for anew from 2026-03-05 06:00Z on"]
    free = followed(result(20), instant=at(0) + TERMS.order)
    assert (free.stage, free.closed, free.held, free.waits_for()) == (Stage.REJECTED, True, False, [])
    assert followed(result(20), result(30, "pending")).stage is Stage.TRIGGERED
    assert followed(result(30), result(20, "pending")).stage is Stage.REJECTED
    assert followed(result(20), ordered()).stage is Stage.ORDERED
    assert followed(result(20), ordered(status="CANCELLED")).stage is Stage.CANCELLED


def test_a_result_that_comes_before_its_request_waits_for_it() -> None:
    """Nothing is expected of it alone, and nothing told."""
    alone = followed(result(20), request=None)
    assert (alone.closed, alone.held, deviations(alone, LATER, TERMS)) == (True, False, [])
    assert kinds(result(20)) == ["request_rejected"]


@pytest.mark.parametrize(("material", "location"), [("STEEL", "RM01"), ("A|B%7C", "")])
def test_a_result_meets_its_request_by_the_key_alone(material: str, location: str) -> None:
    """The key names material and place with `|` and `%` escaped."""
    [row] = paper(result(20, number=request_key("P1", material, location, 3))).to_dicts()
    assert (row["material"], row["storage_location"]) == (material, location)


def kinds(*records: Record, instant: datetime = LATER, terms: Terms = TERMS) -> list[str]:
    """What is not as agreed."""
    found = progress(merge_papers([asked(), *(paper(record) for record in records)]).to_dicts(), instant, terms)
    return [each["kind"] for each in deviations(found, instant, terms)]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([ordered(), answer(20, 100)], []),
        ([ordered(), answer(20, 90, response="CHANGED")], ["acknowledgement_quantity"]),
        ([ordered(), answer(20, 100, delivery_date=date(2026, 3, 9))], ["acknowledgement_date"]),
        ([ordered(), answer(20, 100, delivery_date=date(2026, 3, 5))], []),
        ([ordered(), answer(20, 100, price=3)], ["acknowledgement_price"]),
        ([ordered(), answer(20, 100, currency="USD")], ["acknowledgement_price"]),
        ([ordered(), answer(20, 0, response="REJECTED", delivery_date=None)], ["acknowledgement_rejected"]),
        ([ordered(), answer(20, 90), answer(30, 100, version=2)], []),
        ([*WAY[:3], receipt("R1", 40, 95, "S1")], ["receipt_quantity"]),
        ([*WAY[:3], receipt("R1", 40, 95, "S1"), receipt("R2", 50, 5, "S1")], []),
        ([ordered(over_tolerance=Decimal(10)), answer(20, 100), receipt("R1", 40, 110)], []),
        ([ordered(over_tolerance=Decimal(10)), answer(20, 100), receipt("R1", 40, 111)], ["over_delivery"]),
        ([ordered(over_tolerance=None), answer(20, 100), receipt("R1", 40, 500)], []),
        ([ordered(status="CANCELLED"), answer(20, 90)], []),
    ],
)
def test_what_differs_is_told(records: list[Record], expected: list[str]) -> None:
    assert kinds(*records) == expected


def test_a_difference_within_the_tolerance_is_none() -> None:
    terms = Terms(quantity_percent=Decimal(10), price_percent=Decimal(50))
    assert kinds(ordered(), answer(20, 90, price=3), terms=terms) == []


def test_silence_and_delay_are_told_with_time() -> None:
    """No acknowledgement within four hours; nothing came a day after the date of delivery."""
    assert kinds(ordered(), instant=at(10 + 239)) == []
    assert kinds(ordered(), instant=at(10 + 240)) == ["acknowledgement_missing"]
    late = datetime(2026, 3, 7, tzinfo=LATER.tzinfo)
    terms = Terms(order=timedelta(days=90))
    assert kinds(*WAY[:2], instant=late, terms=terms) == ["delivery_late"]
    (told,) = deviations(followed(*WAY[:2], notice("S1", 30, 60), instant=late), late, terms)
    assert "100 KGM were to arrive on" in told["message"]
    assert kinds(*WAY, instant=late, terms=terms) == []


@pytest.mark.parametrize(
    ("expected_at", "late", "told"),
    [(at(24 * 60), datetime(2026, 3, 4, tzinfo=LATER.tzinfo), "on 2026-03-03"), (None, at(3 * 24 * 60 + 30), "by")],
)
def test_a_shipment_that_nobody_ordered_is_told_when_it_does_not_arrive(
    expected_at: datetime | None, late: datetime, told: str
) -> None:
    """It is in transit, so nothing is asked for: a person has to know that it may never come."""

    def found(*records: Record) -> Progress:
        return followed(notice("S1", 30, 100, expected_at=expected_at), *records, instant=late, request=None)

    assert next_look(found(), LATER, TERMS) == late
    assert deviations(found(), late - timedelta(seconds=1), TERMS) == []
    (alert,) = deviations(found(), late, TERMS)
    assert alert["kind"] == "delivery_late"
    assert alert["message"].startswith("4500/10 of STEEL: 100 KGM")
    assert f"arrive{'d' * (told == 'by')} {told}" in alert["message"]
    assert "no purchase order" in alert["message"]
    part = [each["message"] for each in deviations(found(receipt("R1", 40, 60, "S1")), late, TERMS)]
    assert any("40 KGM" in each for each in part)
    gone = notice("S2", 31, 7, expected_at=at(9 * 24 * 60), version=2, status="CANCELLED")
    if expected_at is not None:
        assert [each["message"] for each in deviations(found(gone), late, TERMS)] == [alert["message"]]
    for mended in (receipt("R1", 40, 100, "S1"), notice("S1", 35, 100, version=2, status="CANCELLED")):
        assert next_look(found(mended), LATER, TERMS) is None
        assert deviations(found(mended), late, TERMS) == []


#: Parts, versions, a cancelled notice, an answer that is mended, repeats.
STORY = [
    *(ordered(110), ordered(100, version=2), answer(20, 90), answer(30, 100, version=2), answer(20, 90)),
    *(notice("S1", 30, 60), notice("S2", 35, 50), notice("S2", 38, 50, version=2, status="CANCELLED")),
    *(result(25), result(28, "booked"), result(22, "parked")),
    *(notice("S3", 45, 40), receipt("R1", 40, 60, "S1"), receipt("R2", 50, 39, "S3"), receipt("R2", 50, 39, "S3")),
]


def told(book: RequestBook, instant: datetime) -> tuple[Any, ...]:
    """State and standing alerts."""
    _, found = book.follow(instant)
    standing = {name for conditions in book.alarms.standing.values() for name in conditions}
    return {group: each.stage for group, each in found.items()}, standing


def test_thousands_of_orders_of_arrival_end_in_one_state_and_the_same_alerts() -> None:
    """Looked at after every part of them, and once more in the end."""
    chance = random.Random(7)
    rows = [asked(), *(paper(record) for record in STORY)]
    ends = set()
    for _ in range(1000):
        book = RequestBook(lambda _place: TERMS, timedelta(days=30))
        shuffled = chance.sample(rows, len(rows))
        cut = chance.randint(1, len(rows) - 1)
        for part in (shuffled[:cut], shuffled[cut:]):
            book.add(pl.concat(part))
            stages, standing = told(book, LATER)
        ends.add((tuple(sorted(stages.items())), tuple(sorted(standing))))
    assert ends == {(
        ((("P1", f"request|{NUMBER}"), Stage.SHIPPED),),
        ("receipt_quantity/P1/4500/10/S3|1",),
    )}  # fmt: skip


def test_keeping_the_first_version_that_arrives_ends_in_many_states() -> None:
    """Negative control of the test above."""
    chance = random.Random(7)
    rows = [paper(record) for record in STORY]
    identity = ["kind", "purchase_order_item", "record_id"]
    ends = set()
    for _ in range(50):
        first = pl.concat(chance.sample(rows, len(rows))).unique(identity, keep="first", maintain_order=True)
        ends.add(progress(first.to_dicts(), LATER, TERMS).lines[0].shipped)
    assert len(ends) > 1


def test_a_condition_is_told_once_and_closed_once() -> None:
    alarms, condition = Alarms(), {"event_id": "x/1", "kind": "x", "severity": "WARNING", "message": "so"}
    counts = [len(alarms.update("group", standing, LATER)) for standing in ([condition], [condition], [], [])]
    assert counts == [1, 0, 1, 0]
