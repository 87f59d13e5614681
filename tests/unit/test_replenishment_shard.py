"""One shard of replenishment, a step at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from millrace.ledger import Ledger
from millrace.ledger.letters import LetterFilter, page
from operators.replenishment import Shard
from operators.replenishment_config import ReplenishmentConfig
from operators.replenishment_policy import PolicyBook
from operators.stock_mismatch import Tolerance
from sinks.ledger import LedgerPartition
from sinks.replenishment_batches import of_announced
from tests.flows.stock_records import Record, answer, at, balance, issue, material, notice, order, receipt
from tests.property.shard_lives import config, given, micros


def shard(**values: Any) -> Shard:
    """A shard that knows steel and announces at once."""
    made = Shard(config(1, hold=False, **values))
    made.material([material()])
    return made


def step(of: Shard, minutes: float, *records: Record) -> list[tuple[str, bool]]:
    """Records, then time: kinds of alerts, and whether they close."""
    return [(alert["kind"], alert["closed"]) for alert in ticked(of, minutes, records).alerts]


def ticked(of: Shard, minutes: float, records: Sequence[Record] = ()) -> Any:
    for record in records:
        for kind, rows in given(record)[0]:
            of.take(kind, rows)
    return of.tick(micros(at(minutes)))


def test_a_mismatch_is_told_once_and_closed_by_the_movement_that_explains_it() -> None:
    """50 are missing; the issue that explains them comes an hour late."""
    one = shard()
    assert step(one, 10, balance(0, 500)) == []
    assert step(one, 70, balance(60, 450)) == [("stock_mismatch", False)]
    assert step(one, 130, balance(120, 450)) == []
    assert step(one, 140, issue(1, 30, 50)) == [("stock_mismatch", True)]


def test_inventory_accuracy_counts_balances_that_have_one_before_them() -> None:
    """The first count of a place agrees with nothing; counted as accurate it would hide those that differ."""
    one = shard()
    assert ticked(one, 10, [balance(0, 500)]).figures.compared == {}
    differs = ticked(one, 70, [balance(60, 450)]).figures
    assert (differs.compared, differs.apart) == ({"P1": 1}, {"P1": 1})


def test_a_mismatch_leaves_with_its_balance_without_a_word() -> None:
    """What can no longer be judged is neither repeated nor called mended."""
    of = Shard(ReplenishmentConfig(PolicyBook([]), 60_000_000, keep=timedelta(hours=1), hold=False))
    of.material([material()])
    step(of, 10, balance(0, 500))
    assert step(of, 70, balance(60, 450)) == [("stock_mismatch", False)]
    of.stock.prune(at(70))
    assert step(of, 400, balance(390, 450)) == []
    of.stock.prune(at(400))
    assert step(of, 500, balance(490, 450)) == []
    assert of.requests.alarms.standing == {}


def test_a_difference_within_the_tolerance_is_no_mismatch() -> None:
    tolerance = Tolerance(percent=type(balance(0, 1)["unrestricted"])(20))
    of = Shard(ReplenishmentConfig(PolicyBook([]), 60_000_000, tolerance=tolerance, hold=False))
    of.material([material()])
    step(of, 10, balance(0, 500))
    assert step(of, 70, balance(60, 450)) == []


def test_movements_of_a_place_that_nobody_counts_leave_after_a_month() -> None:
    of = shard()
    ticked(of, 0, [issue(1, 0, 5), issue(2, 60 * 24 * 40, 5)])
    ticked(of, 60 * 24 * 41)
    of.stock.prune(at(60 * 24 * 41))
    places = given(issue(1, 0, 5))[0][0][1].select("plant", "material", "storage_location")
    assert of.stock.movements(places)["movement_id"].to_list() == ["consumption|c2"]


def test_records_wait_for_their_material_and_are_told_only_if_it_does_not_come() -> None:
    of = Shard(config(1, hold=False))
    assert [step(of, minute, *([balance(0, 50)] if not minute else [])) for minute in range(5)] == [
        [], [], [], [], [("material_unknown", False)]]  # fmt: skip
    of.material([material()])
    asked = ticked(of, 10)
    assert [alert["closed"] for alert in asked.alerts] in ([True], [])
    assert [each["quantity"] for each in asked.requests] == [250]


def test_what_is_closed_leaves_the_state_with_its_alerts() -> None:
    of = Shard(ReplenishmentConfig(PolicyBook([]), 60_000_000, keep_papers=timedelta(days=1), hold=False))
    of.material([material()])
    ways = [
        record
        for item in range(1, 200)
        for record in (
            order(1, 10, item=str(item)),
            answer(2, 10, item=str(item)),
            notice(f"S{item}", 3, 10, item=str(item)),
            receipt(f"R{item}", 4, 9, f"S{item}", item=str(item), delivery_completed=True),
        )
    ]
    assert step(of, 10, *ways).count(("receipt_quantity", False)) == 199
    assert of.requests.papers.height == 4 * 199
    late = 60 * 24 * 3
    step(of, late + 1, *(order(late, 10, item=f"open{number}") for number in range(1000)))
    assert of.requests.papers.height == 1000
    assert of.requests.alarms.standing == {}


@pytest.mark.parametrize("learn_least", [3, 9])
def test_nothing_is_ordered_until_enough_days_are_known(learn_least: int) -> None:
    """Demand of 30 a day over five days; s is its lead time of two days."""
    learned = {"learn_days": 9, "learn_least": learn_least, "lead_time_mean": 2, "lot_size": 100}
    of = shard(reorder_point=None, order_up_to=None, **learned)
    frames = [given(issue(day, 1440 * day + 5, 30)) for day in range(5)]
    assert all(kind != "consumed" for frame, _ in frames for kind, _ in frame), "the route learns only when told to"
    rows = [(kind, part) for frame, _ in frames for kind, part in frame]
    for kind, part in rows:
        of.take(kind, part)
        used = part.select("plant", "material", "storage_location", "time", "unit", "quantity")
        of.take("consumed", used)
    found = ticked(of, 1440 * 5 + 10, [balance(0, 160)])
    assert [each["reorder_point"] for each in found.requests] == ([60] if learn_least == 3 else [])


def test_rows_beyond_the_most_become_dead_letters_with_what_they_were_made_of() -> None:
    """The oldest go, each once, with the whole row; what waits still counts when its material comes."""
    of = Shard(replace(config(1, hold=False), most_waiting=2))
    records = [balance(0, 500), *(issue(number, number, 10) for number in range(1, 6))]
    [*letters] = of_announced(ticked(of, 10, records), flow="stock").letters
    assert [json.loads(letter.payload)["time"] for letter in letters] == [str(at(minute)) for minute in (1, 2, 3)]
    told = {(letter.reason, letter.topic, letter.plant, letter.source, letter.error_class) for letter in letters}
    assert told == {("unit_conversion_unknown", "MaterialConsumption", "P1", "stock", "partner_data")}
    assert len({letter.event_id for letter in letters}) == 3
    assert len({letter.owner for letter in letters} - {""}) == 1
    again = Shard(replace(config(1, hold=False), most_waiting=2))
    repeated = of_announced(ticked(again, 10, records), flow="stock").letters
    assert [letter.event_id for letter in repeated] == [letter.event_id for letter in letters]
    of.material([material()])
    [row] = ticked(of, 20).projections[-1].to_dicts()
    assert row["on_hand"] == 480
    roomy = Shard(replace(config(1, hold=False), most_waiting=5))
    assert ticked(roomy, 10, records).given_up == []


def test_rows_are_given_up_only_from_durable_state() -> None:
    """What a crash could make untrue is not told before: another life may read its material first."""
    of = Shard(replace(config(1, hold=True), most_waiting=0))
    assert ticked(of, 10, [issue(1, 1, 10)]).given_up == []
    after = Shard(replace(config(1, hold=True), most_waiting=0))
    after.restore(of.snapshot())
    assert len(ticked(after, 11).given_up) == 1
    assert ticked(after, 12).given_up == []


@pytest.mark.parametrize(("as_of", "left"), [(2, 3), (3, 0), (4, 0)])
def test_the_letters_of_rows_are_resolved_by_the_balance_that_has_them(as_of: int, left: int, tmp_path: Path) -> None:
    """The material comes, and a balance up to an instant; one that is older than what is missing heals nothing."""
    of = Shard(replace(config(1, hold=False), most_waiting=2))
    records = [balance(0, 500), *(issue(number, number, 10) for number in range(1, 6))]
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    first = ticked(of, 10, records)
    of = _restored(of)
    of.material([material()])
    second = ticked(of, 20, [balance(15, 480, as_of=as_of)])
    written = LedgerPartition(ledger, "stock")
    written.write_batch([of_announced(first, flow="stock"), of_announced(second, flow="stock")])
    written.close()
    with Ledger(ledger, who="test") as opened:
        wanted = LetterFilter(states=("open",))
        assert len(opened.ask(lambda connection: page(connection, wanted)).letters) == left


def _restored(of: Shard) -> Shard:
    made = Shard(replace(config(1, hold=False), most_waiting=2))
    made.restore(of.snapshot())
    return made


def test_a_drain_stops_between_two_instants_and_the_next_life_goes_on() -> None:
    """Over the same records with a stop before any instant: the same stock and the same request."""
    records = [balance(0, 500), *(issue(n, n, 40) for n in range(1, 12))]
    whole = shard()
    wanted = ticked(whole, 20, records)
    for judged in range(12):
        stops = partial(next, iter([False] * judged + [True] * 99))
        of = shard()
        for record in records:
            for kind, rows in given(record)[0]:
                of.take(kind, rows)
        first = of.tick(micros(at(20)), stops)
        again = shard()
        again.restore(of.snapshot())
        rest = again.tick(micros(at(20)))
        numbers = [each["request_number"] for out in (first, rest) for each in out.requests]
        assert numbers == [each["request_number"] for each in wanted.requests] != []
        shown = [frame for out in (first, rest) for frame in out.projections]
        assert shown[-1]["on_hand"].to_list() == wanted.projections[-1]["on_hand"].to_list() == [60]
        assert len(shown) == len(wanted.projections)
