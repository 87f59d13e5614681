"""Posting to a real ERP: afterwards its own stock, productions and requests equal the plain sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from millrace.errors import Misconfigured
from tests.conformance.erp_world import World
from tests.conformance.faulty import Faulty
from tests.conformance.test_connectors import HOSTILE
from tests.integration.tryton_plant import (
    BadLine,
    asked,
    change,
    confirmed,
    decided,
    made,
    moved,
    statuses,
    stock,
    total,
    wanted,
    world,
)
from tests.servers import Tryton

pytestmark = pytest.mark.server
Build = Callable[..., World]
HOLD, FREE = "QUALITY", "UNRESTRICTED"


@pytest.fixture
def plant(tmp_path: Path, tryton: Tryton) -> Iterator[Build]:
    """Builds plants that post to the ERP."""
    built: list[World] = []

    def build(**more) -> World:
        folder = tmp_path / str(len(built))
        folder.mkdir()
        key = folder / "key"
        key.write_text(more.pop("key", tryton.key))
        key.chmod(0o600)
        built.append(world(folder, tryton, key, **more))
        return built[-1]

    yield build
    for each in built:
        each.close()


def line(plant: World) -> Faulty:
    """The way from a plant to the ERP."""
    assert isinstance(plant._transport, Faulty)
    return plant._transport


def presses(button: str) -> Callable[[httpx.Request], bool]:
    return lambda request: request.method == "POST" and request.url.path.endswith(f"/{button}")


def lost() -> Exception:
    return httpx.ReadTimeout("no answer in time")


def test_over_a_bad_line_the_erp_ends_with_the_plain_sums(plant: Build, tryton: Tryton) -> None:
    before, requests = stock(tryton), requested(tryton)
    wire = BadLine(httpx.AsyncHTTPTransport(trust_env=False), seed=7, share=0.2)
    bad = plant(wire=wire)
    orders = {f"10{number}": (number, number % 3) for number in range(1, 5)}
    bad.want(*(confirmed(order, **{"yield": str(good), "scrap": "1"}) for order, (good, _) in orders.items()))
    bad.want(moved("ISSUE", "201", "40"), moved("RETURN", "202", "15"), moved("SCRAP", "stock:a", "7"))
    bad.want(moved("TRANSFER", "stock:b", "9", to_storage_location="STO2"), asked("400", order="stock:bad line"))
    bad.want(decided("HOLD", 1, "30", FREE, HOLD), decided("RELEASE", 2, "12", HOLD, FREE))
    bad.settle()
    bad.start()  # a new poster that knows nothing but the ledger
    bad.want(*(confirmed(o, 2, **{"yield": str(good + more), "scrap": "2"}) for o, (good, more) in orders.items()))
    bad.want(moved("ISSUE", "201", "25", revision=2), moved("TRANSFER", "stock:b", "11", 2, to_storage_location="STO2"))
    bad.settle()

    good = sum(amount + more for amount, more in orders.values())
    screws = {("SCREW", "STO"): -25 + 15 - 7 - 11 - 30 + 12, ("SCREW", "SCRAP"): 7, ("SCREW", "STO2"): 11}
    plain = total(made(good, scrap=2 * len(orders)), screws, {("SCREW", "HOLD"): 30 - 12})
    assert change(before, stock(tryton)) == plain
    assert requested(tryton) - requests == 400
    assert min(wire.lost["request"], wire.lost["answer"]) >= 8, "a line that loses nothing shows nothing"
    assert bad.ledger.inconsistent() == []
    assert {status for _, status, _ in statuses(bad, [*orders, "201", "202"])} == {"booked"}
    assert left_open(tryton) == []


def requested(tryton: Tryton) -> Decimal:
    """Quantity over all purchase requests of the ERP."""
    return sum((request["quantity"] for request in tryton.read("purchase.request", [], ["quantity"])), Decimal(0))


def left_open(tryton: Tryton) -> list[str]:
    """References of records that are neither done nor cancelled."""
    clause = [["state", "not in", ["done", "cancelled"]]]
    models = ("production", "stock.shipment.internal")
    return [record["reference"] for model in models for record in tryton.read(model, clause, ["reference"])]


def test_actual_consumption_is_booked_instead_of_the_bill_of_material(plant: Build, tryton: Tryton) -> None:
    before = stock(tryton)
    used = {"yield": "4", "component:SHEET": "9", "component:4711": "1.5"}
    components = {"4711": {"material": "COIL", "unit": "KGM"}, "SHEET": {"unit": "C62"}}
    about = {"material": "BRACKET", "operation": "0010", "components": components}
    here = plant()
    here.want(wanted("ProductionConfirmation", "301", 1, used, **about))
    here.settle()
    plain = {("BRACKET", "STO"): 4, ("SHEET", "STO"): -9, ("COIL", "STO"): Decimal("-1.5")}
    assert change(before, stock(tryton)) == plain


def test_without_the_look_up_the_same_lost_answer_books_twice(plant: Build, tryton: Tryton) -> None:
    """Negative control."""
    effects = []
    for settings in ({}, {"lookup": False, "options": {"search_first": False}}):
        before = stock(tryton)
        here = plant(**settings)
        line(here).after(presses("do"), lost)
        here.want(confirmed("401", **{"yield": "6"}))
        here.settle()
        effects.append(change(before, stock(tryton)))
    assert effects == [total(made(6)), total(made(12))]


def test_a_ledger_restored_from_a_backup_finds_what_it_had_posted(plant: Build, tryton: Tryton) -> None:
    before = stock(tryton)
    for _ in range(2):
        here = plant()
        here.want(confirmed("402", **{"yield": "3"}))
        here.settle()
        assert statuses(here, ["402"]) == [("book", "booked", None)]
    assert change(before, stock(tryton)) == total(made(3))


def test_short_stock_leaves_an_open_item_that_is_booked_when_stock_has_come(plant: Build, tryton: Tryton) -> None:
    before = stock(tryton)
    here = plant()
    here.want(confirmed("501", material="PUMP", **{"yield": "2"}), confirmed("502", **{"yield": "5"}))
    here.post()
    here.clock.advance(60)
    here.post()
    assert statuses(here, ["501", "502"]) == [("book", "accepted", "stock_short"), ("book", "booked", None)]
    here.want(moved("RECEIPT", "503", "10", material="GASKET"))
    here.post()
    here.clock.advance(241)
    here.post()
    assert statuses(here, ["501"])[0][:2] == ("book", "booked")
    pumps = {("PUMP", "STO"): 2, ("BRACKET", "STO"): -2, ("GASKET", "STO"): 10 - 4}
    assert change(before, stock(tryton)) == total(made(5), pumps)


def test_what_is_refused_half_way_is_withdrawn_and_rejected(plant: Build, tryton: Tryton) -> None:
    before = stock(tryton)
    here = plant()
    line(here).instead(presses("do"), lambda: httpx.Response(400, json={"status": 400, "message": "Not now."}))
    here.want(confirmed("601", **{"yield": "5"}))
    here.settle()
    assert statuses(here, ["601"]) == [("book", "rejected", "rejected")]
    assert change(before, stock(tryton)) == {}
    assert left_open(tryton) == []


def test_a_closed_period_is_named_as_the_reason(plant: Build, tryton: Tryton) -> None:
    here = plant()
    here.want(moved("ISSUE", "602", "1", posting_date="2019-06-01"))
    here.post()
    assert statuses(here, ["602"])[0] == ("book", "rejected", "closed_period")
    assert left_open(tryton) == []


def test_a_user_without_permission_stops_the_poster_and_nothing_is_lost(plant: Build, tryton: Tryton) -> None:
    here = plant(key=tryton.powerless_key)
    here.want(confirmed("701", **{"yield": "1"}))
    with pytest.raises(Misconfigured, match="system 'sap': "):
        here.post()
    assert statuses(here, ["701"])[0][:2] == ("book", "pending")


def test_a_hostile_order_reaches_the_erp_as_it_is_or_is_rejected_by_its_field(plant: Build, tryton: Tryton) -> None:
    here = plant()
    here.want(*(moved("ISSUE", order, "1") for order in HOSTILE.values()))
    here.settle()
    for order in HOSTILE.values():
        [report] = here.ledger.order_report(order)
        [posting] = report.postings
        found = tryton.read("production", [["reference", "like", f"{posting['external_reference']}%"]], ["reference"])
        if posting["status"] == "booked":
            assert [record["reference"] for record in found] == [f"{posting['external_reference']} {order}"]
        else:
            assert (posting["status"], found) == ("rejected", [])
            assert "order_id" in posting["detail"]
