"""The contracts as released: a change of one changes its line here, on purpose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from schemas import dictionary
from schemas.contracts import AVRO_FOLDER, Contract, contracts, fingerprint, load

FINGERPRINTS = {
    "Alert": "alert subject tier 3 02524a94ea5209b2",
    "DeadLetter": "dead-letter event_id tier 2 1ecb05473031af91",
    "GoodsMovement": "goods-movement material tier 1 856534ab5f0b6395",
    "GoodsReceipt": "goods-receipt purchase_order tier 1 cc2372d9dbf81b8a",
    "InventoryBalance": "inventory-balance balance_key tier 1 compacted e37caffafa23a9a9",
    "MachineCycle": "machine-cycle source tier 1 7ffc6aab1602fd33",
    "MachineState": "machine-state source tier 1 2bbccc986fbb107d",
    "Material": "material material tier 2 compacted 6dc23c46a805a496",
    "MaterialConsumption": "material-consumption source tier 1 c441e192b57232eb",
    "OperationReport": "operation-report source tier 1 6616c38ca1ee4141",
    "OrderAcknowledgement": "order-acknowledgement purchase_order tier 2 27a2d1dab516683c",
    "PostingResult": "posting-result order_id tier 1 740af6aa65e73604",
    "ProductionConfirmation": "production-confirmation order_id tier 1 dadf1b921168a9f2",
    "PurchaseOrder": "purchase-order purchase_order tier 2 79e8b21ae348230d",
    "QualityEvent": "quality-event source tier 1 232fc3dac3ea9229",
    "QualityNotification": "quality-notification material tier 1 1a88a7e13ff8c187",
    "ReplenishmentRequest": "replenishment-request material tier 2 aebf7cc4bd6d5965",
    "ShiftCalendar": "shift-calendar plant tier 2 compacted 5268e47deba77fe1",
    "ShipmentNotice": "shipment-notice purchase_order tier 2 527f289376065728",
    "StateTime": "state-time work_center tier 3 c1b648c216ecddb4",
    "StockProjection": "stock-projection material tier 3 c192f63c6858d734",
    "WorkOrder": "work-order order_id tier 1 compacted bb8843e875aff2fe",
}


def _fields(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for field in record["fields"]:
        yield field
        inner = field["type"]
        while isinstance(inner, dict) and inner["type"] == "array":
            inner = inner["items"]
        if isinstance(inner, dict) and inner["type"] == "record":
            yield from _fields(inner)


def _identity(contract: Contract) -> str:
    words = [
        contract.topic,
        contract.key,
        "tier",
        str(contract.tier),
        "compacted" if contract.compacted else "",
    ]
    return " ".join([*filter(None, words), fingerprint(contract.schema).hex()[:16]])


def test_no_contract_changed_unnoticed() -> None:
    assert {name: _identity(contract) for name, contract in contracts().items()} == FINGERPRINTS


@pytest.mark.parametrize("contract", contracts().values(), ids=contracts())
def test_a_contract_has_an_owner_a_tier_a_topic_and_a_key_that_is_a_field(contract: Contract) -> None:
    assert contract.owner
    assert contract.tier in {1, 2, 3}
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", contract.topic)
    assert contract.key in contract.fields
    assert isinstance(contract.schema["compacted"], bool)


@pytest.mark.parametrize("contract", contracts().values(), ids=contracts())
def test_every_field_says_its_meaning_and_its_unit(contract: Contract) -> None:
    silent = [
        field["name"]
        for field in _fields(contract.schema)
        if not re.search(r"Unit: |No unit\.|Rec 20 code", field.get("doc", ""))
    ]
    assert not silent


@pytest.mark.parametrize("contract", contracts().values(), ids=contracts())
def test_every_contract_carries_the_common_fields_first(contract: Contract) -> None:
    common = ("event_id", "event_time", "plant", "source", "sequence", "correlation_id")
    assert contract.fields[:6] == common


@pytest.mark.parametrize("contract", contracts().values(), ids=contracts())
def test_the_current_schema_of_a_contract_is_a_released_one(contract: Contract) -> None:
    released = [load(path) for path in (AVRO_FOLDER / "released" / contract.name).glob("*.avsc")]
    assert fingerprint(contract.schema) in {fingerprint(each.schema) for each in released}


def test_the_data_dictionary_is_fresh() -> None:
    assert dictionary.main(["--check"]) == 0
