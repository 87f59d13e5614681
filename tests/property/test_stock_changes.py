"""What moved between balances is worked out from what can have changed, and is the same as from all that is kept."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from operators.partials import INSTANT
from operators.stock import BALANCE, MOVEMENT, STOCK_KEY, changes, fitting, levels, merge_movements, newest

START = datetime(2026, 3, 2, 6, tzinfo=UTC)
KEY = list(STOCK_KEY)
SPAN = [*KEY, "since", "until"]


def at(minute: int) -> datetime:
    """A minute of the day."""
    return START + timedelta(minutes=minute)


def moves(chance: random.Random) -> pl.DataFrame:
    """Movements with up to three revisions, which may come at another time or place; some twice."""
    rows: list[Any] = []
    for n in range(chance.randrange(40)):
        for revision in range(chance.choice([1, 1, 1, 2, 3])):
            place, status = f"R{chance.randrange(3)}", chance.choice(["on_hand", "allocated"])
            row = ("P1", "STEEL", place, f"m{n}", status, revision, at(chance.randrange(60)), "KGM")
            rows += [(*row, Decimal(chance.randrange(-5, 6)))] * chance.choice([1, 1, 2])
    chance.shuffle(rows)
    return pl.DataFrame(rows, schema=MOVEMENT, orient="row")


def spans(chance: random.Random) -> pl.DataFrame:
    """Spans of each place that follow one another, the first and the last of them open."""
    rows: list[Any] = []
    for n in range(3):
        ends = [None, *(at(m) for m in sorted(chance.sample(range(60), chance.randrange(4)))), None]
        rows += [("P1", "STEEL", f"R{n}", *each) for each in itertools.pairwise(ends)]
    return pl.DataFrame(rows, schema={**STOCK_KEY, "since": INSTANT, "until": INSTANT}, orient="row")


def by_all(movements: pl.DataFrame, between: pl.DataFrame) -> list[Any]:
    """The rule, over every movement: its newest total less the one that was there before."""
    rows = movements.join(between, on=KEY).filter(pl.col("until").is_null() | (pl.col("time") <= pl.col("until")))
    before = pl.col("since").is_not_null() & (pl.col("time") <= pl.col("since"))
    total = pl.col("quantity").sort_by("revision").last()
    seen = pl.col("quantity").filter(before).sort_by(pl.col("revision").filter(before)).last().fill_null(0)
    found = rows.group_by([*SPAN, "movement_id", "status"]).agg(fitting(total - seen).alias("quantity"))
    return sorted(found.filter(pl.col("quantity") != 0).rows(), key=str)


@pytest.mark.parametrize("seed", range(300))
def test_changes_are_those_of_all_movements(seed: int) -> None:
    """With revisions on both sides of a balance, at other places, and repeated rows."""
    chance = random.Random(seed)
    movements, between = moves(chance), spans(chance)
    assert sorted(changes(movements, between).rows(), key=str) == by_all(movements, between)


@pytest.mark.parametrize("seed", range(300))
def test_levels_are_those_of_all_movements(seed: int) -> None:
    """What lies before the newest balance and is not revised has no say, but for its unit."""
    chance = random.Random(seed)
    movements = moves(chance)
    rows = [
        ("P1", "STEEL", f"R{n}", at(m), at(m), "e", "KGM", *[Decimal(100)] * 4)
        for n in chance.sample(range(3), chance.randrange(4))
        for m in chance.sample(range(60), 2)
    ]
    known = pl.DataFrame(rows, schema=BALANCE, orient="row")
    merged, base = merge_movements([movements]), newest(known)
    places = pl.concat([base.select(KEY), movements.select(KEY)]).unique().join(base, on=KEY, how="left")
    open_spans = places.select(*KEY, pl.col("as_of").alias("since"), pl.lit(None, INSTANT).alias("until"))
    wanted = dict.fromkeys(_cells(base), 100)
    for *where, _, _, _, status, quantity in by_all(merged, open_spans):
        wanted[*where, status] = wanted.get((*where, status), 0) + quantity
    found = levels(known, movements)
    assert found.height == places.height
    told = {
        (*row[:3], status): row[3 + n]
        for row in found.select(*KEY, "on_hand", "allocated").rows()
        for n, status in enumerate(("on_hand", "allocated"))
    }
    assert {cell: quantity for cell, quantity in told.items() if quantity} == {c: q for c, q in wanted.items() if q}
    assert set(found["unit"]) <= {"KGM"}


def _cells(base: pl.DataFrame) -> list[tuple[str, str, str, str]]:
    return [(*place, status) for place in base.select(KEY).rows() for status in ("on_hand", "allocated")]
