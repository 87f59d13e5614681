"""Running totals by key: the same rows as a plain group-by, however the input is cut."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from operators import row_index
from operators.accumulator import TOTAL, Accumulator
from operators.partials import PARTIAL, ROW_KEY, merge
from operators.row_index import RowIndex

ORDER = list(TOTAL)
START = datetime(2026, 3, 2, 6, tzinfo=UTC)


def rows(count: int, keys: int, seed: int = 1) -> pl.DataFrame:
    """Random rows of PARTIAL with `keys` orders; some texts are null, some measures always nothing."""
    chance = random.Random(seed)
    return pl.DataFrame([_row(chance, keys) for _ in range(count)], schema=PARTIAL, orient="row")


def _row(chance: random.Random, keys: int) -> dict[str, Any]:
    order, at = chance.randrange(keys), START + timedelta(seconds=chance.randrange(600))
    return {
        "plant": "P1",
        "order_id": f"order number {order}",
        "operation": "0010",
        "work_center": f"W{order % 3}",
        "shift": "",
        "window_start": START,
        "unit": chance.choice(["C62", None]),
        "kind": "M",
        "scrap_reason": chance.choice([None, None, "dent"]),
        "origin": chance.randrange(2),
        "events": chance.randrange(1, 4),
        "quantity_yield": Decimal(chance.randrange(-10, 900_000)) / 1000,
        "quantity_scrap": Decimal(chance.randrange(3)),
        "quantity_rework": Decimal(0),
        "setup_time": Decimal(0),
        "machine_time": Decimal(0),
        "labour_time": Decimal(0),
        "window_end": START + timedelta(minutes=10),
        "posting_date": date(2026, 3, 2),
        "completed": chance.random() < 0.1,
        "last_time": at,
        "last_offset": chance.choice([chance.randrange(10**6), None]),
        "first_time": at,
        "first_offset": chance.choice([chance.randrange(10**6), None]),
    }


def same(left: pl.DataFrame, right: pl.DataFrame) -> None:
    assert left["revises"].equals(left["events"])
    assert_frame_equal(left.select(list(PARTIAL)).sort(list(ROW_KEY)), right.sort(list(ROW_KEY)))


@pytest.mark.parametrize("size", [1, 7, 400])
def test_what_is_added_in_pieces_is_what_a_group_by_makes_of_the_whole(size: int) -> None:
    whole, totals = rows(400, 50), Accumulator()
    for piece in whole.iter_slices(size):
        totals.add(piece)
    same(totals.rows(), merge([whole]))


def test_a_snapshot_at_any_moment_goes_on_to_the_same_totals() -> None:
    whole, totals = rows(600, 200), Accumulator()
    for piece in whole.iter_slices(37):
        totals = Accumulator.load(totals.save())
        totals.add(piece)
    same(totals.rows(), merge([whole]))


def test_keys_are_serialised_once_when_they_come() -> None:
    totals = Accumulator.of(rows(100, 20))
    first = totals.save()
    totals.add(rows(100, 20))
    assert [a is b for a, b in zip(first["keys"], totals.save()["keys"], strict=False)] == [True]


def test_a_snapshot_keeps_keys_in_a_few_pieces_however_many_came_alone() -> None:
    totals = Accumulator()
    for piece in rows(300, 300).iter_slices(1):
        totals.add(piece)
        assert len(totals.save()["keys"]) <= 9


def test_rows_that_were_given_out_stay_as_they_were() -> None:
    totals = Accumulator.of(rows(100, 5))
    before = totals.rows()
    kept = before.clone().rows()
    totals.add(rows(100, 5))  # no key is new, so no array is replaced by a longer one
    assert totals.rows()["events"].sum() == 2 * sum(row[ORDER.index("events")] for row in kept)
    assert before.rows() == kept


def test_nothing_added_is_no_row() -> None:
    assert_frame_equal(Accumulator().rows(), pl.DataFrame(schema=TOTAL))
    assert_frame_equal(Accumulator.load(Accumulator().save()).rows(), pl.DataFrame(schema=TOTAL))


def crowded(monkeypatch: pytest.MonkeyPatch, *, both: bool) -> None:
    """Let the first hash, or both, have three values only."""
    plain = RowIndex._hashes

    def few(index: RowIndex, frame: pl.DataFrame) -> Any:
        one, two = plain(index, frame)
        return one % np.uint64(3), one % np.uint64(3) if both else two

    monkeypatch.setattr(row_index.RowIndex, "_hashes", few)


def test_keys_that_share_a_hash_are_told_apart_by_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    crowded(monkeypatch, both=False)
    whole, totals = rows(300, 90), Accumulator()
    for piece in whole.iter_slices(29):
        totals = Accumulator.load(totals.save())
        totals.add(piece)
    same(totals.rows(), merge([whole]))


def test_one_hash_alone_would_mix_keys_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    crowded(monkeypatch, both=True)
    whole = rows(300, 90)
    assert Accumulator.of(whole).rows().height == 3 < merge([whole]).height
