"""Crossings of the reorder point, and how much is asked for."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from millrace.errors import Misconfigured
from operators import supply
from operators.reorder_point import Cover, Demand, learned, reorder_point, safety_stock
from operators.safety_stock import CROSSINGS, PROJECTION, Place, Replenishment, judge, outlook, project, request_key
from operators.stock import BALANCE, MOVEMENT, STOCK_KEY, merge_balances, merge_movements, stock
from operators.supply import EXPECTED, SUPPLY

PLACE: Place = ("DE01", "STEEL-2", "RM01")
KEY = dict(zip(STOCK_KEY, PLACE, strict=True))
START = datetime(2026, 3, 2, 6, tzinfo=UTC)
NONE_CLOSED = pl.DataFrame(schema={**STOCK_KEY, "crossings": pl.Int64()})
POLICY = Replenishment(Decimal(40), order_up_to=Decimal(200), hysteresis=Decimal(10))
STATUSES = ("on_hand", "quality_hold", "blocked", "allocated", "in_transit", "open_requests")


def projection(**amounts: int) -> pl.DataFrame:
    row = {**KEY, "as_of": START, "unit": "KGM", **dict.fromkeys(STATUSES, 0), **amounts}
    shown = pl.DataFrame([row], schema={name: PROJECTION[name] for name in row})
    return project(shown.drop("in_transit", "open_requests"), shown.select(list(EXPECTED)))


class Desk:
    """The state of one key, step by step."""

    def __init__(self, policy: Replenishment = POLICY) -> None:
        self.policy, self.state = policy, pl.DataFrame(schema=CROSSINGS)

    def sees(self, closed: int | None = None, **amounts: int) -> list[dict[str, Any]]:
        rows = [{**KEY, "crossings": closed}] if closed else []
        done = pl.DataFrame(rows, schema=NONE_CLOSED.schema)
        self.state, asked = judge(self.state, projection(**amounts), {PLACE: self.policy}, done)
        return asked


def test_stock_at_the_reorder_point_is_ordered_up_to_s() -> None:
    desk = Desk()
    assert desk.sees(on_hand=41) == []
    (asked,) = desk.sees(on_hand=40)
    assert asked["quantity"] == 160
    assert asked["document_key"] == "DE01||STEEL-2|RM01|1"
    assert (asked["projected"], asked["reorder_point"]) == (40, 40)


def test_in_transit_means_no_request() -> None:
    """Neither does what is asked for already; what is reserved is not there."""
    assert Desk().sees(on_hand=5, in_transit=36) == []
    assert Desk().sees(on_hand=5, open_requests=36) == []
    assert len(Desk().sees(on_hand=5, in_transit=36, allocated=1)) == 1


def test_hold_crosses_release_rearms() -> None:
    desk = Desk()
    assert desk.sees(on_hand=100) == []
    (asked,) = desk.sees(on_hand=30, quality_hold=70)
    assert (asked["projected"], asked["quality_hold"]) == (30, 70)
    assert desk.sees(on_hand=100) == []
    assert desk.state["armed"].to_list() == [True]
    assert [each["request_number"] for each in desk.sees(on_hand=30, quality_hold=70)] == ["DE01||STEEL-2|RM01|2"]


def test_stock_that_wavers_about_the_reorder_point_is_ordered_once() -> None:
    """It is armed again above s + h only."""
    desk = Desk()
    asked = [len(desk.sees(on_hand=n)) for n in (45, 40, 42, 39, 50, 40, 51, 40)]
    assert asked == [0, 1, 0, 0, 0, 0, 0, 1]


def test_a_closed_request_rearms_and_stock_that_is_still_low_is_ordered_again() -> None:
    desk = Desk()
    assert len(desk.sees(on_hand=40)) == 1
    assert desk.sees(on_hand=40) == []
    assert desk.sees(on_hand=40, closed=7) == []
    assert [each["document_key"][-1] for each in desk.sees(on_hand=40, closed=1)] == ["2"]


def test_stock_without_a_balance_or_a_policy_is_not_ordered() -> None:
    unknown = projection(on_hand=0).drop("in_transit", "open_requests", "projected")
    unknown = unknown.with_columns(as_of=pl.lit(None, pl.Datetime("us", "UTC")))
    assert project(unknown, pl.DataFrame(schema=EXPECTED)).height == 0
    state, asked = judge(pl.DataFrame(schema=CROSSINGS), projection(on_hand=0), {}, NONE_CLOSED)
    assert (state.height, asked) == (0, [])


def test_keys_that_did_not_change_keep_their_state() -> None:
    """Only what is judged may cross; the numbers of the others go on from where they were."""
    other = {**KEY, "material": "PAINT", "armed": False, "crossings": 16}
    state, asked = judge(pl.DataFrame([other], schema=CROSSINGS), projection(on_hand=40), {PLACE: POLICY}, NONE_CLOSED)
    assert state.rows() == [("DE01", "PAINT", "RM01", False, 16), (*PLACE, False, 1)]
    assert [each["material"] for each in asked] == ["STEEL-2"]


def issues(count: int) -> list[tuple[str, int]]:
    return [(f"c{number}", -5) for number in range(count)]


class Flow:
    """Stock, supply and crossings with snapshots, as a flow keeps them; what was asked goes to a ledger by key."""

    def __init__(self) -> None:
        counted = {"as_of": START, "counted_at": START, "event_id": "b", "unit": "KGM", "on_hand": 100}
        zero = dict.fromkeys(("quality_hold", "blocked", "allocated"), 0)
        self.known = merge_balances([pl.DataFrame([{**KEY, **counted, **zero}], schema=BALANCE)])
        self.moved, self.supply = pl.DataFrame(schema=MOVEMENT), pl.DataFrame(schema=SUPPLY)
        self.crossings = pl.DataFrame(schema=CROSSINGS)

    def snapshot(self) -> tuple[pl.DataFrame, ...]:
        return self.moved, self.supply, self.crossings

    def restore(self, state: tuple[pl.DataFrame, ...]) -> None:
        self.moved, self.supply, self.crossings = state

    def take(self, batch: list[tuple[str, int]]) -> list[dict[str, Any]]:
        fixed = {**KEY, "status": "on_hand", "revision": 0, "time": START + timedelta(hours=1), "unit": "KGM"}
        rows = [{**fixed, "movement_id": name, "quantity": quantity} for name, quantity in batch]
        self.moved = merge_movements([self.moved, pl.DataFrame(rows, schema=MOVEMENT)])
        projected = project(stock(self.known, self.moved), supply.expected(self.supply))
        self.crossings, asked = judge(self.crossings, projected, {PLACE: POLICY}, NONE_CLOSED)
        self.supply = supply.merge_supply([self.supply, *map(self._asked, asked)])
        return asked

    @staticmethod
    def _asked(request: dict[str, Any]) -> pl.DataFrame:
        line = {"purchase_order": "", "purchase_order_item": "", "kind": supply.REQUESTED, "time": START}
        named = {"request_number": request["request_number"], "record_id": request["request_number"], "revision": 1}
        rest = {"unit": "KGM", "quantity": request["quantity"], "completed": False}
        return pl.DataFrame([{**KEY, **line, **named, **rest}], schema=SUPPLY)


def crash_and_replay(seed: int, flow: Flow) -> dict[str, Decimal]:
    """Batches of shuffled and repeated records; now and then the flow dies and reads again from its snapshot."""
    chance = random.Random(seed)
    records = issues(14)
    records = chance.sample(records, len(records)) + chance.choices(records, k=6)
    ledger: dict[str, Decimal] = {}
    saved, at, done = flow.snapshot(), 0, 0
    while done < len(records):
        size = chance.randint(1, 5)
        ledger |= {each["document_key"]: each["quantity"] for each in flow.take(records[done : done + size])}
        done += size
        if chance.random() < 0.3:
            flow.restore(saved)
            done = at
        elif chance.random() < 0.5:
            saved, at = flow.snapshot(), done
    return ledger


@pytest.mark.parametrize("seed", range(25))
def test_one_request_per_crossing_over_kill_replay_and_disorder(seed: int) -> None:
    """100 less 14 times 5 crosses 40 once, whatever the batches."""
    ledger = crash_and_replay(seed, Flow())
    assert list(ledger) == ["DE01||STEEL-2|RM01|1"]


def test_a_state_that_forgets_its_crossings_asks_more_than_once() -> None:
    """Negative control: the test above sees a second request."""

    class Forgetful(Flow):
        def take(self, batch: list[tuple[str, int]]) -> list[dict[str, Any]]:
            asked = super().take(batch)
            self.crossings = self.crossings.with_columns(armed=pl.lit(True))
            self.supply = self.supply.clear()
            return asked

    assert any(len(crash_and_replay(seed, Forgetful())) > 1 for seed in range(5))


@pytest.mark.parametrize(
    ("policy", "projected", "quantity"),
    [
        ({"order_up_to": Decimal(200)}, 12, 188),
        ({"order_up_to": Decimal(200), "lot_size": Decimal(25)}, 12, 200),
        ({"order_up_to": Decimal(200), "lot_size": Decimal(47)}, 12, 188),
        ({"lot_size": Decimal(25)}, 12, 50),
        ({"lot_size": Decimal(28)}, 12, 56),
        ({"lot_size": Decimal("0.3")}, 40, Decimal("0.3")),
        ({"lot_size": Decimal(25)}, -12, 75),
    ],
)
def test_lot_sizes(policy: dict[str, Decimal], projected: int, quantity: Decimal) -> None:
    """Up to S or more in whole lots; without S the fewest lots that lift stock above s."""
    assert Replenishment(Decimal(40), **policy).quantity(Decimal(projected)) == quantity


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({}, "order_up_to or lot_size"),
        ({"order_up_to": Decimal(40)}, "not above reorder_point"),
        ({"lot_size": Decimal(0)}, "lot_size: 0"),
        ({"lot_size": Decimal(1), "hysteresis": Decimal(-1)}, "not negative"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Decimal], named: str) -> None:
    with pytest.raises(Misconfigured, match=named):
        Replenishment(Decimal(40), **wrong)


def test_cover_and_the_projected_crossing_are_told_in_advance() -> None:
    """90 with 20 a day: s = 40 in 2.5 days, nothing left in 4.5."""
    policy = Replenishment(Decimal(40), lot_size=Decimal(1), demand_mean=Decimal(20))
    (row,) = outlook(projection(on_hand=90), {PLACE: policy}).to_dicts()
    assert row["days_of_cover"] == Decimal("4.5")
    assert row["crosses_at"] == START + timedelta(days=2.5)
    assert row["stock_out_at"] == START + timedelta(days=4.5)
    (row,) = outlook(projection(on_hand=-3), {PLACE: policy}).to_dicts()
    assert (row["days_of_cover"], row["crosses_at"]) == (0, START)
    (row,) = outlook(projection(on_hand=90), {PLACE: POLICY}).to_dicts()
    assert (row["days_of_cover"], row["crosses_at"], row["stock_out_at"]) == (None, None, None)


def test_the_worked_example_of_the_reorder_point() -> None:
    """30 a day, deviation 5, 10 days, z = 1.65: 326.1."""
    demand, cover = Demand(Decimal(30), Decimal(5)), Cover(Decimal(10), Decimal(0), Decimal("1.65"))
    assert round(reorder_point(demand, cover), 1) == Decimal("326.1")
    assert safety_stock(demand, cover) == Decimal("26.088791")


def test_a_lead_time_that_deviates_weighs_with_the_demand() -> None:
    """2,500 a day with deviation 500, 7 days with deviation 7: the deviation over the lead time is 17,550."""
    demand, cover = Demand(Decimal(2500), Decimal(500)), Cover(Decimal(7), Decimal(7), Decimal(1))
    assert round(safety_stock(demand, cover)) == 17550


def test_demand_is_learned_from_the_days_of_the_horizon() -> None:
    """A day without consumption counts as nothing, a day before the horizon not at all."""
    last = date(2026, 3, 8)
    consumed = {last: Decimal(4), last - timedelta(days=1): Decimal(8), last - timedelta(days=4): Decimal(1000)}
    assert learned(consumed, last, 4) == Demand(Decimal(3), Decimal("3.829708"), 4)
    with pytest.raises(Misconfigured, match="days: 1"):
        learned(consumed, last, 1)


def test_a_negative_lead_time_is_refused() -> None:
    with pytest.raises(Misconfigured, match="lead_time_mean"):
        Cover(Decimal(-1), Decimal(0), Decimal(0))


def test_the_key_of_a_request_is_escaped() -> None:
    assert request_key("DE|1", "A%", "", 3) == "DE%7C1||A%25||3"
