"""Numbers and times that no plant has: they are told, and stop no flow, since it would stop at them for ever."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.flows.stock_memory import Heard, polled, run, settings
from tests.flows.stock_records import Record, balance, document, issue, order, receipt

MOST = Decimal("999999999999.999999")
TEN_DAYS = [issue(day, 1440 * day + 60, Decimal("0.00002")) for day in range(10)]  # type: ignore[arg-type]
TINY = {"reorder_point": None, "order_up_to": None, "cover_days": "0.01", "lead_time_mean": 3, "learn_days": 8}


def heard(*records: Record, **values: Any) -> Heard:
    found = Heard()
    run(settings(**values), [polled(records)], found)
    return found


@pytest.mark.parametrize(
    "records",
    [
        [balance(0, 999_999_999_999), receipt("R", 10, 50_000_000)],
        [balance(0, 0), *(receipt(f"R{n}", 10 + n, 100_000_000, unit="TNE") for n in range(12))],
        [balance(0, 0), *(issue(n, 10 + n, 100_000_000, unit="TNE") for n in range(12))],
        [balance(0, 999_999_999_999), balance(5, -999_999_999_999), balance(9, 999_999_999_999)],
        [*(order(n, 100_000_000, item=f"{n}", unit="TNE") for n in range(12)), balance(15, 0)],
    ],
)
def test_stock_beyond_every_number_is_the_largest_until_the_erp_counts_again(records: list[Record]) -> None:
    found = heard(*records, balance(60, 500), issue(99, 70, 1))
    told = {abs(signal["on_hand"]) for signal in found.signals} | {signal["open_requests"] for signal in found.signals}
    assert MOST in told or Decimal(999_999_999_999) in told
    assert found.signals[-1]["on_hand"] == 499


def test_a_request_beyond_every_number_asks_for_the_most_that_can_be_told() -> None:
    assert heard(balance(0, -999_999_999_999), issue(1, 30, 1)).quantities() == [MOST]


def test_a_value_that_is_too_large_to_be_told_is_not_known_and_awaits_approval() -> None:
    dear = order(3, 0, price=9_000_000_000, currency="IDR", status="CANCELLED")
    (request,) = heard(balance(0, 150), dear, issue(1, 30, 60), rule={"approval_above": 5000}).requests.values()
    assert (request["value"], request["currency"], request["approval_required"]) == (None, "IDR", True)


def test_demand_that_covers_nothing_to_speak_of_orders_nothing() -> None:
    assert heard(balance(0, 400), *TEN_DAYS, rule=TINY, age_days=400).quantities() == []


def test_a_balance_that_counts_what_is_still_to_come_is_refused_and_judges_nothing() -> None:
    """As if it had not come: it would count nothing for fifty years, and end a file's run fifty years later."""
    records = [balance(0, 150), issue(1, 30, 10), balance(60, 120), issue(2, 90, 1)]
    found = heard(*records[:1], balance(5, 90, as_of=50 * 365 * 1440), *records[1:])
    assert found.signals == heard(*records).signals
    assert found.reasons == ["future_as_of"]
    assert heard(balance(0, 150), balance(5, 90, as_of=9), issue(1, 30, 10)).signals[-1]["on_hand"] == 80


MADE = {"movement": "RECEIPT", "stock_type_from": None, "stock_type_to": "UNRESTRICTED"}


@pytest.mark.parametrize("name", ["purchase_order", "to_storage_location", "to_plant"])
def test_a_document_without_a_name_counts_the_same_whether_it_is_null_or_empty(name: str) -> None:
    told = [heard(balance(0, 500), document(10, 20, **MADE, **{name: text}), issue(1, 20, 0)) for text in (None, "")]
    assert [one.signals[-1]["on_hand"] for one in told] == [520, 520]
    assert set(told[1].standings) == set(told[0].standings)


def test_orders_that_answer_no_request_stand_alone_whether_that_is_null_or_empty() -> None:
    """An empty number is no request that several orders have in common."""
    papers = [order(1, 100, request_number=""), order(2, 100, item="20", request_number=""), receipt("R", 3, 100)]
    found = heard(balance(0, 500), *papers, issue(1, 30, 0)).standings
    assert found["P1", "item|4500/10"]["content"] is None
    assert found["P1", "item|4500/20"]["content"]["stage"] == "ordered"
