"""Reported consumption of a component that its order leaves to the ERP: told to a person, never booked twice."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from millrace.ledger import Ledger
from millrace.ledger.tables import dead_letters, documents
from operators import movement_elsewhere
from schemas.batch import RawBatch
from sinks.ledger import LedgerPartition
from tests.flows.memory import Script, batch
from tests.flows.movement_memory import Book, component, confirmed, material, order, run, settings, used

THEIRS = component("STEEL", erp_backflush=True)
BOOKED = {("ISSUE", "STEEL"): Decimal(2)}
#: Windows that close one after the other.
REPORTED = [batch("MaterialConsumption", [used(1)], 0, 0), batch("MaterialConsumption", [used(2, 7200)], 0, 1)]
#: No rule at all, one of another component, and what the plant is said to report.
POLICIES: list[dict[str, Any]] = [
    {},
    {"backflush": [{"component": "BOLT", "policy": "all"}]},
    {"backflush": [{"policy": "none"}]},
    {"reported": [{"component": "STEEL"}]},
]


def orders(*given: dict[str, Any]) -> list[RawBatch]:
    return [batch("Material", [material()], 0, 0), *(batch("WorkOrder", [each], 0, n) for n, each in enumerate(given))]


@pytest.mark.parametrize("values", POLICIES)
def test_what_the_order_leaves_to_the_erp_is_told_and_not_booked_as_reported_too(values: dict[str, Any]) -> None:
    book = Book()
    run(settings(**values), Script([REPORTED[:1]], orders(order(THEIRS))), book)
    assert book.totals() == {}
    (letter,) = book.letters.values()
    assert (letter.reason, letter.kind) == ("booked_elsewhere", "TOTAL")
    assert "2.000000 KGM of STEEL for order O1" in letter.detail
    assert [(alert["kind"], bool(alert["owner"])) for alert in book.alerts] == [("booked_elsewhere", True)]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_booked_before_its_order_came_is_taken_back(workers: int, tmp_path: Path) -> None:
    """The first life has booked one window; the order comes after a restart."""
    book = Book()
    run(settings(), Script([REPORTED], orders(), drain_after=2), book, tmp_path)
    assert book.totals()[("ISSUE", "STEEL")] >= Decimal(2)
    run(settings(), Script([REPORTED], orders(order(THEIRS))), book, tmp_path, workers=workers)
    assert book.totals() == {}
    assert set(book.reasons()) == {"booked_elsewhere"}


def test_what_a_newer_version_leaves_to_the_plant_again_is_booked_and_its_letter_is_settled(tmp_path: Path) -> None:
    book = Book()
    run(settings(), Script([REPORTED], orders(order(THEIRS)), drain_after=2), book, tmp_path)
    assert book.totals() == {}
    run(settings(), Script([REPORTED], orders(order(THEIRS), order(version=2))), book, tmp_path)
    assert book.totals() == {("ISSUE", "STEEL"): Decimal(4)}
    told = {letter.document_key for letter in book.letters.values()}
    assert told <= {each.document_key for item in book.batches for each in item.emptied}


def test_the_document_that_takes_back_does_not_settle_its_letter_and_the_order_that_gives_back_does(
    tmp_path: Path,
) -> None:
    """In a ledger, of which a restart knows nothing: the newest state of the letter and of the document."""
    ledger, state = f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path / "state"
    given = [orders(), orders(order(THEIRS)), orders(order(THEIRS), order(version=2))]
    found = [kept(ledger, each, state, last=each is given[-1]) for each in given]
    assert found == [([], [False]), (["open"], [True]), (["resolved"], [False])]


def kept(ledger: str, given: list[RawBatch], state: Path, *, last: bool) -> tuple[list[str], list[bool]]:
    """States of the letters, and whether the document of the first window wants nothing."""
    book, after = Book(), 2 if not last else None
    run(settings(), Script([REPORTED], given, drain_after=after), book, state)
    written = LedgerPartition(ledger, "goods_movements")
    written.write_batch(book.batches)
    written.close()
    key = "%T06:00:00Z%"
    with Ledger(ledger, who="test") as opened:
        letters = select(dead_letters.c.state).where(dead_letters.c.document_key.like(key))
        made = select(documents.c.cancelled).where(documents.c.key.like(key))
        return tuple(list(opened.ask(lambda c, q=q: c.execute(q).scalars().all())) for q in (letters, made))  # type: ignore[return-value]


def test_scrap_and_other_orders_and_operations_of_the_component_are_booked() -> None:
    """The order leaves the component to the ERP at one operation, and at another to the plant."""
    mine = component("STEEL", operation="0020", component_item="0002")
    rows = [
        used(1),
        used(2, 1, kind="SCRAP"),
        used(3, 2, order_id="O2"),
        used(4, 3, order_id=""),
        used(5, 4, operation="0020"),
        used(6, 5, kind="RETURN"),
    ]
    book = Book()
    given = orders(order(THEIRS, mine), order(mine, name="O2"))
    run(settings(), Script([[batch("MaterialConsumption", rows, 0, 0)]], given), book)
    assert book.totals() == {("ISSUE", "STEEL"): Decimal(6), ("SCRAP", "STEEL"): Decimal(2)}
    assert book.reasons() == ["booked_elsewhere", "booked_elsewhere"]


NONE_IF = [{"policy": "none_if_backflushed"}]
BOLT = component("BOLT", unit="C62", component_item="0002", erp_backflush=True)


@pytest.mark.parametrize(
    ("bill", "booked", "told"),
    [
        # The ERP backflushes BOLT of the operation, so this flow books none of it: STEEL is what the plant reports.
        ([component("STEEL"), BOLT], BOOKED, []),
        # The ERP backflushes none: this flow books STEEL from the yield, what is reported too would be booked twice.
        ([component("STEEL")], {}, ["booked_elsewhere"]),
        ([component("STEEL"), {**BOLT, "operation": "0020"}], {}, ["booked_elsewhere"]),
        # Nobody backflushes what no bill names.
        ([{**BOLT, "erp_backflush": False}], BOOKED, []),
        ([THEIRS], {}, ["booked_elsewhere"]),
    ],
)
def test_by_none_if_backflushed_the_order_says_whether_what_is_reported_counts(
    bill: list[dict[str, Any]], booked: dict[Any, Decimal], told: list[str]
) -> None:
    book = Book()
    run(settings(backflush=NONE_IF), Script([REPORTED[:1]], orders(order(*bill))), book)
    assert (book.totals(), book.reasons()) == (booked, told)


def test_by_none_if_backflushed_a_component_is_booked_once_whatever_the_order_comes_to(tmp_path: Path) -> None:
    """Each version of the order hands STEEL over: to this flow, to the plant, and back."""
    alone, beside = (component("STEEL"),), (component("STEEL"), BOLT)
    given = [order(*alone), order(*beside, version=2), order(*alone, version=3)]
    begun = [*orders(given[0]), batch("ProductionConfirmation", [confirmed(1, 5)], 0, 0)]
    found = []
    for number in range(1, 4):
        book = Book()
        later = [batch("WorkOrder", [each], 0, n) for n, each in enumerate(given[1:number], 1)]
        run(settings(backflush=NONE_IF), Script([REPORTED[:1]], [*begun, *later]), book, tmp_path / str(number))
        wanted = {key: row["quantity"] for key, row in book.best.items() if row["quantity"] and not row["withdrawn"]}
        found.append([("backflush" in key, quantity) for key, quantity in wanted.items()])
    assert found == [[(True, 2)], [(False, 2)], [(True, 2)]]


def test_orders_are_read_wherever_there_are_any() -> None:
    """Confirmations only where something is backflushed; a plant without orders says so."""
    assert settings().referred() == ("Material", "WorkOrder")
    assert settings(without=["WorkOrder"]).referred() == ("Material",)
    with pytest.raises(ValidationError, match="bills of WorkOrder"):
        settings(without=["WorkOrder"], backflush=[{"policy": "all"}])


def test_where_orders_are_not_asked_a_component_is_booked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A negative control."""
    monkeypatch.setattr(movement_elsewhere, "IMPLIED", ())
    book = Book()
    run(settings(), Script([REPORTED[:1]], orders(order(THEIRS))), book)
    assert book.totals() == BOOKED
