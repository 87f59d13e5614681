"""The whole flow on the real engine, over records in memory."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataflows.settings import ConfirmationsSettings
from schemas.batch import RawBatch
from tests.flows.memory import START, Consumer, Script, batch, cycle, history_rows, order, run

MACHINES = ("A", "B", "C", "D")


def settings(**values: Any) -> ConfirmationsSettings:
    return ConfirmationsSettings(
        **{"window": "10m", "lateness_s": 30, "default_zone": "UTC", "shards": 4, "ring": 8, **values}
    )


def plant(seed: int, size: int = 400) -> tuple[list[list[dict[str, Any]]], dict[str, Decimal]]:
    """Per partition the records in log order, with re-sends and disorder; and the plain sum by order."""
    chance = random.Random(seed)
    partitions: list[list[dict[str, Any]]] = [[], []]
    truth: dict[str, Decimal] = {}
    for place, machine in enumerate(MACHINES):
        records = []
        for number in range(size):
            name = f"O{1 + (number // 100 + place) % 3}"
            amount = Decimal(chance.randint(1, 5))
            records.append(cycle(number, machine, number * 15.0, order_id=name, quantity_good=amount))
            truth[name] = truth.get(name, Decimal(0)) + amount
        for _ in range(size // 10):
            at = chance.randrange(size)
            records.insert(min(len(records), at + chance.randrange(40)), records[at])
        for _ in range(size // 5):
            one, other = sorted((chance.randrange(len(records)), chance.randrange(len(records))))
            if other - one < 30:
                records[one], records[other] = records[other], records[one]
        partitions[place % 2] += records
    for rows in partitions:
        rows.sort(key=lambda record: (int(record["event_id"].split("-")[1]) // 40, chance.random()))
    return partitions, truth


def cut(partitions: list[list[dict[str, Any]]], seed: int) -> list[list[Any]]:
    """The same log, polled in batches of another size."""
    chance = random.Random(seed)
    lanes = []
    for number, records in enumerate(partitions):
        at, batches = 0, []
        while at < len(records):
            size = chance.randint(20, 200)
            batches.append(batch("MachineCycle", records[at : at + size], number, at))
            at += size
        lanes.append(batches)
    return lanes


def orders() -> list[Any]:
    return [batch("WorkOrder", [order(f"O{number}") for number in (1, 2, 3)], 0, 0)]


@pytest.mark.parametrize("workers", [1, 2])
def test_totals_equal_the_plain_sum_over_distinct_events(workers: int) -> None:
    partitions, truth = plant(1)
    consumer = Consumer()
    run(settings(), Script(cut(partitions, 1), orders()), consumer, workers=workers)
    assert consumer.by_order() == truth


@pytest.mark.parametrize("seed", [2, 3])
def test_aborts_and_resumes_change_nothing(seed: int, tmp_path: Path) -> None:
    partitions, truth = plant(seed)
    config = settings(history=tmp_path / "history")
    consumer = Consumer()
    lanes = cut(partitions, seed)
    total = sum(len(batches) for batches in lanes)
    for stop in (total // 4, total // 5, total // 3, None):
        consumer.restart()
        run(config, Script(lanes, orders(), stop), consumer, tmp_path / "state")
    assert consumer.by_order() == truth
    rows = history_rows(tmp_path / "history")
    assert rows.height == rows["event_id"].n_unique() == sum(len({r["event_id"] for r in p}) for p in partitions)
    assert rows["quantity_good"].sum() == sum(truth.values())
    read = sum(counts.get("read:MachineCycle", 0) for counts in consumer.counts.values())
    kept = sum(counts.get("accepted:MachineCycle", 0) for counts in consumer.counts.values())
    repeated = sum(counts.get("duplicates:MachineCycle", 0) for counts in consumer.counts.values())
    assert read == kept + repeated == sum(len(p) for p in partitions)


def test_drained_flows_go_on_with_another_number_of_workers(tmp_path: Path) -> None:
    partitions, truth = plant(5)
    consumer = Consumer()
    lanes = cut(partitions, 5)
    total = sum(len(batches) for batches in lanes)
    for workers, stop in ((1, total // 3), (2, total // 3), (3, total // 6), (1, None)):
        consumer.restart()
        script = Script(lanes, orders(), drain_after=stop)
        run(settings(), script, consumer, tmp_path / "state", workers=workers)
    assert consumer.by_order() == truth


def test_without_de_duplication_the_totals_are_wrong() -> None:
    """Negative control of the two tests above."""
    partitions, truth = plant(1)
    consumer = Consumer()
    run(settings(), Script(cut(partitions, 1), orders()), consumer, deduplicate=False)
    assert consumer.by_order() != truth


def late_pieces() -> list[Any]:
    """One window that is revised again and again: each batch closes another window and brings a late piece."""
    batches = []
    for number in range(40):
        pieces = [cycle(2 * number, "A", 600.0 * number), cycle(2 * number + 1, "A", number + 1.0)]
        batches.append(batch("MachineCycle", pieces, 0, 2 * number))
    return batches


@pytest.mark.parametrize("running", [False, True])
def test_a_running_number_as_revision_goes_back_after_a_crash(running: bool, tmp_path: Path) -> None:
    """Negative control: a number that a process counts by itself starts again below those of its former life."""
    consumer = Consumer(running=running)
    for stop in (38, None):
        consumer.restart()
        run(settings(), Script([late_pieces()], orders(), stop), consumer, tmp_path / "state")
    assert (consumer.by_order() == {"O1": Decimal(80)}) is not running


def test_a_partition_that_lags_by_ten_minutes_costs_nothing() -> None:
    partitions, truth = plant(4)
    lanes = cut(partitions, 4)
    ahead = [batch("MachineCycle", [], 0, 0)] * 0
    consumer = Consumer()
    run(settings(), Script([lanes[0], ahead, lanes[1]], orders()), consumer)
    assert consumer.by_order() == truth


def test_an_order_that_comes_last_still_gets_its_total(tmp_path: Path) -> None:
    records = [cycle(number, "A", number * 15.0) for number in range(100)]
    consumer = Consumer()
    late = [batch("WorkOrder", [order("OTHER")], 0, 0)] * 30 + [batch("WorkOrder", [order("O1")], 0, 30)]
    run(settings(), Script([[batch("MachineCycle", records, 0, 0)]], late), consumer, tmp_path / "state")
    assert consumer.by_order() == {"O1": Decimal(100)}


def test_an_order_that_never_comes_is_named_in_the_dead_letters() -> None:
    records = [cycle(number, "A", number * 15.0, order_id="GHOST") for number in range(10)]
    consumer = Consumer()
    run(settings(), Script([[batch("MachineCycle", records, 0, 0)]], orders()), consumer)
    assert consumer.best == {}
    assert {letter.reason for letter in consumer.letters.values()} == {"order_unknown"}
    assert sum(letter.events for letter in consumer.letters.values()) == 10
    assert all("GHOST" in letter.detail for letter in consumer.letters.values())


def test_reaching_the_target_makes_one_final_document_and_tells_the_over_delivery() -> None:
    records = [cycle(number, "A", number * 15.0) for number in range(120)]
    consumer = Consumer()
    goal = [batch("WorkOrder", [order("O1", target_quantity=Decimal(100))], 0, 0)]
    run(settings(), Script([[batch("MachineCycle", records, 0, 0)]], goal), consumer)
    final = [record for record in consumer.best.values() if record["is_final"]]
    assert [record["quantity_yield"] for record in final] == [Decimal(0)]
    assert final[0]["over_delivery"] == Decimal(10)
    assert consumer.total() == Decimal(120)


def test_one_window_per_operation_is_announced_when_it_is_final() -> None:
    records = [cycle(number, "A", number * 15.0) for number in range(120)]
    consumer = Consumer()
    goal = [batch("WorkOrder", [order("O1", target_quantity=Decimal(100))], 0, 0)]
    run(settings(window="operation"), Script([[batch("MachineCycle", records, 0, 0)]], goal), consumer)
    assert [(r["quantity_yield"], r["is_final"]) for r in consumer.best.values()] == [(Decimal(120), True)]


MAPPING = """\
version: 1
description: A topic of an invented moulding shop
format: {type: jsonl}
times: {formats: "%Y-%m-%d %H:%M:%S", zone: UTC}
context:
  per: machine
  fields:
    order: {from: order}
fields:
  event_id: {hash_of: [machine, at]}
  event_time: at
  plant: {value: P1}
  source: machine
  work_center: machine
  order_id: order
  operation: {value: "0010"}
outputs:
  - contract: MachineCycle
    when: shots IS NOT NULL
    fields:
      counting: {value: DELTA}
      quantity_good: {from: shots, required: true}
      quantity_scrap: {value: "0"}
      quantity_rework: {value: "0"}
      unit: {value: C62}
unmatched: ignore
"""


@pytest.mark.parametrize("stops", [(None,), (2, 1, None)])
def test_a_topic_of_foreign_json_is_read_through_a_mapping(stops: tuple[int | None, ...], tmp_path: Path) -> None:
    """The order is written once and holds for what follows, also over a batch's end and a crash."""
    (tmp_path / "shop.yaml").write_text(MAPPING)
    config = settings(mappings={"shop-json": tmp_path / "shop.yaml"})
    records = [json.dumps({"machine": "M1", "at": "2026-03-02 06:00:00", "order": "O1"})]
    records += [json.dumps({"machine": "M1", "at": f"2026-03-02 06:{n:02d}:30", "shots": "2"}) for n in range(50)]
    records += [records[7], "{torn"]
    lane = []
    for at in range(0, len(records), 10):
        values = [record.encode() for record in records[at : at + 10]]
        offsets = np.arange(at, at + len(values), dtype=np.int64)
        logged = np.full(len(values), int(START.timestamp() * 1000) + 3_600_000, np.int64)
        lane.append(RawBatch("shop-json", values, np.zeros(len(values), np.int32), offsets, logged))
    consumer = Consumer()
    for stop in stops:
        run(config, Script([lane], orders(), stop), consumer, tmp_path / "state")
    assert consumer.by_order() == {"O1": Decimal(100)}
    assert [(letter.topic, letter.offset) for letter in consumer.letters.values()] == [("shop-json", 52)]
