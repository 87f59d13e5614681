"""SAP's purchase requisitions: what goes into one, and how it is found and withdrawn."""

from __future__ import annotations

import json
from typing import Any

import pytest

from millrace.errors import Rejected
from millrace.ledger.model import Action, Step
from sinks.erp.connector import Answer, Kind, Verdict
from sinks.erp.registry import create
from sinks.erp.sap_reference import plain_reference
from tests.conformance.erps.sap_requisition import Erp
from tests.unit.erp_steps import REFERENCE, step_of


def request_of(**more: Any) -> Step:
    return step_of(Erp().document(number=4, total="120"), **more)


def withdrawal() -> Step:
    return request_of(action=Action.REVERSE, reverses=REFERENCE, reverses_document="0010000001/00010")


def answered(step: Step, status: int, content: bytes) -> Verdict:
    return create("sap_requisition", {}).classify(step, Answer(status, {}, content))


def looked_up(step: Step, *entities: dict[str, str]) -> Verdict:
    answer = Answer(200, {}, json.dumps({"d": {"results": entities}}).encode())
    return create("sap_requisition", {}).read_lookup(step, answer)


def test_a_requisition_carries_reference_material_quantity_date_and_buyers() -> None:
    options = {"purchasing_organization": {"P1": "1010"}}
    request = create("sap_requisition", options).build(request_of())
    assert (request.method, request.path) == ("POST", "A_PurchaseRequisitionHeader")
    assert json.loads(request.body) == {
        "PurchaseRequisitionType": "NB",
        "PurReqnDescription": "MILLRACE",
        "to_PurchaseReqnItem": [
            {
                "PurReqnExternalReference": plain_reference(REFERENCE),
                "PurchaseRequisitionItemText": "R4",
                "PurchaseRequisitionType": "NB",
                "Material": "STEEL-1",
                "Plant": "P1",
                "StorageLocation": "0001",
                "RequestedQuantity": "120.000",
                "BaseUnit": "KG",
                "DeliveryDate": "/Date(1773273600000)/",
                "PurchasingGroup": "001",
                "PurchasingOrganization": "1010",
                "RequisitionerName": "MILLRACE",
            }
        ],
    }


def test_a_reference_keeps_all_its_digits_within_the_field() -> None:
    assert plain_reference(REFERENCE) == "0F0E0D0C0B0A59088706050403020100"


def test_what_sap_would_cut_is_rejected_by_its_field() -> None:
    with pytest.raises(Rejected, match="PurchasingGroup"):
        create("sap_requisition", {}).build(
            request_of(attributes={**request_of().attributes, "purchasing_group": "BUYERS"})
        )


def test_a_withdrawal_marks_the_item_as_deleted() -> None:
    request = create("sap_requisition", {}).reverse(withdrawal())
    key = "PurchaseRequisition=%270010000001%27,PurchaseRequisitionItem=%2700010%27"
    assert (request.method, request.path) == ("PATCH", f"A_PurchaseRequisitionItem({key})")
    assert json.loads(request.body) == {"IsDeleted": "X"}


def test_a_withdrawal_is_booked_by_an_answer_without_content_and_by_nothing_else() -> None:
    assert answered(withdrawal(), 204, b"") == Verdict(Kind.BOOKED, erp_document="0010000001/00010")
    assert answered(withdrawal(), 200, b"").kind is Kind.UNKNOWN
    assert answered(request_of(), 204, b"").kind is Kind.UNKNOWN


def test_a_withdrawal_is_found_by_its_mark() -> None:
    number = {"PurchaseRequisition": "0010000001", "PurchaseRequisitionItem": "00010"}
    assert looked_up(withdrawal(), {**number, "IsDeleted": "X"}).kind is Kind.BOOKED
    assert looked_up(withdrawal(), {**number, "IsDeleted": ""}).kind is Kind.ABSENT
    assert looked_up(withdrawal(), number).kind is Kind.UNKNOWN


def test_a_requisition_is_found_by_its_own_reference_only() -> None:
    number = {"PurchaseRequisition": "0010000001", "PurchaseRequisitionItem": "00010"}
    own = {**number, "PurReqnExternalReference": plain_reference(REFERENCE)}
    assert looked_up(request_of(), own) == Verdict(Kind.BOOKED, erp_document="0010000001/00010")
    assert looked_up(request_of(), {**number, "PurReqnExternalReference": "ANOTHER"}).kind is Kind.UNKNOWN
    assert looked_up(request_of()).kind is Kind.ABSENT


def test_the_answer_to_a_new_requisition_names_its_item() -> None:
    item = {"PurchaseRequisitionItem": "00010", "PurReqnExternalReference": plain_reference(REFERENCE)}
    entity = {"PurchaseRequisition": "0010000001"}
    deep = {**entity, "to_PurchaseReqnItem": {"results": [{**entity, **item}]}}
    assert answered(request_of(), 201, json.dumps({"d": deep}).encode()).erp_document == "0010000001/00010"
    assert answered(request_of(), 201, json.dumps({"d": entity}).encode()).kind is Kind.UNKNOWN
