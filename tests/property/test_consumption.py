"""Totals of consumption merge: merge(totals(a), totals(b)) == totals(a ++ b)."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from operators.consumption import CONSUMPTION, ROW_KEY, merge, totals
from operators.shifts import CalendarBook, utc_calendar
from operators.windows import Window
from schemas.contracts import contract
from schemas.samples import sample
from schemas.types import polars_schema

NAME = "MaterialConsumption"
BOOK = CalendarBook([], utc_calendar())
START = datetime(2026, 3, 2, tzinfo=UTC)
WINDOWS = [Window.parse(text) for text in ("10m", "1h", "day", "operation")]


def booked(chance: random.Random, size: int) -> pl.DataFrame:
    """Random rows of few keys."""
    rows = [
        {
            **sample(contract(NAME), 1)[0],
            "event_id": f"e{number}",
            "event_time": START + timedelta(minutes=chance.randrange(2000)),
            "plant": chance.choice(["P1", "P2"]),
            "kind": chance.choice(["ISSUE", "RETURN", "SCRAP", "BY_PRODUCT"]),
            "batch": chance.choice([None, "B1"]),
            "reason": chance.choice([None, "DIM", "SURF"]),
            "material": chance.choice(["M1", "M2|"]),
            "quantity": Decimal(chance.randrange(10**9)) / 1_000_000,
            "unit": chance.choice(["KGM", "GRM"]),
        }
        for number in range(size)
    ]
    origin = pl.Series("origin", [chance.randrange(2) for _ in rows], pl.Int32)
    frame = pl.DataFrame(rows, schema=polars_schema(contract(NAME)))
    return frame.with_columns(origin, pl.Series("offset", range(size), pl.Int64))


def ordered(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort(list(ROW_KEY), nulls_last=True)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(WINDOWS))
def test_totals_of_parts_merge_into_those_of_the_whole(seed: int, window: Window) -> None:
    """Whatever the cut, the order of the parts and the grouping of merges; exact to the last digit."""
    chance = random.Random(seed)
    rows = booked(chance, chance.randint(1, 40))
    cuts = sorted(chance.randint(0, rows.height) for _ in range(2))
    parts = [totals(part, window, BOOK) for part in (rows[: cuts[0]], rows[cuts[0] : cuts[1]], rows[cuts[1] :])]
    chance.shuffle(parts)
    whole = totals(rows, window, BOOK)
    assert_frame_equal(ordered(merge(parts)), ordered(whole))
    assert_frame_equal(ordered(merge([merge(parts[:1]), merge(parts[1:])])), ordered(whole))
    assert whole.schema == pl.Schema(CONSUMPTION)
    assert whole["quantity"].sum() == sum(rows["quantity"].to_list())
    assert whole["events"].sum() == rows.height
