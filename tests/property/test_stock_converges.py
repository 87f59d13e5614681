"""Stock is the same for every order, batching and repetition of the same records."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from operators.stock import BALANCE, MOVEMENT, merge_balances, merge_movements, retain, stock

START = datetime(2026, 3, 2, tzinfo=UTC)
HORIZON = timedelta(hours=6)
STATUSES = ("on_hand", "quality_hold", "blocked", "allocated")
Record = dict[str, Any]


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def balance(hours: float, on_hand: int, counted: float = 0, **statuses: int) -> Record:
    amounts = {**dict.fromkeys(STATUSES, 0), "on_hand": on_hand, **statuses}
    made = {"as_of": at(hours), "counted_at": at(hours + counted), "event_id": f"b{hours}-{counted}", "unit": "KGM"}
    return {"what": "balance", **made, **{name: Decimal(amount) for name, amount in amounts.items()}}


def movement(name: str, hours: float, quantity: int, status: str = "on_hand", revision: int = 0) -> Record:
    moved = {"movement_id": name, "status": status, "revision": revision, "time": at(hours)}
    return {"what": "movement", **moved, "unit": "KGM", "quantity": Decimal(quantity)}


#: Four balances (one counted again, one superseded at once), movements of all kinds on both sides, revisions, repeats.
RECORDS = [
    balance(0, 500),
    balance(4, 470, quality_hold=10),
    balance(4, 471, counted=1, quality_hold=10),
    balance(8, 430, allocated=50),
    balance(12, 400, allocated=40),
    movement("a", 1, -30),
    movement("b", 5, -25),
    movement("c", 8, -15),
    movement("d", 12, -30),
    movement("e", 12.5, -7),
    movement("e", 12.5, -7, "allocated"),
    movement("e", 12.5, -7),
    movement("h", 13, -20),
    movement("h", 13, 20, "quality_hold"),
    movement("w", 11, 60, revision=1),
    movement("w", 12.2, 90, revision=2),
    movement("w", 13, 100, revision=3),
    movement("w", 12.2, 90, revision=2),
]


def expected(records: list[Record]) -> dict[str, Decimal]:
    """The same by the plainest of loops: newest balance, and what each movement's total rose by after it."""
    newest = max((r for r in records if r["what"] == "balance"), key=lambda r: (r["as_of"], r["counted_at"]))
    totals = {status: newest[status] for status in STATUSES}
    moved: dict[tuple[str, str], dict[int, Record]] = {}
    for each in (r for r in records if r["what"] == "movement" and r["time"] > newest["as_of"] - HORIZON):
        moved.setdefault((each["movement_id"], each["status"]), {})[each["revision"]] = each
    for (_, status), revisions in moved.items():
        seen = [number for number, each in revisions.items() if each["time"] <= newest["as_of"]]
        totals[status] += revisions[max(revisions)]["quantity"]
        totals[status] -= revisions[max(seen)]["quantity"] if seen else 0
    totals["allocated"] = max(totals["allocated"], Decimal(0))
    return totals


def frames(records: list[tuple[str, Record]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Balances and movements of (plant, record)."""
    where = {"material": "STEEL-2", "storage_location": "RM01"}
    rows: dict[str, list[Record]] = {"balance": [], "movement": []}
    for plant, record in records:
        rows[record["what"]].append({"plant": plant, **where, **record})
    return pl.DataFrame(rows["balance"], schema=BALANCE), pl.DataFrame(rows["movement"], schema=MOVEMENT)


Merge = Callable[[list[pl.DataFrame]], pl.DataFrame]


def run(batches: list[list[tuple[str, Record]]], merge: Merge = merge_movements) -> tuple[pl.DataFrame, pl.DataFrame]:
    """State after batches came one by one, with what is old taken away after each."""
    known, movements = pl.DataFrame(schema=BALANCE), pl.DataFrame(schema=MOVEMENT)
    for batch in batches:
        counted, moved = frames(batch)
        known, movements = retain(merge_balances([known, counted]), merge([movements, moved]), HORIZON)
    return known, movements


def permutations(count: int) -> list[list[tuple[str, Record]]]:
    """One interleaving of all records per plant; the n-th batch has the n-th record of every plant."""
    chance = random.Random(20260302)
    orders = [chance.sample(RECORDS, len(RECORDS)) for _ in range(count)]
    return [[(f"P{number:05}", order[step]) for number, order in enumerate(orders)] for step in range(len(RECORDS))]


def results(known: pl.DataFrame, movements: pl.DataFrame) -> set[tuple[Decimal, ...]]:
    return set(stock(known, movements).select(STATUSES).rows())


def test_five_thousand_interleavings_end_in_one_state() -> None:
    """Snapshots hours late, twice and older than the last, duplicates, revisions on both sides of an `as_of`."""
    known, movements = run(permutations(5000))
    assert results(known, movements) == {tuple(expected(RECORDS).values())}
    assert stock(known, movements).height == 5000
    for state in (known, movements):
        alike = state.group_by(pl.exclude("plant")).agg(pl.col("plant").n_unique().alias("plants"))
        assert set(alike["plants"]) == {5000}


def test_counting_a_repeated_movement_twice_is_seen() -> None:
    """Negative control: state that only appends does not end the same."""

    def append(parts: list[pl.DataFrame]) -> pl.DataFrame:
        rows = pl.concat(parts)
        return rows.with_columns(pl.col("movement_id") + pl.int_range(pl.len()).cast(pl.String))

    assert results(*run(permutations(20), append)) != {tuple(expected(RECORDS).values())}


records = st.lists(
    st.one_of(
        st.builds(balance, st.integers(0, 16), st.integers(0, 900), st.integers(0, 2)),
        st.builds(
            movement,
            st.sampled_from("abcdef"),
            st.integers(0, 20).map(lambda n: n + 0.5),
            st.integers(-50, 50),
            st.sampled_from(STATUSES),
            st.integers(0, 2),
        ),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(records, st.integers(0, 2**32))
def test_any_batching_of_any_records_ends_as_if_all_had_come_at_once(events: list[Record], seed: int) -> None:
    """Each identity has one content, as producers promise; batches overlap, as after a crash."""
    distinct = {tuple(each.get(n) for n in ("what", "as_of", "counted_at", "movement_id", "status", "revision")): each
                for each in events}  # fmt: skip
    whole = [("P", each) for each in distinct.values()]
    chance = random.Random(seed)
    shuffled = chance.sample(whole, len(whole)) + chance.choices(whole, k=5)
    cuts = sorted(chance.randint(0, len(shuffled)) for _ in range(3))
    batches = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
    for one, other in zip(run([whole]), run(batches), strict=True):
        assert_frame_equal(one, other, check_row_order=False)


@pytest.mark.parametrize("size", [1, 5])
def test_merging_is_associative_and_idempotent(size: int) -> None:
    parts = [frames([("P", each) for each in RECORDS[n : n + size]]) for n in range(0, len(RECORDS), size)]
    for merge, which in ((merge_balances, 0), (merge_movements, 1)):
        all_parts = [part[which] for part in parts]
        whole = merge(all_parts)
        assert_frame_equal(merge([whole, *all_parts]), whole)
        assert_frame_equal(merge([merge(all_parts[:2]), merge(all_parts[2:])]), whole)
