"""Short stock is an open item: it waits, lets the rest of its order go on, and is posted when stock arrives."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from millrace.ledger import DesiredDocument, Ledger, Status, dependency_waits, queries
from millrace.ledger.short_stock import RETRY_SECONDS, SHORT_STOCK
from tests.conformance.erp_world import Clock, document
from tests.unit.ledger_desk import book_all, claim, finish, want

DETAIL = "Deficit of SL Unrestricted-use 4 KG"


def movement(number: int, kind: str = "ISSUE", order: str = "1000001", **attributes: Any) -> DesiredDocument:
    """A movement of five kilograms of steel at RM01."""
    plain = document(number, order)
    told = {"movement": kind, "material": "STEEL", "storage_location": "RM01", "unit": "KGM", **attributes}
    return replace(
        plain,
        kind="GoodsMovement",
        key=f"{order}|{kind}|{number}",
        quantities={"quantity": Decimal(5)},
        attributes={"operation": "0010", "role": kind.lower(), **told},
    )


def refuse(ledger: Ledger) -> None:
    """The ERP has no stock for what comes next."""
    steps = claim(ledger)
    assert len(steps) == 1
    finish(ledger, steps, Status.REJECTED, reason=SHORT_STOCK, detail=DETAIL)


def test_short_stock_is_shown_as_an_open_item_and_never_becomes_a_dead_letter(ledger: Ledger) -> None:
    want(ledger, movement(1))
    refuse(ledger)
    assert claim(ledger) == []
    [wait] = ledger.ask(dependency_waits.by_rule)
    assert (wait.rule, wait.count) == ("short stock", 1)
    assert wait.waits_for == f"stock of STEEL at RM01: {DETAIL} (short stock)"
    assert ledger.ask(queries.dead_letters_by_reason) == {}


def test_the_rest_of_the_order_is_posted_while_a_document_waits_for_stock(ledger: Ledger) -> None:
    want(ledger, movement(1), document(2, **{"yield": "3"}))
    refuse(ledger)
    assert [step.document_key for step in book_all(ledger)] == ["P1|1000001|0010|2"]


@pytest.mark.parametrize(
    "receipt",
    [
        movement(9, "RECEIPT", order="purchase:45"),
        movement(9, "TRANSFER", order="stock:STEEL|RM02", storage_location="RM02", to_storage_location="RM01"),
        movement(9, "RETURN", order="1000002"),
    ],
)
def test_what_waits_for_stock_is_posted_as_soon_as_some_is_booked(ledger: Ledger, receipt: DesiredDocument) -> None:
    want(ledger, movement(1))
    refuse(ledger)
    want(ledger, receipt)
    assert [step.document_key for step in book_all(ledger)] == [receipt.key, "1000001|ISSUE|1"]
    assert ledger.unfinished() == 0
    assert ledger.inconsistent() == []


@pytest.mark.parametrize(
    "other",
    [
        movement(9, "RECEIPT", order="purchase:45", storage_location="RM02"),
        movement(9, "RECEIPT", order="purchase:45", material="STEEL-2"),
        movement(9, "SCRAP", order="stock:STEEL|RM01"),
    ],
)
def test_what_brings_no_stock_of_it_to_its_place_wakes_nothing(ledger: Ledger, other: DesiredDocument) -> None:
    want(ledger, movement(1))
    refuse(ledger)
    want(ledger, other)
    assert [step.document_key for step in book_all(ledger)] == [other.key]


def test_stock_that_comes_unseen_is_asked_for_on_a_slow_schedule(ledger: Ledger, clock: Clock) -> None:
    want(ledger, movement(1))
    for _ in range(2):
        refuse(ledger)
        clock.advance(RETRY_SECONDS - 61)
        assert claim(ledger) == []
        clock.advance(122)
    assert [step.step for step in book_all(ledger)] == [3]
    assert ledger.unfinished() == 0


def test_a_newer_total_of_what_waits_is_posted_as_a_whole(ledger: Ledger) -> None:
    want(ledger, movement(1))
    refuse(ledger)
    want(ledger, replace(movement(1), revision=2, quantities={"quantity": Decimal(2)}))
    [step] = book_all(ledger)
    assert step.quantities == {"quantity": Decimal(2)}
