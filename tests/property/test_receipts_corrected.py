"""Receipts that are corrected: of each the newest version counts, where and for what it says, whatever comes first."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from operators import stock_levels, supply
from operators.request_book import RequestBook
from operators.request_lifecycle import Terms
from operators.request_papers import papers
from schemas.contracts import contract
from schemas.types import polars_schema
from tests.flows.stock_memory import Heard, polled, run, settings
from tests.flows.stock_records import Record, at, balance, issue, order, receipt

LOCATIONS, ITEMS = ("RM01", "RM02"), ("10", "20", "30")
STATUSES = {"UNRESTRICTED": "on_hand", "QUALITY": "quality_hold", "BLOCKED": "blocked"}
#: Far above the reorder point, so that nothing is asked for.
PLENTY = 100_000
Sums = dict[tuple[str, str], Decimal]


class World:
    """Orders, receipts in several versions, and balances in between; versions rise with time."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.orders = [order(1, 10_000, item=item, storage_location="RM01") for item in ITEMS]
        self.receipts: list[Record] = []
        for number in range(chance.randint(1, 6)):
            minutes = sorted(chance.sample(range(10, 500), chance.randint(1, 4)))
            self.receipts += [
                receipt(
                    f"R{number}",
                    minute,
                    chance.randint(0, 90),
                    item=chance.choice(ITEMS),
                    version=version,
                    status=chance.choice(["RECEIVED"] * 4 + ["CANCELLED"]),
                    stock_type=chance.choice(list(STATUSES)),
                    storage_location=chance.choice(LOCATIONS),
                )
                for version, minute in enumerate(minutes, 1)
            ]
        counted = [(0, place) for place in LOCATIONS]
        counted += [(chance.randint(1, 500), chance.choice(LOCATIONS)) for _ in range(chance.randint(0, 2))]
        self.balances = [balance(minute, PLENTY + minute, storage_location=place) for minute, place in counted]
        told = [*self.orders, *self.receipts, *self.balances]
        told += chance.sample(self.receipts, len(self.receipts) // 2)
        chance.shuffle(told)
        self.records = [*told, *(issue(n, 600, 0, storage_location=place) for n, place in enumerate(LOCATIONS))]

    def plain(self) -> Sums:
        """By the plainest of loops: each balance and what receipts changed after it; what is ordered less received."""
        sums: Sums = defaultdict(Decimal)
        for place in LOCATIONS:
            last = max((b for b in self.balances if b["storage_location"] == place), key=lambda b: b["as_of"])
            sums[place, "on_hand"] = last["unrestricted"]
            for type_, status in STATUSES.items():
                now, then = self._received(at(600)), self._received(last["as_of"])
                sums[place, status] += now[place, type_] - then[place, type_]
        for item in ITEMS:
            received = sum(
                (r["quantity"] for r in self._newest(at(600)) if r["purchase_order_item"] == item), Decimal(0)
            )
            sums["RM01", "open_requests"] += 10_000 - received
        return sums

    def _newest(self, until: datetime) -> list[Record]:
        known = {r["receipt_id"]: r for r in self.receipts if r["event_time"] <= until}
        return [r for r in known.values() if r["status"] == "RECEIVED"]

    def _received(self, until: datetime) -> Sums:
        sums: Sums = defaultdict(Decimal)
        for each in self._newest(until):
            sums[each["storage_location"], each["stock_type"]] += each["quantity"]
        return sums

    def told(self) -> Sums:
        """By the flow."""
        heard = Heard()
        run(settings(keep_h=24), [polled(self.records, random.Random(len(self.records)).randint(1, 9))], heard)
        found = {place: heard.standings["P1", f"stock|STEEL|{place}"]["content"] for place in LOCATIONS}
        sums = {(place, name): Decimal(found[place][name]) for place in LOCATIONS for name in STATUSES.values()}
        return {**sums, ("RM01", "open_requests"): Decimal(found["RM01"]["open_requests"])}


@pytest.mark.parametrize("seed", range(30))
def test_of_a_receipt_the_newest_version_counts_alone(seed: int) -> None:
    """Quantity, stock type, storage location and item of the order may change, and a cancelled receipt come back."""
    world = World(seed)
    assert world.told() == world.plain()


@pytest.mark.parametrize(("quantity", "status", "on_hand"), [(90, "RECEIVED", 190), (100, "CANCELLED", 100)])
@pytest.mark.parametrize("kept_days", [0, 30])
def test_a_receipt_that_is_corrected_two_days_later_is_not_received_again(
    kept_days: int, quantity: int, status: str, on_hand: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its balance has it since long, and what moved then has left the state; where it left too, it counts again."""
    monkeypatch.setattr(stock_levels, "_LEAST_PRUNED", -100)
    monkeypatch.setattr(stock_levels, "_CORRECTED", timedelta(days=kept_days))
    days = [balance(1440 * day, 200 if day else 100) for day in range(3)]
    later = receipt("R", 2900, quantity, version=2, status=status)
    heard = Heard()
    run(
        settings(rules=[{"reorder_point": 0, "order_up_to": 1}]),
        [polled([*days[:1], receipt("R", 10, 100), *days[1:], later])],
        heard,
    )
    told = Decimal(heard.standings["P1", "stock|STEEL|RM01"]["content"]["on_hand"])
    assert (told == on_hand) is bool(kept_days)


def test_where_versions_that_moved_on_stay_in_their_place_some_sums_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: stock."""
    monkeypatch.setattr(stock_levels, "voided", lambda rows: rows.clear())
    assert any(World(seed).told() != World(seed).plain() for seed in range(5))


def test_where_a_receipt_is_another_one_for_each_item_some_sums_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: what is on its way."""

    def newest(rows: pl.DataFrame, order: Sequence[str]) -> pl.DataFrame:
        identity = ["plant", "purchase_order", "purchase_order_item", "kind", "record_id"]
        return rows.sort([*identity, *order], nulls_last=False).unique(identity, keep="last", maintain_order=True)

    monkeypatch.setattr(supply, "newest", newest)
    assert any(World(seed).told() != World(seed).plain() for seed in range(5))


def test_receipts_of_orders_that_nobody_tells_of_leave_in_the_end() -> None:
    """A plant whose orders were placed before their topic begins, or that has no such topic."""
    book, schema = RequestBook(lambda _: Terms(), timedelta(days=30)), polars_schema(contract("GoodsReceipt"))
    heights = []
    for day in range(0, 1600, 16):
        received = [receipt(f"R{day}.{n}", day * 1440, 5, item=f"{day}.{n}") for n in range(20)]
        book.add(papers("GoodsReceipt", pl.DataFrame(received, schema=schema)))
        book.follow(at(day * 1440))
        book.prune(at(day * 1440))
        heights.append(book.papers.height)
    assert heights[24] == 25 * 20, "an order may still come of what is a year old"
    assert max(heights) < 2000 * 0.9
    assert heights[-1] < 1600
