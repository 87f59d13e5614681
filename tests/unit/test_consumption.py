"""What was consumed as goods movements, and what a confirmed yield implies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from millrace.errors import Misconfigured
from millrace.ledger.goods_movement import desired_document
from operators.backflush import COMPONENT, Backflush, Policy, backflush
from operators.consumption import by_hand, movements, totals
from operators.references import Conversions
from operators.shifts import CalendarBook, utc_calendar
from operators.windows import Window
from schemas.contracts import contract
from schemas.samples import sample
from schemas.types import polars_schema

NAME = "MaterialConsumption"
START = datetime(2026, 3, 2, 6, tzinfo=UTC)
OPERATION = {"plant": "DE01", "order_id": "1000471", "operation": "0010"}
NUMBERED = pl.DataFrame({"plant": ["DE01"], "material": ["MOTOR-7"]})


def booked(*changes: dict[str, Any]) -> pl.DataFrame:
    fixed = {**OPERATION, "material": "STEEL-2", "batch": "B1", "serials": [], "storage_location": "RM01"}
    plain = {**fixed, "kind": "ISSUE", "event_time": START, "unit": "KGM", "quantity": Decimal(5), "reason": None}
    rows = [{**sample(contract(NAME), 1)[0], **plain, "event_id": f"e{n}", **c} for n, c in enumerate(changes)]
    frame = pl.DataFrame(rows, schema=polars_schema(contract(NAME)))
    return frame.with_columns(origin=pl.lit(0, pl.Int32), offset=pl.int_range(pl.len(), dtype=pl.Int64))


def factors() -> Conversions:
    known = Conversions()
    gram = {"unit": "GRM", "numerator": Decimal(1), "denominator": Decimal(3)}
    material = {"plant": "DE01", "material": "STEEL-2", "version": 1, "base_unit": "KGM", "conversions": [gram]}
    known.put(material)
    return known


def documents(*changes: dict[str, Any]) -> list[dict[str, Any]]:
    summed = totals(booked(*changes), Window.parse("1h"), CalendarBook([], utc_calendar()))
    found, _ = movements(summed, factors())
    return found.to_dicts()


def test_bookings_of_one_window_are_one_movement() -> None:
    first, second = documents(
        {}, {"event_time": START + timedelta(minutes=59)}, {"event_time": START + timedelta(hours=1)}
    )
    assert first["document_key"] == "DE01|1000471|0010|ISSUE|STEEL-2|B1|RM01|2026-03-02T06:00:00Z"
    assert (first["quantity"], first["revision"], second["quantity"], second["revision"]) == (10, 2, 5, 1)
    assert first["window_end"] == second["window_start"]


@pytest.mark.parametrize(
    ("kind", "leaves", "comes"),
    [
        ("ISSUE", "UNRESTRICTED", None),
        ("SCRAP", "UNRESTRICTED", None),
        ("RETURN", None, "UNRESTRICTED"),
        ("BY_PRODUCT", None, "UNRESTRICTED"),
    ],
)
def test_each_kind_is_a_movement_of_its_own(kind: str, leaves: str | None, comes: str | None) -> None:
    """A return is no smaller issue: pieces really came back."""
    found = documents({}, {"kind": kind, "quantity": Decimal(1), "batch": None})
    (document,) = [each for each in found if each["batch"] is None]
    assert (document["movement"], document["quantity"]) == (kind, 1)
    assert (document["stock_type_from"], document["stock_type_to"]) == (leaves, comes)


def test_a_total_is_converted_once_so_that_no_rounding_adds_up() -> None:
    """Three grams are one kilogram here: three times a third of it is one, and nothing less."""
    (document,) = documents(*[{"unit": "GRM", "quantity": Decimal(1)}] * 3, {})
    assert (document["quantity"], document["unit"], document["revision"]) == (6, "KGM", 4)


def test_a_total_whose_unit_is_not_known_waits() -> None:
    summed = totals(booked({"unit": "LTR"}, {}), Window.parse("1h"), CalendarBook([], utc_calendar()))
    good, stuck = movements(summed, factors())
    assert good["quantity"].to_list() == [5]
    assert stuck["unit"].to_list() == ["LTR"]


def test_a_reason_is_told_where_all_bookings_have_it() -> None:
    def reason(*given: str | None) -> str | None:
        return documents(*({"kind": "SCRAP", "reason": each} for each in given))[0]["reason"]

    assert reason("DIM", "DIM") == "DIM"
    assert reason("DIM", "SURF") is None
    assert reason("DIM", None) is None


def test_serialised_material_is_never_posted_automatically() -> None:
    """Whether the record names its pieces, or the material is known to have numbers."""
    rows = booked({}, {"serials": ["S1"]}, {"material": "MOTOR-7"}, {"material": "MOTOR-7", "plant": "US02"})
    auto, person = by_hand(rows, NUMBERED)
    assert auto["event_id"].to_list() == ["e0", "e3"]
    assert person["event_id"].to_list() == ["e1", "e2"]
    assert auto.columns == rows.columns


def test_a_movement_is_a_document_that_the_ledger_takes() -> None:
    (found,) = documents({})
    stated = {"reference_version": 1, "tier": 1, "adjustment": False, "withdrawn": False, "is_final": False}
    document = desired_document({**found, **stated, "origins": []})
    assert (document.key, document.revision) == (found["document_key"], 1)
    assert document.quantities == {"quantity": Decimal(5)}
    assert (document.attributes["role"], document.attributes["stock_type_from"]) == ("issue", "UNRESTRICTED")
    assert set(found) <= set(contract("GoodsMovement").fields)


def components(*names: str, operation: str = "0010") -> pl.DataFrame:
    where = {**OPERATION, "operation": operation, "storage_location": "RM01", "unit": "KGM"}
    rows = [{**where, "component": n, "numerator": Decimal(2), "denominator": Decimal(3)} for n in names]
    return pl.DataFrame(rows, schema=COMPONENT)


def confirmed(pieces: int) -> pl.DataFrame:
    return pl.DataFrame(
        {**OPERATION, "quantity_yield": Decimal(pieces)}, schema_overrides={"quantity_yield": pl.Decimal(18, 6)}
    )


@pytest.mark.parametrize(
    ("policy", "erp", "booked_here"),
    [
        (Policy.ALL, (), ["A", "B"]),
        (Policy.NONE, ("A",), []),
        (Policy.NONE_IF_BACKFLUSHED, ("A",), []),
        (Policy.NONE_IF_BACKFLUSHED, ("X",), ["A", "B"]),
        (Policy.ONLY_NON_BACKFLUSHED, ("A",), ["B"]),
    ],
)
def test_the_four_policies_of_backflush(policy: Policy, erp: tuple[str, ...], booked_here: list[str]) -> None:
    rules = Backflush(policy, erp=frozenset(erp))
    assert rules.booked(components("A", "B"))["component"].to_list() == booked_here


def test_none_if_backflushed_looks_at_the_operation() -> None:
    rules = Backflush(Policy.NONE_IF_BACKFLUSHED, erp=frozenset("A"))
    both = pl.concat([components("A", "B"), components("C", operation="0020")])
    assert rules.booked(both)["component"].to_list() == ["C"]


def test_a_component_may_have_a_policy_of_its_own() -> None:
    rules = Backflush(Policy.ALL, {"A": Policy.NONE}, reported=frozenset("A"), serialised=frozenset("C"))
    assert rules.booked(components("A", "B", "C"))["component"].to_list() == ["B"]


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        ({"policy": Policy.ALL, "erp": frozenset("A")}, "A would be booked by the flow and by the ERP"),
        ({"policy": Policy.ALL, "reported": frozenset("A")}, "A would be booked by the flow and as reported"),
        ({"policy": Policy.ONLY_NON_BACKFLUSHED, "reported": frozenset("A")}, "by the flow and as reported"),
        ({"policy": Policy.NONE, "policies": {"A": Policy.ALL}, "erp": frozenset("A")}, "by the flow and by the ERP"),
        ({"policy": Policy.NONE, "erp": frozenset("A"), "reported": frozenset("A")}, "as reported and by the ERP"),
    ],
)
def test_both_sides_booking_one_component_are_refused(rules: dict[str, Any], named: str) -> None:
    with pytest.raises(Misconfigured, match=named):
        Backflush(**rules)


def test_components_follow_from_the_whole_confirmed_yield() -> None:
    """Two kilograms for three pieces: a total of ten uses 6.666667, whatever it was confirmed in."""
    (row,) = backflush(confirmed(10), components("A")).to_dicts()
    assert (row["component"], row["quantity"], row["unit"]) == ("A", Decimal("6.666667"), "KGM")
    assert row["movement"] == "ISSUE"
    assert backflush(confirmed(9), components("A"))["quantity"].to_list() == [6]


def test_an_operation_without_components_uses_nothing() -> None:
    assert backflush(confirmed(10), components("A", operation="0020")).height == 0
