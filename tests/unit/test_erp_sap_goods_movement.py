"""SAP's material documents: what goes into one, which movement type it has, and how a reversal is found."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from millrace.errors import Rejected
from millrace.ledger import DesiredDocument
from millrace.ledger.model import Action, Step
from sinks.erp.connector import Answer, Kind, Verdict
from sinks.erp.registry import create
from sinks.erp.sap_reference import short_reference
from tests.unit.erp_steps import REFERENCE, step_of

MIDNIGHT = "/Date(1772409600000)/"


def movement(amounts: dict[str, str] | None = None, final: bool = False, **attributes: Any) -> Step:
    """A goods movement of steel; attributes that are None are left out."""
    known = {
        "movement": "ISSUE",
        "order_id": "1000001",
        "material": "STEEL-1",
        "storage_location": "0001",
        "unit": "KGM",
        "posting_date": "2026-03-02",
        **attributes,
    }
    return step_of(
        DesiredDocument(
            key="P1|1000001|0010|ISSUE|STEEL-1",
            kind="GoodsMovement",
            plant="P1",
            order_id="1000001",
            sort_key="1",
            tier=1,
            revision=1,
            reference_version=1,
            quantities={name: Decimal(amount) for name, amount in (amounts or {"quantity": "7.5"}).items()},
            attributes={name: value for name, value in known.items() if value is not None},
            final=final,
        )
    )


def body(step: Step, **options: Any) -> dict[str, Any]:
    request = create("sap_goods_movement", options).build(step)
    assert request.path == "A_MaterialDocumentHeader"
    return json.loads(request.body)


def item(step: Step, **options: Any) -> dict[str, Any]:
    [found] = body(step, **options)["to_MaterialDocumentItem"]
    return found


def test_an_issue_to_an_order_carries_reference_order_reservation_and_batch() -> None:
    made = body(movement(final=True, batch="B1", reservation="0000012345", reservation_item="0002"))
    assert made == {
        "GoodsMovementCode": "03",
        "PostingDate": MIDNIGHT,
        "DocumentDate": MIDNIGHT,
        "ReferenceDocument": short_reference(REFERENCE),
        "MaterialDocumentHeaderText": "MILLRACE",
        "to_MaterialDocumentItem": [
            {
                "Material": "STEEL-1",
                "Plant": "P1",
                "StorageLocation": "0001",
                "Batch": "B1",
                "GoodsMovementType": "261",
                "EntryUnit": "KG",
                "QuantityInEntryUnit": "7.500",
                "ManufacturingOrder": "1000001",
                "Reservation": "0000012345",
                "ReservationItem": "0002",
                "ReservationIsFinallyIssued": True,
            }
        ],
    }


def test_the_receipt_of_an_order_goes_to_its_first_item_and_to_the_stock_type_that_is_named() -> None:
    made = body(movement(movement="RECEIPT", stock_type_to="QUALITY"))
    [found] = made["to_MaterialDocumentItem"]
    assert (made["GoodsMovementCode"], found["GoodsMovementType"], found["GoodsMovementRefDocType"]) == (
        "02",
        "101",
        "F",
    )
    assert (found["ManufacturingOrder"], found["ManufacturingOrderItem"]) == ("1000001", "1")
    assert found["InventoryUsabilityCode"] == "X"


def test_the_receipt_of_a_purchase_order_names_its_item() -> None:
    made = body(movement(movement="RECEIPT", order_id="", purchase_order="4500000001", purchase_order_item="00010"))
    [found] = made["to_MaterialDocumentItem"]
    assert (made["GoodsMovementCode"], found["GoodsMovementRefDocType"]) == ("01", "B")
    assert (found["PurchaseOrder"], found["PurchaseOrderItem"]) == ("4500000001", "00010")
    assert "ManufacturingOrder" not in found


def test_a_transfer_names_both_ends() -> None:
    found = item(movement(movement="TRANSFER", to_plant="P2", to_storage_location="0009", batch="B1"))
    assert (found["GoodsMovementType"], found["IssuingOrReceivingPlant"]) == ("301", "P2")
    assert (found["IssuingOrReceivingStorageLoc"], found["IssgOrRcvgBatch"]) == ("0009", "B1")


@pytest.mark.parametrize(
    ("attributes", "code", "kind"),
    [
        ({"movement": "BY_PRODUCT"}, "05", "531"),
        ({"movement": "ISSUE", "order_id": ""}, "03", "201"),
        ({"movement": "RETURN"}, "03", "262"),
        ({"movement": "SCRAP", "stock_type_from": "UNRESTRICTED"}, "03", "551"),
        ({"movement": "SCRAP", "stock_type_from": "QUALITY"}, "03", "553"),
        ({"movement": "SCRAP", "stock_type_from": "BLOCKED"}, "03", "555"),
        ({"movement": "TRANSFER", "to_storage_location": "0009"}, "04", "311"),
        ({"movement": None, "stock_type_from": "UNRESTRICTED", "stock_type_to": "QUALITY"}, "04", "322"),
        ({"movement": None, "stock_type_from": "QUALITY", "stock_type_to": "UNRESTRICTED"}, "04", "321"),
        ({"movement": None, "stock_type_from": "BLOCKED", "stock_type_to": "UNRESTRICTED"}, "04", "343"),
        ({"movement": None, "stock_type_from": "UNRESTRICTED", "stock_type_to": "BLOCKED"}, "04", "344"),
        ({"movement": None, "stock_type_from": "BLOCKED", "stock_type_to": "QUALITY"}, "04", "349"),
        ({"movement": "STATUS_CHANGE", "stock_type_from": "QUALITY", "stock_type_to": "BLOCKED"}, "04", "350"),
    ],
)
def test_each_movement_has_its_code_and_type(attributes: dict[str, Any], code: str, kind: str) -> None:
    made = body(movement(**attributes))
    assert (made["GoodsMovementCode"], made["to_MaterialDocumentItem"][0]["GoodsMovementType"]) == (code, kind)


def test_a_plant_has_movement_types_and_reason_codes_of_its_own() -> None:
    step = movement(reason="RUST")
    assert item(step, movement_types={"ISSUE": "961"}, reasons={"RUST": "0042"})["GoodsMovementType"] == "961"
    assert item(step, reasons={"RUST": "0042"})["GoodsMovementReasonCode"] == "0042"
    assert "GoodsMovementReasonCode" not in item(step)


def test_a_movement_without_a_type_is_rejected() -> None:
    with pytest.raises(Rejected, match="QUALITY QUALITY"):
        body(movement(movement=None, stock_type_from="QUALITY", stock_type_to="QUALITY"))


def test_serial_numbers_go_with_the_item() -> None:
    found = item(movement({"quantity": "2", "serial:S2": "1", "serial:S1": "1"}))
    assert [each["SerialNumber"] for each in found["to_SerialNumbers"]] == ["S1", "S2"]
    assert create("sap_goods_movement", {}).quantum("serial:S1", {}) == 1


def test_what_sap_would_cut_is_rejected_by_its_field() -> None:
    with pytest.raises(Rejected, match="Batch"):
        body(movement(batch="12345678901"))


def reversal() -> Step:
    return replace(movement(), action=Action.REVERSE, reverses=REFERENCE, reverses_document="2026/4900000001")


def answered(step: Step, status: int, **entity: str) -> Verdict:
    return create("sap_goods_movement", {}).classify(step, Answer(status, {}, json.dumps({"d": entity}).encode()))


def test_a_reversal_cancels_the_document_on_the_posting_date() -> None:
    request = create("sap_goods_movement", {}).reverse(reversal())
    assert (request.method, request.path) == (
        "POST",
        "Cancel?MaterialDocumentYear=%272026%27&MaterialDocument=%274900000001%27"
        "&PostingDate=datetime%272026-03-02T00%3A00%3A00%27",
    )


def test_a_reversal_is_booked_by_another_document_than_the_one_that_it_cancels() -> None:
    assert answered(reversal(), 200, MaterialDocumentYear="2026", MaterialDocument="4900000002") == Verdict(
        Kind.BOOKED, erp_document="2026/4900000002"
    )
    assert answered(reversal(), 200, MaterialDocumentYear="2026", MaterialDocument="4900000001").kind is Kind.UNKNOWN
    assert answered(reversal(), 200, MaterialDocumentYear="2026", MaterialDocument="").kind is Kind.UNKNOWN


def test_a_movement_is_booked_under_its_own_reference_only() -> None:
    number = {"MaterialDocumentYear": "2026", "MaterialDocument": "4900000001"}
    own = answered(movement(), 201, **number, ReferenceDocument=short_reference(REFERENCE))
    assert own == Verdict(Kind.BOOKED, erp_document="2026/4900000001")
    assert answered(movement(), 201, **number, ReferenceDocument="ANOTHER").kind is Kind.UNKNOWN
    assert answered(movement(), 201, **number).kind is Kind.UNKNOWN


def test_a_movement_is_looked_up_by_reference_and_a_reversal_by_what_it_reverses() -> None:
    connector = create("sap_goods_movement", {})
    assert connector.lookup(movement()).path == (
        f"A_MaterialDocumentHeader?$filter=ReferenceDocument%20eq%20%27{short_reference(REFERENCE)}%27"
        "&$select=MaterialDocumentYear,MaterialDocument,ReferenceDocument&$format=json"
    )
    assert connector.lookup(reversal()).path == (
        "A_MaterialDocumentItem?$filter=ReversedMaterialDocumentYear%20eq%20%272026%27"
        "%20and%20ReversedMaterialDocument%20eq%20%274900000001%27"
        "&$select=MaterialDocumentYear,MaterialDocument&$format=json"
    )
