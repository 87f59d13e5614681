"""The SAP connector: what goes into a confirmation, and what its answers mean."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal

import pytest

from millrace.errors import Rejected
from millrace.ledger.model import Action, Step
from sinks.erp import odata
from sinks.erp.connector import Answer, Kind
from sinks.erp.registry import create
from tests.conformance.erp_world import document

REFERENCE = "0f0e0d0c-0b0a-5908-8706-050403020100"


def step(final: bool = False, **amounts: str) -> Step:
    wanted = document(**amounts)
    return Step(
        external_reference=REFERENCE,
        document_key=wanted.key,
        step=1,
        action=Action.BOOK,
        system="sap",
        kind=wanted.kind,
        plant=wanted.plant,
        order_id=wanted.order_id,
        operation=wanted.operation,
        quantities=wanted.quantities,
        attributes=wanted.attributes,
        final=final,
        revision=1,
        reference_version=1,
    )


def body(of: Step, **options) -> dict:
    return json.loads(create("sap_confirmation", options).build(of).body)


def verdict(status: int, content: object, headers: dict | None = None):
    answer = Answer(status, headers or {}, json.dumps(content).encode())
    return create("sap_confirmation", {}).classify(step(**{"yield": "1"}), answer)


def error(*codes: str) -> dict:
    details = [{"code": code, "message": f"text of {code}"} for code in codes[1:]]
    return {"error": {"code": codes[0], "message": {"value": "text"}, "innererror": {"errordetails": details}}}


def test_a_confirmation_carries_everything_a_practitioner_checks() -> None:
    made = body(step(final=True, **{"yield": "12.5", "rework": "1", "machine_time": "90"}, scrap_S1="2"))
    assert made == {
        "ExternalSystemConfirmation": REFERENCE,
        "OrderID": "1000001",
        "OrderOperation": "0010",
        "Sequence": "0",
        "Plant": "P1",
        "WorkCenter": "PRESS1",
        "ConfirmationText": "E",
        "EnteredByExternalUser": "MILLRACE",
        "IsFinalConfirmation": True,
        "FinalConfirmationType": "X",
        "OpenReservationsIsCleared": False,
        "PostingDate": "/Date(1772409600000)/",
        "ConfirmedExecutionStartDate": "/Date(1772409600000)/",
        "ConfirmedExecutionStartTime": "PT06H00M00S",
        "ConfirmedExecutionEndDate": "/Date(1772409600000)/",
        "ConfirmedExecutionEndTime": "PT06H05M00S",
        "ConfirmationYieldQuantity": "12.500",
        "ConfirmationScrapQuantity": "2.000",
        "ConfirmationReworkQuantity": "1.000",
        "VarianceReasonCode": "S1",
        "ConfirmationUnit": "PC",
        "OpConfirmedWorkQuantity2": "1.500",
        "OpWorkQuantityUnit2": "MIN",
    }


def test_execution_times_are_local_to_the_plant() -> None:
    made = body(step(**{"yield": "1"}), zones={"P1": "Asia/Tokyo"})
    assert made["ConfirmedExecutionStartTime"] == "PT15H00M00S"


def test_units_without_a_sap_name_go_as_iso_code_and_options_add_names() -> None:
    odd = dataclasses.replace(step(**{"yield": "1"}), attributes={"unit": "XZZ"})
    assert body(odd)["ConfirmationUnitISOCode"] == "XZZ"
    assert body(odd, units={"XZZ": "ZZ"})["ConfirmationUnit"] == "ZZ"


def test_two_scrap_reasons_make_two_confirmations_and_the_rest_goes_with_the_first() -> None:
    connector = create("sap_confirmation", {})
    amounts = {"yield": Decimal(5), "scrap:B": Decimal(2), "scrap:A": Decimal(1), "setup_time": Decimal(60)}
    assert connector.split(amounts) == [
        {"yield": 5, "scrap:A": 1, "setup_time": 60},
        {"scrap:B": 2},
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"order_id": "1234567890123"}, "OrderID"),
        ({"operation": "00100"}, "OrderOperation"),
        ({"plant": "PLANT"}, "Plant"),
        ({"quantities": {"yield": Decimal("1E+11")}}, "ConfirmationYieldQuantity"),
        ({"quantities": {"yield": Decimal("0.0001")}}, "ConfirmationYieldQuantity"),
        ({"order_id": "1\r\n2"}, "OrderID"),
    ],
)
def test_what_sap_would_cut_is_rejected_by_field_before_it_is_sent(change: dict, field: str) -> None:
    with pytest.raises(Rejected, match=field):
        body(dataclasses.replace(step(**{"yield": "1"}), **change))


def test_a_reversal_names_group_and_count_and_its_own_reference() -> None:
    reversal = dataclasses.replace(step(), action=Action.REVERSE, reverses_document="0000000007/00000003")
    path = create("sap_confirmation", {}).reverse(reversal).path
    assert path == (
        "CancelProdnOrdConf?ConfirmationGroup=%270000000007%27&ConfirmationCount=%2700000003%27"
        f"&ExternalSystemConfirmation=guid%27{REFERENCE}%27&PostingDate=datetime%272026-03-02T00%3A00%3A00%27"
    )


def test_quotes_in_a_key_are_doubled_and_control_characters_refused() -> None:
    assert odata.string_literal("a'b/../c", "K") == "%27a%27%27b%2F..%2Fc%27"
    with pytest.raises(Rejected, match="K"):
        odata.string_literal("a\r\nb", "K")


def test_booked_needs_number_and_own_reference() -> None:
    entity = {"ConfirmationGroup": "7", "ConfirmationCount": "3", "ExternalSystemConfirmation": REFERENCE}
    assert verdict(201, {"d": entity}).erp_document == "7/3"
    assert verdict(201, {"d": {**entity, "ExternalSystemConfirmation": "other"}}).kind is Kind.UNKNOWN
    assert verdict(201, {"d": {}}).kind is Kind.UNKNOWN


@pytest.mark.parametrize(
    ("status", "content", "kind", "reason"),
    [
        (400, error("M7/022"), Kind.REJECTED, "M7/022"),
        (400, error("M7/021"), Kind.REJECTED, "stock_short"),
        (400, error("/IWBEP/CM/1", "RU/505"), Kind.REJECTED, "RU/505"),
        (400, error("/IWBEP/CM/1", "CO/469"), Kind.RETRY, "locked"),
        (400, error("/IWCOR/CX_DS_EP_PROPERTY_ERROR"), Kind.MISCONFIGURED, "request_refused"),
        (400, "<html>", Kind.UNKNOWN, "not_an_erp_answer"),
        (403, error("/IWFND/MED/170"), Kind.MISCONFIGURED, "http_403"),
        (404, error("/IWFND/MED/170"), Kind.MISCONFIGURED, "http_404"),
        (404, error("RU/001"), Kind.REJECTED, "RU/001"),
    ],
)
def test_answers_are_sorted_by_how_one_goes_on(status: int, content: object, kind: Kind, reason: str) -> None:
    found = verdict(status, content)
    assert (found.kind, found.reason) == (kind, reason)


def test_a_look_up_believes_only_an_empty_result() -> None:
    connector = create("sap_confirmation", {})

    def read(content: object) -> Kind:
        answer = Answer(200, {}, json.dumps(content).encode())
        return connector.read_lookup(step(), answer).kind

    assert read({"d": {"results": []}}) is Kind.ABSENT
    assert read({"d": {}}) is Kind.UNKNOWN
    assert read({"d": None}) is Kind.UNKNOWN
    assert read({}) is Kind.UNKNOWN


@pytest.mark.parametrize(("unit", "quantum"), [("S", "0.001"), ("MIN", "0.06"), ("H", "3.6")])
def test_the_quantum_of_a_time_follows_the_activitys_unit(unit: str, quantum: str) -> None:
    connector = create("sap_confirmation", {"time_unit": unit})
    assert connector.quantum("setup_time", {}) == Decimal(quantum)
    assert connector.quantum("yield", {}) == Decimal("0.001")


def with_steel(**quantities: str) -> Step:
    plain = step(**{"yield": "5"})
    component = {"material": "STEEL-1", "unit": "KGM", "storage_location": "0001", "batch": "B1"}
    attributes = {**plain.attributes, "material": "PUMP-1", "components": {"steel": component}}
    amounts = {**plain.quantities, **{name: Decimal(amount) for name, amount in quantities.items()}}
    return dataclasses.replace(plain, attributes=attributes, quantities=amounts)


def test_goods_movements_go_with_the_confirmation_where_they_are_listed() -> None:
    made = body(with_steel(**{"component:steel": "7.5"}), goods_movements="listed", receipt_storage_location="0002")
    assert made["to_ProdnOrdConfMatlDocItm"] == [
        {
            "OrderID": "1000001",
            "Material": "STEEL-1",
            "Plant": "P1",
            "StorageLocation": "0001",
            "Batch": "B1",
            "GoodsMovementType": "261",
            "EntryUnit": "KG",
            "QuantityInEntryUnit": "7.500",
        },
        {
            "OrderID": "1000001",
            "OrderItem": "1",
            "Material": "PUMP-1",
            "Plant": "P1",
            "StorageLocation": "0002",
            "GoodsMovementType": "101",
            "GoodsMovementRefDocType": "F",
            "EntryUnit": "PC",
            "QuantityInEntryUnit": "5.000",
        },
    ]


def test_a_component_is_never_lost_because_the_options_leave_movements_to_the_order() -> None:
    with pytest.raises(Rejected, match="component:steel"):
        body(with_steel(**{"component:steel": "7.5"}))
    assert "to_ProdnOrdConfMatlDocItm" not in body(with_steel())


def test_components_stay_together_when_scrap_makes_a_second_confirmation() -> None:
    amounts = {"yield": Decimal(5), "scrap:A": Decimal(1), "scrap:B": Decimal(2), "component:steel": Decimal(8)}
    parts = create("sap_confirmation", {"goods_movements": "listed"}).split(amounts)
    assert ["component:steel" in part for part in parts] == [True, False]


def test_movements_are_suppressed_where_another_document_books_them() -> None:
    assert body(step(**{"yield": "5"}), no_goods_movements=True)["APIConfHasNoGoodsMovements"] is True
