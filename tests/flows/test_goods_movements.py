"""The flow of goods movements in memory: what is booked, what waits, and what a person has to post."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError
from sqlalchemy import select

from millrace.ledger import Ledger
from millrace.ledger.tables import dead_letters
from operators.document_keys import late_place
from schemas.batch import RawBatch
from sinks.ledger import LedgerPartition, document_records
from sinks.movement_batches import OVERRULED
from tests.flows.memory import Script, batch
from tests.flows.movement_memory import Book, component, confirmed, material, order, run, settings, used

ALL = [{"policy": "all"}]
BOLT = component("BOLT", 4, unit="C62", component_item="0002")


def consumption(*records: dict[str, Any], partition: int = 0, offset: int = 0) -> RawBatch:
    return batch("MaterialConsumption", records, partition, offset)


def referred(*given: tuple[str, list[dict[str, Any]]]) -> list[RawBatch]:
    return [batch(name, records, 0, number * 100) for number, (name, records) in enumerate(given)]


def booked(events: list[list[RawBatch]], references: list[RawBatch], state: Path | None = None, **values: Any) -> Book:
    book = Book()
    run(settings(**values), Script(events, references), book, state)
    return book


def test_each_kind_of_consumption_is_a_movement_of_its_own() -> None:
    rows = consumption(
        used(1),
        used(2, 30),
        used(3, 60, kind="RETURN", quantity=Decimal(1)),
        used(4, 61, kind="SCRAP", reason="DIM"),
        used(5, 62, kind="BY_PRODUCT", material="SLAG"),
    )
    book = booked([[rows]], referred(("Material", [material(), material("SLAG")])))
    by_kind = {"ISSUE": 4, "RETURN": 1, "SCRAP": 2, "BY_PRODUCT": 2}
    assert {kind: int(value) for (kind, _), value in book.totals().items()} == by_kind
    assert book.letters == {}


def test_no_batch_is_one_total_whether_it_is_null_or_empty() -> None:
    """Terminals of one line say it in either way, in the window and after it."""
    some = [used(1, 1, batch=None), used(2, 2, batch=""), used(3, 700), used(4, 3, batch=""), used(5, 4, batch=None)]
    polls = [batch("MaterialConsumption", [row], 0, at) for at, row in enumerate(some)]
    book = booked([polls], referred(("Material", [material()])))
    assert book.totals() == {("ISSUE", "STEEL"): Decimal(10)}
    assert sorted((row["batch"] or "", row["quantity"]) for row in book.best.values()) == [("", 8), ("B1", 2)]


def test_consumption_in_another_unit_is_booked_in_the_base_unit_exactly() -> None:
    """A third of a kilogram each: three of them are one kilogram, and nothing less."""
    rows = consumption(*(used(n, n, unit="GRM", quantity=Decimal(1)) for n in range(1, 4)))
    book = booked([[rows]], referred(("Material", [material(GRM=(1, 3))])))
    (document,) = book.best.values()
    assert (document["quantity"], document["unit"], document["revision"]) == (1, "KGM", 3)
    (origin,) = document["origins"]
    assert (origin["topic"], origin["first_offset"], origin["last_offset"]) == ("MaterialConsumption", 0, 2)


def test_consumption_of_a_material_that_is_not_known_ends_in_a_dead_letter_with_its_reason() -> None:
    book = booked([[consumption(used(1))]], [])
    (letter,) = book.letters.values()
    assert (letter.reason, letter.kind, str(letter.error_class)) == ("unit_conversion_unknown", "TOTAL", "partner_data")
    assert letter.owner
    assert "2.000000 KGM of STEEL" in letter.detail
    assert book.best == {}


def test_consumption_that_waited_is_booked_when_its_material_comes(tmp_path: Path) -> None:
    """Also after it was given up, and over a restart: state keeps it."""
    rows = [consumption(used(1)), consumption(used(2, 7200, source="line-2"), offset=1)]
    late = consumption(used(3, 9000, source="line-3"), offset=2)
    book = Book()
    run(settings(), Script([[*rows, late]], [], drain_after=2), book, tmp_path)
    assert book.reasons() == ["unit_conversion_unknown"]
    assert book.best == {}
    run(settings(), Script([[*rows, late]], referred(("Material", [material()]))), book, tmp_path)
    assert book.totals() == {("ISSUE", "STEEL"): Decimal(6)}


def test_units_that_change_are_applied_to_what_was_booked_before(tmp_path: Path) -> None:
    rows = [consumption(used(1, unit="BOX")), consumption(used(2, 1200, source="l2", unit="BOX"), offset=1)]
    book = Book()
    first = referred(("Material", [material(BOX=(10, 1))]))
    run(settings(), Script([rows], first, drain_after=2), book, tmp_path)
    assert book.totals() == {("ISSUE", "STEEL"): Decimal(20)}
    changed = [*first, batch("Material", [material(version=2, BOX=(12, 1))], 0, 500)]
    run(settings(), Script([rows], changed), book, tmp_path)
    assert book.totals() == {("ISSUE", "STEEL"): Decimal(48)}


def test_late_consumption_after_the_horizon_is_an_adjustment() -> None:
    rows = [consumption(used(1, 90_000)), consumption(used(2, 0), offset=1)]
    book = booked([rows], referred(("Material", [material()])), horizon_h=1)
    late = [row for row in book.best.values() if row["adjustment"]]
    assert [late_place(row["document_key"]) for row in late] == [("material-consumption", 0, 1)]
    assert book.totals() == {("ISSUE", "STEEL"): Decimal(4)}


def test_pieces_with_serial_numbers_are_never_posted_automatically() -> None:
    """Whether the record names them, or the material is declared; a person is told, and the bytes are kept."""
    rows = consumption(used(1, serials=["S1"]), used(2, 1, material="MOTOR"), used(3, 2))
    declared = [{"component": "MOT*"}]
    book = booked([[rows]], referred(("Material", [material(), material("MOTOR")])), serialised=declared)
    assert book.totals() == {("ISSUE", "STEEL"): Decimal(2)}
    assert book.reasons() == ["serialised_material", "serialised_material"]
    assert {(a["kind"], a["error_class"]) for a in book.alerts} == {("serialised_material", "application")}
    assert all(alert["owner"] for alert in book.alerts)


def test_a_negative_quantity_is_refused() -> None:
    book = booked([[consumption(used(1, quantity=Decimal(-1)))]], referred(("Material", [material()])))
    assert book.reasons() == ["negative_quantity"]
    assert book.best == {}


def test_a_confirmed_yield_issues_the_components_of_its_order() -> None:
    references = referred(
        ("Material", [material(), material("BOLT", base="C62")]),
        ("WorkOrder", [order(component("STEEL", 1, 3), BOLT)]),
        ("ProductionConfirmation", [confirmed(10, 7), confirmed(5, 2, window=1)]),
    )
    book = booked([[]], references, backflush=ALL)
    assert book.totals() == {("ISSUE", "STEEL"): Decimal("5.000000"), ("ISSUE", "BOLT"): Decimal(60)}
    steel = next(row for row in book.best.values() if row["quantity"] == Decimal("3.333333"))
    assert (steel["revision"], steel["order_id"], steel["operation"]) == (7, "O1", "0010")
    assert steel["document_key"].startswith(steel["correlation_id"] + "|backflush|")


@pytest.mark.parametrize("turn", range(4))
def test_backflush_follows_the_newest_of_everything_whatever_comes_first(turn: int) -> None:
    given = [
        ("Material", [material(), material("BOLT", base="C62")]),
        ("WorkOrder", [order(component("STEEL"), BOLT)]),
        ("WorkOrder", [order(component("STEEL", 3), version=2)]),
        ("ProductionConfirmation", [confirmed(4, 2), confirmed(10, 5)]),
    ]
    book = booked([[]], referred(*given[turn:], *given[:turn]), backflush=ALL)
    assert book.totals() == {("ISSUE", "STEEL"): Decimal(30)}
    assert book.letters == {}


def test_a_withdrawn_confirmation_takes_its_components_back() -> None:
    references = referred(
        ("Material", [material()]),
        ("WorkOrder", [order(component("STEEL"))]),
        ("ProductionConfirmation", [confirmed(10, 5), confirmed(10, 5, reference_version=2, withdrawn=True)]),
    )
    book = booked([[]], references, backflush=ALL)
    (document,) = book.best.values()
    assert document["withdrawn"]
    frame = pl.DataFrame([document])
    shown = [record["quantity"] for record in document_records(frame, "goods_movements")]
    kept = [record["quantity"] for record in document_records(frame, "goods_movements", whole=True)]
    assert (shown, kept) == ([0], [20]), "the ledger keeps it, in case the order comes back"


def test_a_confirmation_whose_order_is_not_known_waits_and_is_told() -> None:
    references = referred(("Material", [material()]), ("ProductionConfirmation", [confirmed(10, 5)]))
    book = booked([[]], references, backflush=ALL)
    assert book.reasons() == ["order_unknown"]
    assert book.best == {}


def test_a_serialised_component_is_told_to_a_person_and_the_others_are_booked() -> None:
    references = referred(
        ("Material", [material(), material("MOTOR", base="C62")]),
        ("WorkOrder", [order(component("STEEL"), component("MOTOR", 1, unit="C62", component_item="0003"))]),
        ("ProductionConfirmation", [confirmed(10, 5)]),
    )
    book = booked([[]], references, backflush=ALL, serialised=[{"component": "MOTOR"}])
    assert book.totals() == {("ISSUE", "STEEL"): Decimal(20)}
    (letter,) = book.letters.values()
    assert letter.reason == "serialised_material"
    assert "10.000000 C62 of MOTOR" in letter.detail
    (alert,) = book.alerts
    assert alert["kind"] == "serialised_material"
    assert alert["owner"] == letter.owner


def test_what_the_order_says_the_erp_books_is_not_booked_here() -> None:
    mine, theirs = component("STEEL"), component("BOLT", unit="C62", component_item="0002", erp_backflush=True)
    references = referred(
        ("Material", [material(), material("BOLT", base="C62")]),
        ("WorkOrder", [order(mine, theirs)]),
        ("ProductionConfirmation", [confirmed(10, 5)]),
    )
    assert set(booked([[]], references, backflush=ALL).totals()) == {("ISSUE", "STEEL")}
    none = booked([[]], references, backflush=[{"policy": "none_if_backflushed"}])
    assert none.totals() == {}


def test_an_order_that_gives_the_erp_what_the_settings_give_this_flow_is_told_once_per_component() -> None:
    """Repeats and newer versions say nothing new; what rules leave to the ERP, or to a person, is no contradiction."""
    theirs = component("BOLT", unit="C62", component_item="0002", erp_backflush=True)
    twice = component("BOLT", unit="C62", component_item="0003", erp_backflush=True)
    orders = [("WorkOrder", [order(component("STEEL"), theirs, twice, version=version)]) for version in (1, 1, 2)]
    references = referred(("Material", [material(), material("BOLT", base="C62")]), *orders)
    (alert,) = booked([[]], references, backflush=ALL).alerts
    assert (alert["kind"], alert["subject"], alert["owner"]) == (OVERRULED, "BOLT of order O1", "erp-integration")
    assert (alert["error_class"], alert["event_id"]) == ("application", f"{OVERRULED}/P1/O1/BOLT")
    for quiet in ({"backflush": [{"policy": "only_non_backflushed"}]}, {"backflush": ALL, "serialised": [{}]}):
        assert booked([[]], references, **quiet).alerts == []
    late = referred(*orders[:1], ("WorkOrder", [order(theirs, component("NUT", erp_backflush=True), version=2)]))
    assert [each["subject"] for each in booked([[]], late, backflush=ALL).alerts] == [
        "BOLT of order O1",
        "NUT of order O1",
    ]


@pytest.mark.parametrize("bill", [[component("STEEL")], [component("STEEL", erp_backflush=True)], []])
def test_the_letter_of_an_unknown_order_heals_when_the_order_comes(bill: list[Any], tmp_path: Path) -> None:
    """Also where nothing of the order is booked here; before it comes, the letter is open."""
    waits = referred(("Material", [material()]), ("ProductionConfirmation", [confirmed(10, 5)]))
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    assert open_letters(ledger, waits) == [("order_unknown", "open")]
    comes = [*waits, batch("WorkOrder", [order(*bill)], 0, 900)]
    assert open_letters(ledger, comes) == [("order_unknown", "resolved")]
    other = [*waits, batch("WorkOrder", [order(*bill, name="O2")], 0, 900)]
    assert open_letters(f"sqlite:///{tmp_path / 'other.db'}", other) == [("order_unknown", "open")]


def open_letters(ledger: str, references: list[RawBatch]) -> list[tuple[str, str]]:
    """Reason and state of the letters in a ledger that the flow wrote to."""
    book = Book()
    run(settings(backflush=ALL), Script([[]], references), book)
    written = LedgerPartition(ledger, "goods_movements")
    written.write_batch(book.batches)
    written.close()
    with Ledger(ledger, who="test") as opened:
        query = select(dead_letters.c.reason, dead_letters.c.state)
        return [tuple(row) for row in opened.ask(lambda connection: connection.execute(query).all())]


def test_a_component_that_is_backflushed_is_not_booked_as_reported_too() -> None:
    """Its issues are told to a person; its scrap is no part of the yield and is booked."""
    rows = consumption(used(1), used(2, 1, kind="SCRAP"), used(3, 2, order_id=""))
    references = referred(
        ("Material", [material()]),
        ("WorkOrder", [order(component("STEEL"))]),
        ("ProductionConfirmation", [confirmed(10, 5)]),
    )
    book = booked([[rows]], references, backflush=ALL)
    assert book.totals() == {("ISSUE", "STEEL"): Decimal(22), ("SCRAP", "STEEL"): Decimal(2)}
    assert book.reasons() == ["booked_elsewhere"]
    assert [alert["kind"] for alert in book.alerts] == ["booked_elsewhere"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"backflush": ALL, "erp_backflush": [{"component": "PAINT"}]}, "by the ERP"),
        ({"backflush": ALL, "reported": [{"component": "PAINT"}]}, "as reported"),
        ({"backflush": [{"component": "PA*", "policy": "all"}], "erp_backflush": [{"component": "P*"}]}, "by the ERP"),
        ({"backflush": [{"policy": "only_non_backflushed"}], "reported": [{"plant": "P1"}]}, "as reported"),
        ({"erp_backflush": [{"component": "PA*"}], "reported": [{"component": "PAINT"}]}, "as reported and by the ERP"),
    ],
)
def test_a_flow_in_which_two_sides_book_one_component_is_not_built(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        settings(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"backflush": [{"component": "PAINT", "policy": "none"}, *ALL], "erp_backflush": [{"component": "PAINT"}]},
        {"backflush": [{"plant": "P1", "policy": "all"}], "erp_backflush": [{"plant": "P2"}]},
        {"backflush": [{"policy": "only_non_backflushed"}], "erp_backflush": [{"component": "PAINT"}]},
        {"backflush": ALL, "reported": [{"component": "MOTOR"}], "serialised": [{"component": "MOT*"}]},
    ],
)
def test_a_flow_in_which_each_component_has_one_side_is_built(values: dict[str, Any]) -> None:
    assert settings(**values).rules().any
