"""What SAP's services share: metadata, message ids, repeatable requests, references in short fields."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from millrace.errors import Misconfigured, Rejected
from sandbox import erp_metadata
from sandbox.erp import SandboxErp
from sandbox.erp_books import ConfirmationBooks
from sandbox.erp_service import Service
from sandbox.erp_store import Store
from sinks.erp.connector import Answer, Kind
from sinks.erp.registry import create
from sinks.erp.sap_reference import plain_reference, short_reference
from tests.conformance.erp_service import service_of
from tests.conformance.erp_world import World, document
from tests.conformance.faulty import Faulty
from tests.unit.erp_steps import REFERENCE, step_of

CONNECTORS = ("sap_confirmation", "sap_goods_movement", "sap_requisition")
SERVICE = "API_PROD_ORDER_CONFIRMATION_2_SRV"


def metadata_of(connector: str) -> bytes:
    return erp_metadata.write(service_of(connector).base_url.rpartition("/")[2])


def without(metadata: bytes, *fields: str) -> bytes:
    """The same service in a release that does not know some fields."""
    text = metadata.decode()
    for field in fields:
        text, count = re.subn(rf'<(?:Property|Parameter) Name="{field}"[^>]*/>', "", text)
        assert count, field
    return text.encode()


def described(connector: str, metadata: bytes, **options: Any):
    return create(connector, options).described(Answer(200, {}, metadata))


# -- metadata


@pytest.mark.parametrize("connector", CONNECTORS)
def test_a_service_that_knows_every_field_leaves_nothing_out(connector: str) -> None:
    found = described(connector, metadata_of(connector))
    step = step_of(service_of(connector)().document())
    assert found.unknown == ()
    assert json.loads(found.connector.build(step).body) == json.loads(create(connector, {}).build(step).body)


def test_a_field_that_the_release_does_not_know_is_left_out_and_named() -> None:
    found = described("sap_confirmation", without(metadata_of("sap_confirmation"), "WorkCenter", "ConfirmationText"))
    assert found.unknown == ("ProdnOrdConf2.WorkCenter", "ProdnOrdConf2.ConfirmationText")
    body = json.loads(found.connector.build(step_of(document(**{"yield": "1"}))).body)
    assert "WorkCenter" not in body
    assert body["OrderID"] == "1000001"


@pytest.mark.parametrize(
    ("connector", "field"),
    [
        ("sap_confirmation", "ExternalSystemConfirmation"),
        ("sap_confirmation", "OpConfirmedWorkQuantity2"),
        ("sap_goods_movement", "ReferenceDocument"),
        ("sap_requisition", "IsDeleted"),
    ],
)
def test_a_service_without_what_no_posting_can_do_without_is_a_configuration_error(connector: str, field: str) -> None:
    with pytest.raises(Misconfigured, match=field):
        described(connector, without(metadata_of(connector), field))


def test_what_the_options_ask_for_has_to_be_known() -> None:
    metadata = without(metadata_of("sap_confirmation"), "APIConfHasNoGoodsMovements")
    assert described("sap_confirmation", metadata).unknown == ("ProdnOrdConf2.APIConfHasNoGoodsMovements",)
    with pytest.raises(Misconfigured, match="APIConfHasNoGoodsMovements"):
        described("sap_confirmation", metadata, no_goods_movements=True)


def test_the_metadata_of_another_service_is_a_configuration_error() -> None:
    with pytest.raises(Misconfigured, match="no ProdnOrdConf2"):
        described("sap_confirmation", metadata_of("sap_requisition"))


def test_lengths_are_those_of_the_service() -> None:
    shorter = metadata_of("sap_confirmation").replace(
        b'"WorkCenter" Type="Edm.String" MaxLength="8"', b'"WorkCenter" Type="Edm.String" MaxLength="3"'
    )
    step = step_of(document(**{"yield": "1"}))
    assert create("sap_confirmation", {}).build(step)
    with pytest.raises(Rejected, match=r"WorkCenter.*more than 3"):
        described("sap_confirmation", shorter).connector.build(step)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Please log on</html>", b"<edmx", b'{"d": {}}', b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'],
)
def test_what_is_no_metadata_is_asked_for_again(body: bytes) -> None:
    assert described("sap_confirmation", body) is None


# -- metadata through the driver


@pytest.fixture
def world_of(tmp_path: Path) -> Iterator[Callable[..., tuple[World, Faulty]]]:
    worlds: list[World] = []

    def make(metadata: bytes, **settings: Any) -> tuple[World, Faulty]:
        wire = Faulty(httpx.MockTransport(lambda _: httpx.Response(500)))
        world = World(tmp_path, transport=wire, **settings)
        store = Store(":memory:")
        world.erp = SandboxErp(
            store, world.sleep, lambda rules: [Service.of(SERVICE, ConfirmationBooks(store), rules, metadata)]
        )
        wire.inner = httpx.ASGITransport(world.erp)
        worlds.append(world)
        return world, wire

    yield make
    for world in worlds:
        world.close()


def metadata_reads(wire: Faulty) -> int:
    return sum(request.url.path.endswith("$metadata") for request in wire.requests)


def test_metadata_is_read_once_until_the_poster_starts_again_and_what_it_leaves_out_is_one_line(world_of) -> None:
    world, wire = world_of(without(metadata_of("sap_confirmation"), "WorkCenter"))
    with capture_logs() as logs:
        for number in range(1, 6):
            world.want(document(number, f"100000{number}", **{"yield": "5"}))
        world.settle()
    assert len(world.erp.store.documents()) == 5
    assert metadata_reads(wire) == 1
    [line] = [entry for entry in logs if entry["event"] == "fields_left_out"]
    assert line["fields"] == ["ProdnOrdConf2.WorkCenter"]
    world.start()
    world.want(document(6, "1000006", **{"yield": "5"}))
    world.settle()
    assert metadata_reads(wire) == 2


def test_a_service_that_lacks_a_reference_stops_the_poster_before_anything_is_sent(world_of) -> None:
    world, _ = world_of(without(metadata_of("sap_confirmation"), "ExternalSystemConfirmation"))
    world.want(document(**{"yield": "5"}))
    with pytest.raises(Misconfigured, match="lacks ExternalSystemConfirmation"):
        world.post()
    assert world.statuses() == [("book", "pending")]
    assert world.erp.store.documents() == []


def test_without_its_metadata_an_older_release_refuses_the_field_that_it_does_not_know(world_of) -> None:
    """Negative control: the same release, not asked, stops the poster with the field's name."""
    world, wire = world_of(without(metadata_of("sap_confirmation"), "WorkCenter"), options={"read_metadata": False})
    world.want(document(**{"yield": "5"}))
    with pytest.raises(Misconfigured, match="WorkCenter"):
        world.post()
    assert metadata_reads(wire) == 0


def test_metadata_that_does_not_come_is_waited_for(world_of) -> None:
    world, wire = world_of(metadata_of("sap_confirmation"))
    answers = [
        lambda: httpx.Response(503),
        lambda: httpx.Response(200, content=b"<html>"),
        lambda: httpx.ReadTimeout(""),
    ]
    wire.instead(lambda request: request.url.path.endswith("$metadata"), *answers)
    world.want(document(**{"yield": "5"}))
    world.settle()
    assert (world.statuses(), len(world.erp.store.documents())) == ([("book", "booked")], 1)


# -- requests


def test_a_request_that_is_repeated_has_the_same_id_and_date(world_of) -> None:
    world, wire = world_of(metadata_of("sap_confirmation"))
    wire.instead(lambda request: request.method == "POST", lambda: httpx.ReadTimeout("no answer in time"))
    world.want(document(**{"yield": "5"}))
    world.settle()
    first, second = [request.headers for request in wire.requests if request.method == "POST"]
    [posting] = [posting for report in world.ledger.order_report("1000001") for posting in report.postings]
    assert first["RequestID"] == second["RequestID"] == plain_reference(posting["external_reference"])
    assert first["RepeatabilityCreation"] == second["RepeatabilityCreation"] == "Tue, 14 Nov 2023 22:13:20 GMT"


def test_repeatable_requests_can_be_turned_off() -> None:
    request = create("sap_confirmation", {"repeatable": False}).build(step_of(document(**{"yield": "1"})))
    assert "RequestID" not in request.headers


def test_a_short_reference_is_the_same_for_ever() -> None:
    """It is what bookings of older versions are found by."""
    assert short_reference(REFERENCE) == "5UIQ3UYGPM5FCTH2"


@given(st.sets(st.uuids(version=5), min_size=2, max_size=200))
def test_short_references_fit_the_field_and_differ(references: set) -> None:
    made = {short_reference(str(reference)) for reference in references}
    assert len(made) == len(references)
    assert all(re.fullmatch("[A-Z2-7]{16}", each) for each in made)


# -- message ids


def refusal(*codes: str, **options: Any) -> tuple[Kind, str | None]:
    details = [{"code": code, "message": f"text of {code}"} for code in codes[1:]]
    error = {"code": codes[0], "message": {"value": "text"}, "innererror": {"errordetails": details}}
    answer = Answer(400, {}, json.dumps({"error": error}).encode())
    verdict = create("sap_goods_movement", options).classify(step_of(document(**{"yield": "1"})), answer)
    return verdict.kind, verdict.reason


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (("M7/053",), (Kind.REJECTED, "closed_period")),
        (("/IWBEP/CX_1/2", "M7/021", "M7/001"), (Kind.REJECTED, "stock_short")),
        (("M7/021", "CO/017"), (Kind.REJECTED, "CO/017")),
        (("M7/021", "M3/897"), (Kind.RETRY, "locked")),
        (("/IWBEP/CM_COS/005",), (Kind.UNKNOWN, "ask_again")),
        (("M3/897", "/IWBEP/CM_COS/005"), (Kind.UNKNOWN, "ask_again")),
        (("ZMM/001",), (Kind.REJECTED, "ZMM/001")),
    ],
)
def test_message_ids_say_how_one_goes_on(codes: tuple[str, ...], expected: tuple[Kind, str]) -> None:
    assert refusal(*codes) == expected


def test_a_system_can_say_otherwise_for_an_id_or_a_class() -> None:
    messages = {"M7/053": "reject", "ZMM/*": "retry", "ZMM/007": "configuration"}
    assert refusal("M7/053", messages=messages) == (Kind.REJECTED, "M7/053")
    assert refusal("ZMM/001", messages=messages) == (Kind.RETRY, "locked")
    assert refusal("ZMM/007", messages=messages) == (Kind.MISCONFIGURED, "request_refused")
    with pytest.raises(Misconfigured, match="messages"):
        create("sap_goods_movement", {"messages": {"M7/053": "shrug"}})
