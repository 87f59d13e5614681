"""The replenishment flow over records in memory: one test per scenario."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.flows.stock_memory import Heard, polled, run, settings
from tests.flows.stock_records import (
    Record,
    answer,
    at,
    balance,
    decision,
    document,
    issue,
    notice,
    order,
    receipt,
    result,
)

NUMBER = "P1||STEEL|RM01|1"


def heard(records: list[Record], size: int = 1, **values: Any) -> Heard:
    """What the flow announced of records, without a crash."""
    found = Heard()
    run(settings(**values), [polled(records, size)], found)
    return found


def stock(found: Heard, status: str = "on_hand") -> Decimal:
    """Stock as last told."""
    return Decimal(found.standings["P1", "stock|STEEL|RM01"]["content"][status])


def test_late_snapshot() -> None:
    """A balance that comes hours after it was counted replaces the movements that it counts, and no others."""
    records = [balance(0, 500), issue(1, 30, 50), issue(2, 90, 20), issue(3, 300, 10)]
    late = balance(70, 440, as_of=60)
    assert stock(heard([*records, late])) == 410
    assert stock(heard([late, *records])) == 410


def test_duplicate_and_older_snapshot() -> None:
    """A balance that comes twice, or is older than the newest, changes nothing."""
    newest, older = balance(240, 400), balance(120, 450)
    records = [balance(0, 500), issue(1, 60, 50), newest, issue(2, 250, 30)]
    once = heard([*records, issue(3, 260, 5)])
    again = heard([*records, newest, older, newest, issue(3, 260, 5)])
    assert stock(once) == stock(again) == 365
    assert again.requests == {}


def test_in_transit_means_no_request() -> None:
    """What is shipped counts as supply; without the notice the same consumption asks."""
    under_way = [order(5, 200), notice("S1", 10, 200)]
    consumed = [balance(0, 150), *under_way, issue(1, 20, 80)]
    found = heard(consumed)
    assert found.requests == {}
    assert stock(found, "in_transit") == 200
    assert heard([each for each in consumed if each not in under_way]).quantities() == [230]


def test_acknowledgement_closes_and_a_missing_one_alerts() -> None:
    """The alert is told once the time is over, with class and owner, and closed by the acknowledgement."""
    asked = [balance(0, 150), issue(1, 10, 60), order(20, 210, request_number=NUMBER)]
    silent = heard([*asked, issue(2, 20 + 25 * 60, 1)])
    assert silent.open_alerts() == {("acknowledgement_missing", "STEEL|4500/10")}
    missing = next(iter(silent.alerts.values()))
    assert (missing["error_class"], missing["owner"]) == ("partner_data", "procurement")
    assert missing["event_time"] == at(20 + 24 * 60)
    answered = heard([*asked, issue(2, 20 + 25 * 60, 1), answer(20 + 26 * 60, 210)])
    assert answered.open_alerts() == set()
    assert [alert["closed"] for alert in answered.alerts.values()] == [False, True]
    in_time = heard([*asked, answer(60, 210), issue(2, 20 + 25 * 60, 1)])
    assert in_time.alerts == {}
    request = in_time.standings["P1", f"request|{NUMBER}"]["content"]
    assert (request["stage"], request["waits_for"]) == ("acknowledged", ["shipment of 210 of 4500/10 by 2026-03-06"])


def test_hold_crosses_and_release_rearms() -> None:
    """Stock on hold is no stock: the hold asks; after the release the next hold asks again."""
    hold = [balance(0, 150), decision("1", 10, 60)]
    assert heard(hold).quantities() == [210]
    released = [*hold, decision("2", 20, 60, "RELEASE"), issue(1, 30, 265)]
    assert heard(released).quantities() == [210, 205]


def test_the_signal_comes_before_the_line_stops() -> None:
    """Days of cover, the crossing and the end of stock are foreseen while nothing is asked for yet."""
    found = heard([balance(0, 160), issue(1, 10, 10)], rule={"lead_time_mean": 2, "demand_mean": 25, "cover_days": 4,
                                                             "order_up_to": None})  # fmt: skip
    assert found.requests == {}
    told = found.signals[-1]
    assert (told["reorder_point"], told["order_up_to"], told["days_of_cover"]) == (50, 150, 6)
    assert told["crosses_at"] == at(10 + 4 * 1440)
    assert told["stock_out_at"] == at(10 + 6 * 1440)


def test_demand_is_learned_and_told_in_the_request() -> None:
    """Ten days at 20 and 30 in turn; s follows from mean and deviation over the horizon."""
    days = [issue(day, 1440 * day + 60, 20 + 10 * (day % 2)) for day in range(10)]
    rule = {"reorder_point": None, "order_up_to": None, "lot_size": 100, "lead_time_mean": 3, "learn_days": 8}
    found = heard([balance(0, 400), *days, issue(99, 1440 * 10 + 60, 85)], rule=rule, age_days=400)
    request = next(iter(found.requests.values()))
    assert (request["demand_mean"], request["demand_days"], request["lead_time_mean"]) == (25, 8, 3)
    assert request["reorder_point"] == Decimal("75") + request["safety_stock"]
    assert request["quantity"] == 100


def test_a_request_that_is_received_is_forgotten_and_the_next_crossing_asks_again() -> None:
    """The way back: ordered, acknowledged, shipped in two parts, received."""
    way = [
        *(balance(0, 150), issue(1, 10, 60)),
        *(order(20, 210, request_number=NUMBER), answer(30, 210)),
        *(notice("S1", 40, 100), receipt("R1", 50, 100, "S1"), notice("S2", 60, 110), receipt("R2", 70, 110, "S2")),
    ]
    found = heard([*way, issue(2, 80, 205)])
    assert found.standings["P1", f"request|{NUMBER}"]["content"] is None
    assert found.quantities() == [210, 205]
    assert found.alerts == {}


def test_a_request_whose_order_is_cancelled_asks_again() -> None:
    """Nothing comes of it, so the need stands: the next crossing has the next number."""
    cancelled = order(30, 210, version=2, status="CANCELLED", request_number=NUMBER)
    found = heard([balance(0, 150), issue(1, 10, 60), order(20, 210, request_number=NUMBER), cancelled])
    assert list(found.requests) == [NUMBER, NUMBER[:-1] + "2"]


def test_either_consumption_or_its_documents_are_counted() -> None:
    """The same issue as a record and as a document: it leaves the stock once, whichever source is chosen."""
    records = [balance(0, 500), issue(1, 10, 40), document(20, 40)]
    assert stock(heard(records)) == 460
    assert stock(heard(records, movements="documents")) == 460


@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_and_shards_change_no_request(shards: int, workers: int, tmp_path: Path) -> None:
    """500 less 20 again and again: down to 100 twice, for what is asked for counts at once."""
    consumed = [balance(0, 500), *(issue(number, number, 20) for number in range(1, 40))]
    found = Heard()
    run(settings(shards=shards), [polled(consumed, 3)], found, tmp_path / "state", workers=workers)
    last_tick = Heard()
    run(settings(shards=shards), [polled(consumed, 3)], last_tick, workers=workers)
    assert last_tick.quantities() == [200, 200]
    assert set(found.requests) <= set(last_tick.requests)


def test_disorder_within_the_lateness_changes_nothing() -> None:
    """A receipt that is read after the issues of the same minutes has come before them all the same."""
    chance = random.Random(5)
    records = [balance(0, 300), *(issue(n, n, 30) for n in range(1, 8)), receipt("R1", 5, 200)]
    for _ in range(10):
        assert heard(chance.sample(records, len(records)), lateness_s=3600).requests == {}


def test_a_request_without_known_value_awaits_approval() -> None:
    """The price is that of the newest purchase order of the material, in the base unit."""
    crossing = [balance(0, 150), issue(1, 10, 60)]
    (unknown,) = heard(crossing, rule={"approval_above": 100}).requests.values()
    assert (unknown["value"], unknown["approval_required"]) == (None, True)
    bought = order(1, 1, item="90", unit="TNE", price=2000, status="COMPLETED")
    (priced,) = heard([bought, *crossing], rule={"approval_above": 420}).requests.values()
    assert (priced["value"], priced["currency"], priced["approval_required"]) == (420, "EUR", False)


ASKED = [balance(0, 150), issue(1, 10, 60)]
SECOND = NUMBER[:-1] + "2"


def minutely(first: int, last: int, number: int = 100) -> list[Record]:
    """A piece is used each minute: stock is judged, and stays short."""
    return [issue(number + minute, minute, 1) for minute in range(first, last)]


def test_a_rejected_request_is_told_counts_no_longer_and_is_not_asked_for_each_minute() -> None:
    """The alert names class, owner and reason; without the result the request counts as open."""
    records = [*ASKED, result(20), *minutely(21, 40)]
    found = heard(records)
    assert list(found.requests) == [NUMBER]
    assert stock(found, "open_requests") == 0
    assert stock(found, "projected") == stock(found) == 71
    [told] = [alert for alert in found.alerts.values() if alert["kind"] == "request_rejected"]
    assert (told["error_class"], told["owner"], told["severity"]) == ("application", "procurement", "CRITICAL")
    assert "ME/083" in told["message"]
    request = found.standings["P1", f"request|{NUMBER}"]["content"]
    assert request["stage"] == "rejected"
    assert request["waits_for"] == ["a person to try it again; asked for anew from 2026-03-16 06:10Z on"]
    open_still = heard([each for each in records if each["event_id"][0] != "p"])
    assert stock(open_still, "open_requests") == 210
    assert open_still.alerts == {}


def test_a_rejected_request_that_a_person_has_tried_again_counts_again() -> None:
    """The alert is closed; a second refusal is told once more, and still nothing is asked for under another number."""
    again = [*ASKED, result(20), *minutely(21, 25), result(26, "pending"), *minutely(27, 30)]
    found = heard(again)
    assert stock(found, "open_requests") == 210
    assert found.open_alerts() == set()
    refused = heard([*again, result(31), *minutely(32, 40)])
    assert refused.open_alerts() == {("request_rejected", f"STEEL|{NUMBER}")}
    assert len(refused.alerts) == 3
    assert list(refused.requests) == [NUMBER]
    booked = heard([*again, result(31, "booked"), *minutely(32, 40)])
    assert (booked.open_alerts(), stock(booked, "open_requests")) == (set(), 210)


def test_stock_that_was_above_its_limit_meanwhile_is_asked_for_anew() -> None:
    """Hysteresis arms by s + h, not by s."""
    refused = [*ASKED, result(20), issue(2, 30, 10)]
    enough = heard([*refused, balance(40, 130), issue(3, 50, 35)], rule={"hysteresis": 20})
    assert list(enough.requests) == [NUMBER, SECOND]
    little = heard([*refused, balance(40, 115), issue(3, 50, 35)], rule={"hysteresis": 20})
    assert list(little.requests) == [NUMBER]


@pytest.mark.parametrize(("rule", "minute"), [({"ask_again_h": 2}, 140), ({"unanswered_days": 1}, 10 + 1440)])
def test_a_rejected_request_is_asked_for_anew_once_its_time_is_over(rule: dict[str, Any], minute: int) -> None:
    """The default is the time after which a request without any answer is."""
    records = [*ASKED, result(20), *minutely(21, 30)]
    before = heard([*records, issue(999, minute - 1, 1)], rule=rule)
    assert list(before.requests) == [NUMBER]
    after = heard([*records, issue(999, minute, 1)], rule=rule)
    assert [(key, request["crossed_at"]) for key, request in after.requests.items()][1:] == [(SECOND, at(minute))]
    assert after.standings["P1", f"request|{NUMBER}"]["content"] is None


def test_results_of_other_documents_and_plants_without_results_change_nothing() -> None:
    """A confirmation that was refused is no request, whatever its key."""
    other = [result(20, kind="ProductionConfirmation"), result(21, number="P1|1000001|0010|WC|S1|1")]
    for records in ([*ASKED, *other], ASKED):
        found = heard([*records, *minutely(22, 25)])
        assert (found.alerts, stock(found, "open_requests")) == ({}, 210)
    without = settings(without=["PostingResult"])
    assert "PostingResult" not in without.reads()


def test_an_order_that_answers_a_rejected_request_counts() -> None:
    """A buyer may order by hand under the request's number: the request goes on as its order does."""
    found = heard([*ASKED, result(20), order(30, 210, request_number=NUMBER), *minutely(31, 40)])
    assert stock(found, "open_requests") == 210
    assert found.open_alerts() == set()
    assert found.standings["P1", f"request|{NUMBER}"]["content"]["stage"] == "ordered"
