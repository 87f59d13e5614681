"""SAP connectors, poster and ledger against a real OData V2 server behind SAP's checks: what is read back are the sums.

Each test runs with metadata of our own, and with SAP's where that is at hand (`tests.servers.odata.sap_metadata`).
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from millrace.ledger import DesiredDocument, queries
from millrace.ledger.short_stock import RETRY_SECONDS
from sandbox import erp_metadata
from sandbox.erp import SandboxErp
from sandbox.erp_fields import SERVICES
from sandbox.erp_service import ROOT
from sandbox.erp_store import Store
from tests.conformance.erp_service import service_of
from tests.conformance.erp_world import World
from tests.conformance.faulty import Faulty
from tests.integration.sap_books import FIRST_ORDER, Sap, document, held
from tests.servers.jars import ServersUnavailable
from tests.servers.odata import ODataServer, sap_metadata
from tests.servers.odata_gate import gate

pytestmark = pytest.mark.server

CONNECTORS = ("sap_confirmation", "sap_goods_movement", "sap_requisition")
#: What may befall a change, with what ends it by itself.
FAULTS = ("lose_answer", "drop", "late", "half_answer", "lock", "throttle", "expire", "html", "down", "refuse")


def _unavailable(sentence: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture(scope="module", params=["metadata of our own", "metadata of SAP"])
def sap(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sap]:
    folder = tmp_path_factory.mktemp("odata")
    if request.param == "metadata of SAP":
        metadata = sap_metadata()
        if metadata is None:
            pytest.skip("SAP's metadata is not here: name its folder in MILLRACE_SAP_METADATA")
    else:
        metadata = folder
        for name in SERVICES:
            (folder / f"{name}.edmx").write_bytes(erp_metadata.write(name))
    try:
        server = ODataServer(metadata, folder)
    except ServersUnavailable as missing:
        _unavailable(str(missing))
    with server, httpx.Client(trust_env=False, timeout=30) as client:
        yield Sap(client, server.url, metadata)


@pytest.fixture
def world_of(sap: Sap, tmp_path: Path) -> Iterator[Callable[..., tuple[World, SandboxErp]]]:
    worlds: list[World] = []

    def make(connector: str, **settings: Any) -> tuple[World, SandboxErp]:
        wire = Faulty(httpx.MockTransport(lambda _: httpx.Response(500)))
        url = service_of(connector).base_url
        world = World(tmp_path, transport=wire, connector=connector, base_url=url, **settings)
        erp = SandboxErp(Store(":memory:"), world.sleep, gate(sap.client, sap.url, sap.metadata))
        wire.inner = httpx.ASGITransport(erp)
        worlds.append(world)
        return world, erp

    yield make
    for world in worlds:
        world.close()


@pytest.mark.parametrize("connector", CONNECTORS)
def test_totals_that_rise_and_fall_under_every_fault_are_read_back_as_the_plain_sums(
    connector: str, sap: Sap, world_of: Callable[..., tuple[World, SandboxErp]]
) -> None:
    chance = random.Random(7)
    world, erp = world_of(connector)
    orders = [str(next(FIRST_ORDER)) for _ in range(4)]
    wanted: dict[str, Decimal] = {}
    for revision in range(1, 5):
        for order in orders:
            for number in (1, 2):
                amount = Decimal(chance.randrange(1, 9000)) / 1000
                wanted[f"{order} {number}"] = amount
                world.want(document(connector, order, number, revision=revision, total=str(amount)))
        for kind in chance.sample(FAULTS, 6):
            erp.faults.add(kind=kind, seconds=5)
        world.settle()
    sums = {order: wanted[f"{order} 1"] + wanted[f"{order} 2"] for order in orders}
    totals, references = held(connector, sap, orders)
    assert totals == sums
    assert [reference for reference, count in references.items() if count > 1] == []
    assert world.ledger.inconsistent() == []
    assert len(erp.faults.met) > 5, "the faults must have happened"


@pytest.mark.parametrize("connector", CONNECTORS)
def test_a_blind_resend_doubles_what_the_server_holds(
    connector: str, sap: Sap, world_of: Callable[..., tuple[World, SandboxErp]]
) -> None:
    """Negative control: the server itself takes a reference twice, and the sums above would show it."""
    world, erp = world_of(connector, lookup=False)
    order = str(next(FIRST_ORDER))
    erp.faults.add(kind="lose_answer")
    world.want(document(connector, order, total="5"))
    world.settle()
    totals, references = held(connector, sap, [order])
    assert totals == {order: 10}
    assert list(references.values()) == [2]


@pytest.mark.parametrize("connector", ["sap_confirmation", "sap_goods_movement"])
def test_what_a_closed_period_refuses_is_reversed_and_posted_in_the_open_one(
    connector: str, sap: Sap, world_of: Callable[..., tuple[World, SandboxErp]]
) -> None:
    world, erp = world_of(connector)
    order = str(next(FIRST_ORDER))
    today = datetime.fromtimestamp(world.clock.seconds(), UTC).date()
    world.want(_dated(connector, order, today - timedelta(days=20), total="5"))
    world.settle()
    erp.rules.change(open_from=str(today - timedelta(days=10)))
    world.want(_dated(connector, order, today - timedelta(days=20), total="3", revision=2))
    world.settle()
    reasons = {posting["reason"] for report in world.ledger.order_report(order) for posting in report.postings}
    assert "closed_period" in reasons, "the ERP must have refused something"
    totals, references = held(connector, sap, [order])
    assert (totals, max(references.values())) == ({order: 3}, 1)


def _dated(connector: str, order: str, day: date, **more: Any) -> DesiredDocument:
    plain = document(connector, order, **more)
    return replace(plain, attributes={**plain.attributes, "posting_date": str(day)})


def test_short_stock_waits_for_stock_an_unknown_material_rejects_and_a_lock_is_waited_for(
    sap: Sap, world_of: Callable[..., tuple[World, SandboxErp]]
) -> None:
    world, erp = world_of("sap_goods_movement")
    order = str(next(FIRST_ORDER))
    erp.rules.change(at_most={"SCARCE": "2"}, unknown=["NONE"], locked=["BUSY"])
    materials = ("SCARCE", "NONE", "BUSY", "PLENTY")
    for number, material in enumerate(materials, 1):
        world.want(document("sap_goods_movement", order, number, material=material))
    for _ in range(8):
        world.post()
        world.clock.advance(70)
    assert world.ledger.ask(queries.dead_letters_by_reason) == {"CO/017": 1}
    assert erp.rules.locked, "the lock still stands, so the rest of the order waits behind it"
    erp.rules.change(locked=[], at_most={})
    world.clock.advance(RETRY_SECONDS)
    world.settle()
    items = sap.entities("API_MATERIAL_DOCUMENT_SRV", "A_MaterialDocumentItem")
    assert [item["Material"] for item in items if item["ManufacturingOrder"] == order] == ["BUSY", "PLENTY", "SCARCE"]


def test_listed_components_and_the_receipt_are_booked_and_cancelled_with_their_confirmation(
    sap: Sap, world_of: Callable[..., tuple[World, SandboxErp]]
) -> None:
    options = {"goods_movements": "listed", "receipt_storage_location": "0002"}
    world, _ = world_of("sap_confirmation", options=options)
    order = str(next(FIRST_ORDER))
    world.want(_with_component(order, 1, made="5", used="7.5"))
    world.settle()
    world.want(_with_component(order, 2, made="4", used="6"))
    world.settle()
    confirmations = sap.entities("API_PROD_ORDER_CONFIRMATION_2_SRV", "ProdnOrdConf2")
    groups = {c["ConfirmationGroup"] for c in confirmations if c["OrderID"] == order}
    items = sap.entities("API_PROD_ORDER_CONFIRMATION_2_SRV", "ProdnOrdConfMatlDocItm")
    booked: Counter[str] = Counter()
    for item in items:
        if item["ConfirmationGroup"] in groups:
            booked[item["GoodsMovementType"]] += Decimal(item["QuantityInEntryUnit"])
    assert booked == {"101": 9, "102": 5, "261": Decimal("13.5"), "262": Decimal("7.5")}


def _with_component(order: str, revision: int, *, made: str, used: str) -> DesiredDocument:
    plain = document("sap_confirmation", order, revision=revision, total=made)
    component = {"material": "STEEL-1", "unit": "KGM", "storage_location": "0001", "batch": "B1"}
    return replace(
        plain,
        quantities={**plain.quantities, "component:steel": Decimal(used)},
        attributes={**plain.attributes, "material": "PUMP-1", "components": {"steel": component}},
    )


def test_hold_and_release_change_the_stock_status_of_named_pieces(
    sap: Sap, world_of: Callable[..., tuple[World, SandboxErp]]
) -> None:
    world, _ = world_of("sap_goods_movement")
    material = f"PUMP-{next(FIRST_ORDER)}"
    held_pieces = {"quantity": Decimal(2), "serial:S1": Decimal(1), "serial:S2": Decimal(1)}
    world.want(_decision(material, "HOLD", "UNRESTRICTED", "QUALITY", held_pieces))
    world.want(
        _decision(material, "RELEASE", "QUALITY", "UNRESTRICTED", {"quantity": Decimal(1), "serial:S1": Decimal(1)})
    )
    world.settle()
    service = "API_MATERIAL_DOCUMENT_SRV"
    items = [i for i in sap.entities(service, "A_MaterialDocumentItem") if i["Material"] == material]
    assert [(i["GoodsMovementType"], i["QuantityInEntryUnit"]) for i in items] == [("322", "2.000"), ("321", "1.000")]
    pieces = [s for s in sap.entities(service, "A_SerialNumberMaterialDocument") if s["Material"] == material]
    assert sorted(piece["SerialNumber"] for piece in pieces) == ["S1", "S1", "S2"]


def _decision(material: str, decision: str, origin: str, target: str, amounts: dict[str, Decimal]) -> DesiredDocument:
    return DesiredDocument(
        key=f"P1|||{decision}|{material}",
        kind="QualityNotification",
        plant="P1",
        order_id=f"stock:{material}|0001",
        sort_key=decision,
        tier=1,
        revision=1,
        reference_version=1,
        quantities=amounts,
        attributes={
            "decision": decision,
            "material": material,
            "storage_location": "0001",
            "stock_type_from": origin,
            "stock_type_to": target,
            "order_id": "",
            "unit": "C62",
            "posting_date": "2026-03-02",
        },
    )


def test_the_base_urls_are_those_of_the_services(sap: Sap) -> None:
    names = {service_of(connector).base_url.rpartition(f"{ROOT}/")[2] for connector in CONNECTORS}
    assert names == set(SERVICES) <= {file.stem for file in sap.metadata.glob("*.edmx")}
