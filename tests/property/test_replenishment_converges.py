"""Stock, requests and alerts are the same for thousands of interleavings of the same records."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from operators.replenishment import Announced, Shard
from tests.flows.stock_records import (
    Record,
    answer,
    balance,
    decision,
    issue,
    material,
    notice,
    order,
    receipt,
    result,
)
from tests.property.shard_lives import MINUTE, config, given, micros

NUMBER = "||STEEL|RM01|1"
#: Snapshots late and superseded, a hold and its release, an order by parts, versions, deviations, one crossing.
STORY: list[Record] = [
    *(balance(0, 320), balance(61, 225, as_of=60), balance(62, 226, as_of=60)),
    *(issue(1, 20, 40), issue(2, 50, 55), issue(3, 80, 30), issue(4, 110, 25)),
    *(decision("1", 120, 90), decision("2", 170, 90, "RELEASE")),
    *(order(130, 200), order(140, 210, version=2), answer(150, 200), answer(155, 210, version=2)),
    *(notice("S1", 160, 100), notice("S2", 165, 110), receipt("R1", 180, 100, "S1"), receipt("R2", 190, 105, "S2")),
    issue(5, 200, 15),
]
#: A request that is rejected, tried again and rejected again, results that come twice, and stock that recovers.
REFUSED: list[Record] = [
    *(balance(0, 150), issue(1, 15, 60), result(30), result(30), result(55, "pending"), result(85)),
    *(result(52, "parked"), issue(2, 95, 5), balance(130, 250, as_of=125), issue(3, 160, 170)),
]
COUNT = 2000


def shuffled(count: int, story: list[Record]) -> list[list[tuple[str, pl.DataFrame]]]:
    """One interleaving per plant: the n-th batch has the n-th record of every plant."""
    chance, parts = random.Random(20260302), [given(record)[0] for record in story]
    plants = np.array([f"P{number:05}" for number in range(count)])
    orders = np.array([chance.sample(range(len(story)), len(story)) for _ in range(count)])
    batches = []
    for step in range(len(story)):
        batch = []
        for number, kinds in enumerate(parts):
            chosen = plants[orders[:, step] == number].tolist()
            batch += [(kind, _for(rows, chosen)) for kind, rows in kinds if chosen]
        batches.append(batch)
    return batches


def _for(rows: pl.DataFrame, plants: list[str]) -> pl.DataFrame:
    """The same rows for each of the plants; the order answers the plant's own request, and so does the result."""
    every = pl.DataFrame({"plant": plants}).join(rows.drop("plant"), how="cross").select(rows.columns)
    if "request_number" not in every.columns:
        return every
    number = pl.when(pl.col("kind").is_in(["ordered", "posted"])).then(pl.col("plant") + NUMBER)
    posted = pl.when(pl.col("kind") == "posted").then(pl.col("plant") + NUMBER).otherwise("record_id")
    return every.with_columns(number.alias("request_number"), posted.alias("record_id"))


def run(count: int, ticks: list[int], story: list[Record] = STORY) -> tuple[Shard, Announced]:
    """Give the batches in turn, tick where told (minutes by batch), and once more far behind the end."""
    shard, every = Shard(config(10, hold=False)), Announced()
    shard.material([material(plant=f"P{number:05}") for number in range(count)])
    start = micros(STORY[0]["event_time"])
    for step, batch in enumerate(shuffled(count, story)):
        for kind, rows in batch:
            shard.take(kind, rows)
        _join(every, shard.tick(start + ticks[step] * MINUTE))
    _join(every, shard.tick(start + 400 * MINUTE))
    return shard, every


def _join(every: Announced, more: Announced) -> None:
    every.requests += more.requests
    every.alerts += more.alerts


def without_plant(values: list[dict[str, Any]], *names: str) -> list[Any]:
    """What was told of each plant, in the order of telling."""
    told: dict[str, list[Any]] = {}
    for each in values:
        told.setdefault(each["plant"], []).append(tuple(str(each[n]).replace(each["plant"], "") for n in names))
    return list(told.values())


def ends(shard: Shard) -> tuple[set[Any], set[Any]]:
    """Stock and how far the items are, of every plant."""
    stock = shard.stock.stock(shard.stock.balances.select("plant", "material", "storage_location").unique())
    papers = shard.requests.papers.filter(pl.col("kind") != "requested").drop("plant", "request_number")
    alike = papers.group_by(pl.all()).len()
    return set(stock.drop("plant").rows()), set(alike["len"])


def test_thousands_of_interleavings_ask_for_the_same_and_tell_the_same() -> None:
    """All records are there before time passes: one request each, at the same instant, and the same alerts."""
    shard, every = run(COUNT, [0] * len(STORY))
    assert [len(found) for found in ends(shard)] == [1, 1]
    asked = without_plant(every.requests, "quantity", "crossed_at", "projected", "document_key")
    assert len(asked) == COUNT
    assert len({tuple(each) for each in asked}) == 1
    told = without_plant(every.alerts, "event_id", "message", "closed")
    assert len(told) == COUNT
    assert len({tuple(sorted(each)) for each in told}) == 1


def test_thousands_of_interleavings_that_are_late_end_in_one_state() -> None:
    """Time passes while the records come: what is asked for may differ, stock, papers and standing alerts do not."""
    shard, every = run(COUNT, [12 * step for step in range(len(STORY))])
    assert [len(found) for found in ends(shard)] == [1, 1]
    standing = {
        tuple(sorted(name.replace(group.split("|")[group.startswith("stock|")], "", 1) for name in conditions))
        for group, conditions in shard.requests.alarms.standing.items()
        if "|request|" not in group
    }
    assert standing == {
        ("receipt_quantity//4500/10/S2|1",),
        ("stock_mismatch//STEEL|RM01/on_hand/2026-03-02T07:00:00+00:00",),
    }
    keys = [each["document_key"] for each in every.requests]
    assert len(keys) == len(set(keys))
    # Control of the test above: judged while records still come, the order of arrival decides what is asked for.
    assert len({tuple(each) for each in without_plant(every.requests, "quantity", "crossed_at")}) > 1


def test_thousands_of_interleavings_of_results_ask_for_the_same_and_tell_the_same() -> None:
    """Refused twice, so told twice; the second crossing is that of stock which was above its limit meanwhile."""
    shard, every = run(COUNT, [0] * len(REFUSED), REFUSED)
    asked = without_plant(every.requests, "quantity", "crossed_at", "document_key")
    assert {tuple(key for *_, key in each) for each in asked} == {(NUMBER, NUMBER[:-1] + "2")}
    assert len({tuple(each) for each in asked}) == 1
    told = without_plant(every.alerts, "kind", "event_id", "closed")
    assert len({tuple(sorted(each)) for each in told}) == 1
    kinds = [(kind, closed) for kind, _, closed in told[0] if kind == "request_rejected"]
    assert kinds == [("request_rejected", "False"), ("request_rejected", "True"), ("request_rejected", "False")]
    assert expected_requests(shard) == {Decimal(220)}


def test_thousands_of_interleavings_of_late_results_end_with_the_same_request_rejected() -> None:
    """Time passes while they come: the first request counts in no plant in the end, however often it was told."""
    shard, _ = run(COUNT, [15 * step for step in range(len(REFUSED))], REFUSED)
    standing = [name for conditions in shard.requests.alarms.standing.values() for name in conditions]
    assert sum(name.startswith("request_rejected/") and name.endswith("|1") for name in standing) == COUNT
    first = pl.col("kind").eq("requested") & pl.col("record_id").str.ends_with("|1")
    assert shard.requests.papers.filter(first).height == COUNT
    assert {name for _, name in shard.requests.closed if name.endswith("|1")} == {
        f"request|P{number:05}{NUMBER}" for number in range(COUNT)
    }


def expected_requests(shard: Shard) -> set[Decimal]:
    """What the flow counts as asked for, of every plant."""
    return set(shard.requests.expected()["open_requests"])
