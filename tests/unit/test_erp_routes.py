"""Which documents go to which of several ERP systems at once."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from millrace.ledger import Ledger
from sinks.erp.settings import PosterSettings
from tests.conformance.erp_world import document
from tests.unit.ledger_desk import RULES


def settings(*routes: dict[str, str], plants: dict[str, str] | None = None) -> PosterSettings:
    systems = [
        {"name": name, "connector": "sap_confirmation", "base_url": "http://erp.test"} for name in ("s4", "tryton")
    ]
    companies = {plant: {"company": company} for plant, company in (plants or {}).items()}
    return PosterSettings.model_validate(
        {"ledger": "sqlite://", "systems": systems, "routes": list(routes), "plants": companies}
    )


def test_plant_company_and_kind_choose_the_system_and_the_first_match_counts() -> None:
    found = settings(
        {"kind": "QualityNotification", "system": "tryton"},
        {"company": "ACME*", "system": "s4"},
        {"plant": "P9", "system": "tryton"},
        plants={"P1": "ACME DE", "P2": "ACME US", "P3": "OTHER"},
    )
    assert found.route("P1", "QualityNotification") == "tryton"
    assert (found.route("P1", "GoodsMovement"), found.route("P2", "GoodsMovement")) == ("s4", "s4")
    assert (found.route("P9", "GoodsMovement"), found.route("P3", "GoodsMovement")) == ("tryton", None)


def test_documents_of_different_plants_are_posted_to_different_systems_at_once(ledger: Ledger) -> None:
    found = settings({"plant": "P1", "system": "s4"}, {"plant": "P2", "system": "tryton"})
    ledger.put_desired(document(1, plant=plant, **{"yield": "1"}) for plant in ("P1", "P2", "P3"))
    assert ledger.intake(found.route) == [("P3", "ProductionConfirmation")]
    assert [step.plant for step in ledger.claim("s4", 10, RULES)] == ["P1"]
    assert [step.plant for step in ledger.claim("tryton", 10, RULES)] == ["P2"]


@pytest.mark.parametrize(
    ("routes", "sentence"),
    [
        ([], "routes must say what goes where"),
        ([{"system": "nowhere"}], "unknown systems: nowhere"),
        ([{"company": "ACMEE", "system": "s4"}], r"route 1: no plant .* has a company like 'ACMEE' \(ACME\)"),
        ([{"system": "s4"}, {"plant": "P1", "system": "tryton"}], "route 2 is never reached: route 1 takes all"),
    ],
)
def test_routes_that_lead_nowhere_are_refused(routes: list[dict[str, str]], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        settings(*routes, plants={"P1": "ACME"})


def test_a_lease_shorter_than_an_answer_may_take_is_refused() -> None:
    system = {"name": "s4", "connector": "sap_confirmation", "base_url": "http://erp.test", "answer_timeout": 60}
    with pytest.raises(ValidationError, match="at least one and a half times answer_timeout, 90 s"):
        PosterSettings.model_validate({"ledger": "sqlite://", "systems": [system], "lease_seconds": 60})
    assert PosterSettings.model_validate({"ledger": "sqlite://", "systems": [system]}).lease == 150
