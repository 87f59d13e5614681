"""Short stock from the ERP's answer to the booking after stock has come: connector, poster and ledger together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from millrace.ledger import DesiredDocument, dependency_waits, queries
from sandbox.erp_service import ROOT
from tests.conformance.erp_world import World
from tests.conformance.erps.sap_goods_movement import Erp


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(
        tmp_path,
        connector="sap_goods_movement",
        base_url=f"http://erp.test{ROOT}/API_MATERIAL_DOCUMENT_SRV",
        reject_window=2,
    )
    yield made
    made.close()


def movement(number: int, kind: str = "ISSUE", order: str = "1000001", **attributes: Any) -> DesiredDocument:
    plain = Erp.document(None, number, order)  # type: ignore[arg-type]
    return replace(plain, attributes={**plain.attributes, "movement": kind, "storage_location": "0001", **attributes})


def booked(world: World) -> dict[str, Decimal]:
    """Quantity by material, as the ERP has it."""
    found: dict[str, Decimal] = {}
    for item in world.erp.entities.find("A_MaterialDocumentItem", {}):
        name = f"{item['GoodsMovementType']} {item['Material']}"
        found[name] = found.get(name, Decimal(0)) + Decimal(item["QuantityInEntryUnit"])
    return found


def test_an_issue_without_stock_waits_and_is_booked_with_the_receipt_that_brings_some(world: World) -> None:
    """Many such refusals do not stop the poster either: nothing is wrong with the documents."""
    world.erp.rules.change(at_most={"STEEL-1": "0"})
    world.want(*(movement(number) for number in range(1, 5)), movement(9, material="PAINT"))
    for _ in range(12):
        world.post()
        world.clock.advance(5)
    assert booked(world) == {"261 PAINT": Decimal(5)}
    assert world.ledger.ask(queries.dead_letters_by_reason) == {}
    [wait] = world.ledger.ask(dependency_waits.by_rule)
    assert (wait.rule, wait.count) == ("short stock", 4)
    world.erp.rules.change(at_most={})
    world.want(movement(20, "RECEIPT", "1000077"))
    for _ in range(12):
        world.post()
        world.clock.advance(5)
    assert booked(world) == {"261 PAINT": Decimal(5), "101 STEEL-1": Decimal(5), "261 STEEL-1": Decimal(20)}
    assert world.ledger.inconsistent() == []
