"""Sorted runs give the rows that one sort gives, whatever the sizes, repeated keys, missing columns and nulls."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sinks.history import sorted_rows
from sinks.history.sorted_rows import in_order

ORDER = ("source", "event_time", "event_id")
SCHEMA: dict[str, Any] = {
    "source": pl.String(),
    "event_time": pl.Datetime("us", "UTC"),
    "event_id": pl.String(),
    "quantity": pl.Decimal(18, 6),
    "serials": pl.List(pl.String()),
}
START = datetime(2026, 3, 2, tzinfo=UTC)
KEYS, SECONDS = [None, "", "M1", "M10", "M2", "Ä"], [None, *range(6)]


@contextmanager
def runs_of(rows: int, group: int) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(sorted_rows, "RUN_ROWS", rows)
        patch.setattr(sorted_rows, "_GROUP_ROWS", group)
        yield Path(folder)


def frames(rows: list[tuple[str | None, int | None]], size: int, lacks: set[str]) -> list[pl.DataFrame]:
    """Frames of `size` rows, every second one of an older contract that lacks some columns."""
    made = [
        {
            "source": source,
            "event_time": None if second is None else START + timedelta(seconds=second),
            "event_id": str(number),
            "quantity": Decimal(number),
            "serials": [str(number)] * (number % 3),
        }
        for number, (source, second) in enumerate(rows)
    ]
    every = pl.DataFrame(made, schema=SCHEMA)
    parts = [every.slice(first, size) for first in range(0, max(1, every.height), size)]
    return [part.drop(lacks) if number % 2 else part for number, part in enumerate(parts)]


def plainly(parts: list[pl.DataFrame]) -> pl.DataFrame:
    rows = pl.concat(parts, how="diagonal_relaxed")
    return rows.sort([name for name in ORDER if name in rows.columns])


@settings(deadline=None, max_examples=80)
@given(
    st.integers(0, 300),
    st.randoms(use_true_random=False),
    st.integers(1, 20),
    st.sets(st.sampled_from(["source", "event_time", "quantity"])),
    st.sampled_from([(10_000, 100), (25, 5), (16, 4), (7, 7), (6, 1), (1, 1)]),
)
def test_ranges_of_runs_are_what_one_sort_gives(
    count: int, chance: Random, size: int, lacks: set[str], limits: tuple[int, int]
) -> None:
    rows = [(chance.choice(KEYS), chance.choice(SECONDS)) for _ in range(count)]
    parts = frames(rows, size, lacks)
    with runs_of(*limits) as folder:
        found = list(in_order(iter(parts), ORDER, folder))
    assert {frame.schema == found[0].schema for frame in found} == {True}
    whole = plainly(parts)
    assert pl.concat(found).select(whole.columns).equals(whole)


def test_a_range_is_not_much_larger_than_a_run() -> None:
    parts = frames([(f"M{number % 40}", number // 40) for number in range(4000)], 50, set())
    with runs_of(200, 10) as folder:
        found = list(in_order(iter(parts), ORDER, folder))
    assert len(found) >= 15
    assert max(frame.height for frame in found) < 3 * 200
