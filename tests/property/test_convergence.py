"""For one set of events, any order, batching, duplication, lateness and crash ends in the plain sum."""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.stand_in import HOUR, SECOND, Consumer, Life, Plan, Record, cycle, order, report, run

ORDERS = ("O1", "O2", "O|3\n")
SEEDS = st.integers(0, 2**32)


def log_of(source: str, topic: str, chance: random.Random, size: int) -> list[Record]:
    """Events of one source in the order of the log: some out of order, some hours late, some sent again."""
    make, name = (cycle, "quantity_good") if topic == "machine-cycle" else (report, "quantity_yield")
    events = []
    for number in range(size):
        amounts = {name: Decimal(chance.randint(0, 5_000_000)) / 1_000_000}
        if chance.random() < 0.2:
            amounts = {"quantity_scrap": Decimal(1), "scrap_reason": chance.choice(["DIM", "SURF", None])}
        at = number * 300 * SECOND + chance.randrange(300 * SECOND)
        events.append(make(source, number, at, order_id=chance.choice(ORDERS), **amounts))
    if chance.random() < 0.3:  # this source does not number its events
        events = [{**event, "sequence": None} for event in events]
    places = [(float(at), event) for at, event in enumerate(events)]
    places = [(at + chance.choice([0, 0, 0, chance.uniform(0, 5)]), event) for at, event in places]
    if all(
        event["sequence"] is not None for event in events
    ):  # beyond the horizon only a number tells what was seen before
        places = [(at + (chance.uniform(0, 60) if chance.random() < 0.1 else 0), event) for at, event in places]
        places += [(at + chance.uniform(0, 60), event) for at, event in places if chance.random() < 0.2]
    else:
        places += [(at + chance.uniform(0, 3), event) for at, event in places if chance.random() < 0.2]
    return [event for _, event in sorted(places, key=lambda place: place[0])]


def plan_of(chance: random.Random, **values: Any) -> Plan:
    log: dict[tuple[str, int], list[Record]] = {}
    for topic in ("machine-cycle", "operation-report"):
        for partition in range(3):
            size = chance.choice([0, 15, 60]) if topic == "operation-report" else 60
            log[topic, partition] = log_of(f"{topic}-{partition}", topic, chance, size)
    said = {name: values.pop(name, False) for name in ("flips", "cancels")}
    return Plan(log, references_of(chance, **said), **values)


def references_of(chance: random.Random, flips: bool, cancels: bool) -> list[list[Record]]:
    """Versions of the orders in any order, cut into batches."""
    records = []
    for name in ORDERS:
        source = chance.choice(["MACHINE", "OPERATOR"])
        for version in range(1, chance.randint(2, 4)):
            if flips:
                source = chance.choice(["MACHINE", "OPERATOR"])
            target = Decimal(chance.choice([20, 100, 10_000]))
            status = chance.choice(["RELEASED", "CANCELLED"]) if cancels else "RELEASED"
            records.append(order(name, version, count_source=source, target_quantity=target, status=status))
    chance.shuffle(records)
    cuts = sorted(chance.sample(range(len(records) + 1), 2))
    parts = [records[: cuts[0]], records[cuts[0] : cuts[1]], records[cuts[1] :]]
    parts = [part for part in parts if part]
    # Polls without anything between them: an order is cancelled when windows of it have left the state.
    return [batch for part in parts for batch in (part, *[[]] * chance.choice([0, 5, 20]))] if cancels else parts


def newest_of(plan: Plan) -> dict[str, Record]:
    """The newest version of each order."""
    newest: dict[str, Record] = {}
    for record in (record for batch in plan.references for record in batch):
        if newest.get(record["order_id"], {"version": 0})["version"] < record["version"]:
            newest[record["order_id"]] = record
    return newest


def truth_of(plan: Plan, machine: str, reported: str) -> dict[str, Decimal]:
    """Plain sums over the distinct events, by what the newest version of each order counts; none of cancelled ones."""
    newest = newest_of(plan)
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for (topic, _), records in plan.log.items():
        for event in {record["event_id"]: record for record in records}.values():
            source = newest[event["order_id"]]["operations"][0]["count_source"]
            if newest[event["order_id"]]["status"] == "CANCELLED":
                continue
            if (topic == "machine-cycle") == (source == "MACHINE"):
                sums[event["order_id"]] += event[machine if topic == "machine-cycle" else reported]
    return {name: amount for name, amount in sums.items() if amount}


def final_of(plan: Plan, totals: dict[str, Decimal]) -> set[str]:
    targets: dict[str, tuple[int, Decimal]] = {}
    for record in (record for batch in plan.references for record in batch):
        goal = (record["version"], record["operations"][0]["target_quantity"])
        targets[record["order_id"]] = max(targets.get(record["order_id"], goal), goal)
    return {name for name, amount in totals.items() if amount >= targets[name][1]}


def check(plan: Plan, consumer: Consumer) -> None:
    totals = truth_of(plan, "quantity_good", "quantity_yield")
    assert consumer.totals() == totals
    assert consumer.totals("quantity_scrap") == truth_of(plan, "quantity_scrap", "quantity_scrap")
    assert consumer.final() == final_of(plan, totals)
    assert consumer.given_up == []


@settings(max_examples=12, deadline=None)
@given(SEEDS)
def test_totals_converge_where_windows_leave_the_state(seed: int) -> None:
    """Late additions of hours, evicted windows and crashes: the consumer ends with the plain sums."""
    plan = plan_of(random.Random(seed))
    consumer, _ = run(plan, seed, crashes=seed % 5)
    check(plan, consumer)


@settings(max_examples=12, deadline=None)
@given(SEEDS)
def test_totals_converge_where_orders_change_what_is_counted(seed: int) -> None:
    """Versions of an order that name another count, in any order, between crashes."""
    plan = plan_of(random.Random(seed), horizon=1000 * HOUR, flips=True, window="1h")
    consumer, _ = run(plan, seed, crashes=seed % 4)
    check(plan, consumer)


@settings(max_examples=12, deadline=None)
@given(SEEDS)
def test_totals_converge_where_orders_are_cancelled_and_released_again(seed: int) -> None:
    """Before, between and after their events, also those whose windows have left the state, between crashes."""
    plan = plan_of(random.Random(seed), cancels=True)
    consumer, _ = run(plan, seed, crashes=seed % 5)
    check(plan, consumer)


def test_without_the_standing_of_orders_what_left_the_state_stays_booked() -> None:
    """Negative control: documents that no window announces again are not withdrawn."""
    log = {("machine-cycle", 0): [cycle("A", number, number * 300 * SECOND) for number in range(60)]}
    totals = []
    for deaf in (False, True):
        plan = Plan(log, [[order("O1")]], lanes=1)
        consumer, life = run(plan, 1, crashes=0, consumer=Consumer(deaf=deaf))
        cancelled = Plan(log, [*plan.references, [order("O1", 2, status="CANCELLED")]], lanes=1)
        life = Life(cancelled, consumer, random.Random(1), life.snapshot())
        while not life.done:
            life.poll()
        life.flush()
        totals.append(consumer.totals())
    assert totals[0] == {}
    assert Decimal(0) < totals[1]["O1"] < Decimal(60)


@settings(max_examples=6, deadline=None)
@given(SEEDS, st.sampled_from(["shift", "day"]))
def test_totals_converge_for_every_kind_of_window(seed: int, window: str) -> None:
    """Windows only decide when a total is announced."""
    plan = plan_of(random.Random(seed), horizon=1000 * HOUR, window=window)
    consumer, _ = run(plan, seed, crashes=2)
    check(plan, consumer)


def test_closed_windows_leave_the_state() -> None:
    """What stays is bounded by the correction horizon, not by the length of the log."""
    chance = random.Random(1)
    log = {("machine-cycle", 0): [cycle("A", number, number * 60 * SECOND) for number in range(1500)]}
    plan = Plan(log, [[order("O1")]], lanes=1)
    consumer, life = run(plan, chance.randrange(1000), crashes=0)
    assert consumer.totals() == {"O1": Decimal(1500)}
    assert life.windows < 40  # 150 ten-minute windows were read; two hours hold twelve


def test_without_de_duplication_totals_are_too_high() -> None:
    """Negative control: the same check fails when repeated events count."""
    plan = plan_of(random.Random(7), deduplicate=False)
    consumer, _ = run(plan, 7, crashes=0)
    totals = truth_of(plan, "quantity_good", "quantity_yield")
    assert all(consumer.totals()[name] > amount for name, amount in totals.items())


def revised_in_two_lives(consumer: Consumer) -> Decimal:
    """A window is announced and revised; after a crash behind the snapshot one more late piece revises it again."""
    hour = 3600 * SECOND
    at = [1, 2 * hour, 2, 2 * hour + 1, 3, 2 * hour + 2]
    records = [cycle("A", number, offset) for number, offset in enumerate(at)]
    state = None
    for read in (2, 4, 6):
        plan = Plan({("machine-cycle", 0): records[:read]}, [[order("O1")]], window="1h", lanes=1)
        life = Life(plan, consumer, random.Random(1), state)
        consumer.restart()
        while not life.done:
            life.poll()
        state = life.snapshot()
    life.flush()
    return consumer.totals()["O1"]


def test_a_running_number_as_revision_loses_pieces() -> None:
    """Negative control: after a crash a counter starts again below its former life, so a revision is ignored."""
    assert revised_in_two_lives(Consumer()) == Decimal(6)
    assert revised_in_two_lives(Consumer(running=True)) < Decimal(6)
