"""Orders, materials and what changes of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from operators.reference_lane import FORGET, ReferenceLane, ReferenceOutput
from operators.references import Conversions, References, order_operations
from tests.property.stand_in import START, Record, Stub, frame, order, polled

BOX = {"unit": "BX", "numerator": Decimal(12), "denominator": Decimal(1)}
THIRD = {"unit": "KGM", "numerator": Decimal(1), "denominator": Decimal(3)}


def material(version: int, *conversions: dict[str, Any]) -> dict[str, Any]:
    return {
        "plant": "P1",
        "material": "M1",
        "version": version,
        "base_unit": "C62",
        "conversions": list(conversions),
    }


def lane() -> ReferenceLane:
    return ReferenceLane({"work-order": "WorkOrder"}, {"work-order": Stub("WorkOrder")})


def touched(of: ReferenceLane, *orders: Record) -> set[str]:
    output: ReferenceOutput = of.process(polled("work-order", orders, 0, 0))
    return set(output.touched["order_id"])


@pytest.mark.parametrize("versions", [(1, 2), (2, 1), (1, 2, 1)])
def test_the_newest_version_of_an_order_counts_whatever_comes_first(versions: tuple[int, ...]) -> None:
    references = References()
    for version in versions:
        record = order("O1", version, target_quantity=Decimal(version))
        references.put_orders(order_operations(frame("WorkOrder", [record])))
    assert references.orders["target"].to_list() == [Decimal(2)]


def test_versions_in_one_batch_count_as_one() -> None:
    references = References()
    records = [order("O1", 2), order("O1", 1), order("O1", 2), order("O2", 5)]
    changed = references.put_orders(order_operations(frame("WorkOrder", records)))
    assert sorted(changed["order_id"]) == ["O1", "O2"]
    assert references.orders.height == 2


def test_conversions_are_exact_and_rounded_once() -> None:
    conversions = Conversions()
    conversions.put(material(1, BOX, THIRD))
    convert = conversions.convert
    assert convert("P1", "M1", Decimal("2.5"), "BX", "C62") == Decimal(30)
    assert convert("P1", "M1", Decimal(1), "KGM", "C62") == Decimal("0.333333")
    assert convert("P1", "M1", Decimal(1), "BX", "KGM") == Decimal(36)
    assert convert("P1", "M1", Decimal(1), "BX", "MTR") is None
    assert convert("P2", "M1", Decimal(1), "BX", "C62") is None


def test_a_quantity_that_does_not_fit_the_other_unit_has_no_conversion() -> None:
    conversions = Conversions()
    conversions.put(material(1, {**BOX, "numerator": Decimal(10**11)}))
    assert conversions.convert("P1", "M1", Decimal(10**11), "BX", "C62") is None


def test_an_older_material_never_replaces_a_newer_one_also_after_a_restore() -> None:
    references = References()
    references.conversions.put(material(2, BOX))
    restored = References()
    restored.restore(references.snapshot())
    restored.conversions.put(material(1))
    assert restored.conversions.convert("P1", "M1", Decimal(1), "BX", "C62") == Decimal(12)


def test_an_order_is_touched_when_a_higher_version_changes_its_profile() -> None:
    of = lane()
    assert touched(of, order("O1"), order("O2")) == set()
    assert touched(of, order("O1", 1), order("O2", 2)) == set()
    assert touched(of, order("O1", 2, count_source="OPERATOR")) == {"O1"}
    assert touched(of, order("O1", 1)) == set()
    restored = lane()
    restored.restore(of.snapshot())
    assert touched(restored, order("O1", 3, count_source="OPERATOR"), order("O2", 3)) == set()
    assert touched(restored, order("O1", 4), order("O1", 5, unit="KGM")) == {"O1"}


def test_orders_that_ended_long_ago_leave_the_lane() -> None:
    of = lane()
    touched(of, *(order(f"O{n}", status="CLOSED") for n in range(50)), order("OPEN"))
    touched(of, order("NEW", event_time=START + FORGET + 1))
    assert len(of.snapshot()["keys"]) == 2 * 8
