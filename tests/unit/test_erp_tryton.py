"""The Tryton connector: whatever happens between the requests of one posting, it is booked once or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from millrace.errors import Misconfigured
from tests.conformance.erp_world import World
from tests.conformance.faulty import Faulty
from tests.conformance.tryton_stand_in import TrytonStandIn, output, refuse
from tests.integration.tryton_plant import asked, confirmed, decided, moved, wanted

BUTTONS = ("production", "wait", "assign_try", "run", "do")


class Plant:
    """A plant, the stand-in that it posts to, and the line between them."""

    def __init__(self, folder: Path, erp: TrytonStandIn | None = None, **options) -> None:
        self.erp = erp or TrytonStandIn()
        self.wire = Faulty(self.erp.transport())
        self.world = World(
            folder,
            transport=self.wire,
            connector="tryton",
            base_url="https://erp.test/erp/rest/model",
            options={"employee": 1, **options},
        )

    def posting(self, order: str) -> dict:
        """The latest posting of an order."""
        return [p for report in self.world.ledger.order_report(order) for p in report.postings][-1]

    def booked(self) -> Decimal:
        """Pieces put out by productions that stand."""
        return sum((sign * output(record) for record, sign in self.erp.effects), Decimal(0))

    def states(self, model: str = "production") -> list[str]:
        return [record["state"] for record in self.erp.records.get(model, [])]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Plant]]:
    made: list[Plant] = []

    def build(erp: TrytonStandIn | None = None, **options) -> Plant:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Plant(folder, erp, **options))
        return made[-1]

    yield build
    for plant in made:
        plant.world.close()


def on(button: str) -> Callable[[httpx.Request], bool]:
    return lambda request: request.method == "POST" and request.url.path.endswith(f"/{button}")


FAULTS = {
    "timeout": lambda: httpx.ReadTimeout("no answer in time"),
    "500": lambda: httpx.Response(500),
    "locked": lambda: httpx.Response(423),
    "throttled": lambda: httpx.Response(429, headers={"Retry-After": "20"}),
    "half an answer": lambda: httpx.Response(200, content=b'{"id": 1, "sta'),
    "page": lambda: httpx.Response(200, content=b"<html>Please log on</html>"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("button", BUTTONS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_fault_at_any_button_ends_in_one_production(make, button: str, when: str, fault) -> None:
    plant = make()
    (plant.wire.instead if when == "before" else plant.wire.after)(on(button), fault)
    plant.world.want(confirmed("1", **{"yield": "5"}))
    plant.world.settle()
    assert (plant.posting("1")["status"], plant.states(), plant.booked()) == ("booked", ["done"], 5)


@pytest.mark.parametrize("button", BUTTONS[1:])
def test_stopped_by_its_settings_half_way_a_posting_is_asked_for_first(make, button: str) -> None:
    """Half of it is in the ERP: sent again as if nothing had been, it would be there twice."""
    plant = make(search_first=False)
    plant.wire.instead(on(button), lambda: httpx.Response(401))
    plant.world.want(confirmed("1", **{"yield": "5"}))
    with pytest.raises(Misconfigured):
        plant.world.post()
    assert plant.posting("1")["status"] == "unknown"
    plant.world.start()
    plant.world.settle()
    assert (plant.states(), plant.booked()) == (["done"], 5)


@pytest.mark.parametrize("button", BUTTONS[1:])
def test_what_is_refused_at_any_button_leaves_nothing_behind(make, button: str) -> None:
    plant = make()
    plant.wire.instead(on(button), lambda: refuse("Not now."))
    plant.world.want(confirmed("1", **{"yield": "5"}))
    plant.world.settle()
    assert (plant.posting("1")["status"], plant.posting("1")["detail"]) == ("rejected", "Not now.")
    assert (plant.states(), plant.booked()) == (["cancelled"], 0)


def test_what_cannot_be_withdrawn_is_named_with_its_state(make) -> None:
    plant = make()
    plant.wire.instead(on("do"), lambda: refuse("Not now."))
    plant.wire.instead(on("cancel"), lambda: refuse("Nor that."))
    plant.world.want(confirmed("1", **{"yield": "5"}))
    plant.world.settle()
    assert plant.posting("1")["detail"] == "Not now.; production,1 is left running: Nor that."


def test_a_record_that_was_withdrawn_does_not_count_as_found(make) -> None:
    plant = make()
    plant.wire.instead(on("do"), lambda: refuse("Not now."))
    plant.world.want(confirmed("1", **{"yield": "5"}))
    plant.world.settle()
    again = make(erp=plant.erp)  # another ledger, the same references
    again.world.want(confirmed("1", **{"yield": "5"}))
    again.world.settle()
    assert (plant.states(), plant.booked()) == (["cancelled", "done"], 5)


def test_a_button_refused_because_a_lost_request_had_its_effect_is_no_refusal(make) -> None:
    plant = make()
    plant.wire.after(on("run"), lambda: refuse('You can not call "run" on it.'))
    plant.world.want(confirmed("1", **{"yield": "5"}))
    plant.world.settle()
    assert (plant.posting("1")["status"], plant.states()) == ("booked", ["done"])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_reversal_that_is_lost_cancels_once(make, when: str) -> None:
    plant = make()
    plant.world.want(confirmed("1", **{"yield": "5"}))
    plant.world.settle()
    (plant.wire.instead if when == "before" else plant.wire.after)(on("cancel"), FAULTS["timeout"])
    plant.world.want(confirmed("1", 2, **{"yield": "3"}))
    plant.world.settle()
    assert (plant.states(), plant.booked()) == (["cancelled", "done"], 3)


@pytest.mark.parametrize(("closed", "reason"), [(True, "closed_period"), (False, "forbidden")])
def test_a_forbidden_button_is_explained_by_a_closed_period(make, closed: bool, reason: str) -> None:
    plant = make()
    until = {"__class__": "date", "year": 2026, "month": 3, "day": 31}
    plant.erp.records["stock.period"] = [{"id": 1, "state": "closed", "company": 1, "date": until}] * closed
    plant.world.want(confirmed("1", **{"yield": "5"}))
    plant.wire.instead(on("do"), lambda: httpx.Response(403))
    plant.world.post()
    assert plant.posting("1")["reason"] == reason
    assert plant.states() == ["cancelled"]


def test_short_stock_is_asked_for_again_after_the_time_set_for_it(make) -> None:
    plant = make(stock_retry_seconds=600)
    plant.erp.short = True
    plant.world.want(confirmed("1", **{"yield": "5"}))
    plant.world.post()
    assert (plant.posting("1")["status"], plant.posting("1")["reason"]) == ("accepted", "stock_short")
    asked_before = len(plant.wire.requests)
    plant.world.clock.advance(599)
    assert (plant.world.post(), len(plant.wire.requests)) == (0, asked_before)
    plant.erp.short = False
    plant.world.clock.advance(1)
    plant.world.post()
    assert (plant.posting("1")["status"], plant.states()) == ("booked", ["done"])


def test_a_requisition_can_be_withdrawn_until_it_is_approved(make) -> None:
    plant = make(approve=False)
    plant.world.want(asked("400", order="1"))
    plant.world.settle()
    plant.world.want(asked("300", order="1", revision=2))
    plant.world.settle()
    assert plant.states("purchase.requisition") == ["cancelled", "waiting"]
    plant.erp.records["purchase.requisition"][1]["state"] = "processing"
    plant.world.want(asked("200", order="1", revision=3))
    plant.world.settle()
    assert (plant.posting("1")["action"], plant.posting("1")["reason"]) == ("reverse", "no_reversal")


def test_the_line_of_a_requisition_says_the_request_number_that_the_purchase_will_show(make) -> None:
    plant = make()
    plant.world.want(asked("400", order="1"))
    plant.world.settle()
    [(_, [line])] = plant.erp.records["purchase.requisition"][0]["lines"]
    assert line["description"] == "R-17"


def moves_of(plant: Plant, model: str, field: str) -> list[tuple[int, float, object]]:
    [record] = plant.erp.records[model]
    return [(move["product"], move["quantity"], move.get("lot")) for _, moves in record[field] for move in moves]


def test_a_batch_is_a_lot_that_is_made_once_and_a_serial_number_is_a_line(make) -> None:
    plant = make()
    plant.wire.after(on("stock.lot"), FAULTS["timeout"])
    plant.world.want(moved("RECEIPT", "1", "5", batch="B-7"))
    plant.world.settle()
    assert [lot["number"] for lot in plant.erp.records["stock.lot"]] == ["B-7"]
    assert moves_of(plant, "production", "outputs") == [(1, 5.0, 1)]
    about = {"movement": "SCRAP", "material": "SCREW", "storage_location": "STO"}
    plant.world.want(wanted("GoodsMovement", "2", 1, {"quantity": "2", "serial:S1": "1", "serial:S2": "1"}, **about))
    plant.world.settle()
    assert moves_of(plant, "stock.shipment.internal", "moves") == [(1, 1.0, 2), (1, 1.0, 3)]


def test_hold_and_release_go_between_the_storage_and_the_hold_location(make) -> None:
    plant = make()
    plant.world.want(decided("HOLD", 1, "3", "UNRESTRICTED", "QUALITY"))
    plant.world.settle()
    [record] = plant.erp.records["stock.shipment.internal"]
    codes = dict(enumerate(sorted(["STO", "HOLD"]), 1))
    assert (codes[record["from_location"]], codes[record["to_location"]]) == ("STO", "HOLD")


REFUSED = {
    "purchase_order": moved("RECEIPT", "1", "1", purchase_order="4500000001"),
    "to_plant": moved("TRANSFER", "1", "1", to_plant="P2", to_storage_location="STO2"),
    "storage_location": moved("TRANSFER", "1", "1", to_storage_location="STO"),
    "movement": moved("LOAN", "1", "1"),
    "unit_unknown": moved("ISSUE", "1", "1", unit="XBX"),
    "serials": wanted(
        "GoodsMovement", "1", 1, {"quantity": "3", "serial:S1": "1"}, movement="ISSUE", order_id="1", material="SCREW"
    ),
}


@pytest.mark.parametrize(("reason", "document"), REFUSED.items(), ids=REFUSED)
def test_what_tryton_has_no_record_for_is_rejected_and_nothing_is_created(make, reason: str, document) -> None:
    plant = make()
    plant.world.want(document)
    plant.world.settle()
    assert (plant.posting("1")["status"], plant.posting("1")["reason"]) == ("rejected", reason)
    assert not any(request.method == "POST" for request in plant.wire.requests)


def test_measures_without_a_place_in_tryton_stay_unbooked(make) -> None:
    plant = make()
    plant.world.want(confirmed("1", **{"yield": "5", "rework": "2", "machine_time": "60"}))
    plant.world.settle()
    [report] = plant.world.ledger.order_report("1")
    assert (plant.booked(), len(report.postings)) == (5, 1)
    assert plant.world.ledger.booked_totals() == {("P1", "1", "0010"): {"yield": Decimal(5)}}


def test_a_total_is_booked_in_steps_that_the_unit_can_hold(make) -> None:
    plant = make()
    quantum = plant.world.connector.quantum
    kilograms = {"unit": "KGM"}
    assert [quantum(name, kilograms) for name in ("yield", "quantity", "scrap:A")] == [Decimal("0.01")] * 3
    assert quantum("yield", {"unit": "C62"}) == 1
    assert quantum("component:X", {"unit": "C62", "components": {"X": kilograms}}) == Decimal("0.01")


def test_a_connector_that_goes_on_for_ever_gives_its_order_back(make, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = make()
    circle = {("production", "wait"): ("draft", "request"), ("production", "draft"): ("request", "draft")}
    monkeypatch.setattr("tests.conformance.tryton_stand_in.BUTTONS", circle)
    plant.world.want(confirmed("1", **{"yield": "5"}))
    plant.world.post()
    assert (plant.posting("1")["status"], plant.posting("1")["reason"]) == ("unknown", "endless")
