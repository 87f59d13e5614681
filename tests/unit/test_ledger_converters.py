"""Records of the out contracts become desired documents with the names that connectors rely on."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from millrace.ledger.converters import CONVERTERS
from millrace.ledger.records import serials
from schemas.contracts import contract
from schemas.samples import sample


def record(kind: str, **fields: Any) -> dict[str, Any]:
    return {**sample(contract(kind), 1)[0], **fields}


@pytest.mark.parametrize("kind", CONVERTERS)
def test_a_record_of_each_kind_becomes_a_document_that_can_be_written(kind: str) -> None:
    for each in sample(contract(kind), 20):
        document = CONVERTERS[kind](each)
        assert (document.kind, document.plant, document.key) == (kind, each["plant"], each["document_key"])
        assert document.order_id
        assert json.loads(json.dumps(dict(document.attributes))) == dict(document.attributes)
        assert all(isinstance(amount, Decimal) for amount in document.quantities.values())


@pytest.mark.parametrize("kind", CONVERTERS)
def test_every_attribute_is_named_in_the_seam_for_connectors(kind: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "documents.md").read_text()
    [row] = [line for line in page.splitlines() if line.startswith(f"| `{kind}` | ") and "`unit`, " in line]
    everything = {name: value for each in sample(contract(kind), 50) for name, value in each.items() if value}
    named = set(CONVERTERS[kind](record(kind, **everything)).attributes)
    behind = set(contract("ReplenishmentRequest").fields) if kind == "ReplenishmentRequest" else set()
    assert {name for name in named - behind if f"`{name}`" not in row} == set()


@pytest.mark.parametrize(
    ("fields", "lane"),
    [
        ({"order_id": "1000471"}, "1000471"),
        ({"order_id": "", "purchase_order": "4500001"}, "purchase:4500001"),
        ({"order_id": "", "purchase_order": None, "material": "M", "storage_location": "L"}, "stock:M|L"),
    ],
)
def test_a_movement_without_an_order_has_a_lane_of_its_own(fields: dict[str, Any], lane: str) -> None:
    document = CONVERTERS["GoodsMovement"](record("GoodsMovement", **fields))
    assert (document.order_id, document.attributes["order_id"]) == (lane, fields["order_id"])


def test_serial_numbers_are_measures_so_that_a_difference_names_the_pieces() -> None:
    wanted = record("GoodsMovement", serials=["S2", "S1"], quantity=Decimal(2), withdrawn=False)
    quantities = CONVERTERS["GoodsMovement"](wanted).quantities
    assert quantities == {"quantity": Decimal(2), "serial:S1": Decimal(1), "serial:S2": Decimal(1)}
    assert serials(quantities) == ["S1", "S2"]


@pytest.mark.parametrize("kind", ["ReplenishmentRequest", "QualityNotification"])
def test_nothing_is_wanted_of_a_withdrawn_total(kind: str) -> None:
    document = CONVERTERS[kind](record(kind, withdrawn=True, quantity=Decimal(5)))
    assert (document.quantities, document.cancelled) == ({}, True)


def test_a_withdrawn_movement_keeps_what_it_had_for_an_order_that_is_released_again() -> None:
    """What is cancelled wants nothing, whatever its quantities: the ledger's own tests show that."""
    document = CONVERTERS["GoodsMovement"](record("GoodsMovement", withdrawn=True, serials=[], quantity=Decimal(5)))
    assert (document.quantities, document.cancelled) == ({"quantity": Decimal(5)}, True)


def test_roles_are_what_dependencies_speak_of() -> None:
    assert CONVERTERS["GoodsMovement"](record("GoodsMovement", movement="ISSUE")).attributes["role"] == "issue"
    assert (
        CONVERTERS["QualityNotification"](record("QualityNotification", decision="HOLD")).attributes["role"] == "hold"
    )
