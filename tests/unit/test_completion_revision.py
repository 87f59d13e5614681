"""The revision of a completion rises with every event, also with one that takes a total back."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from operators.completion import PROGRESS, add_deltas
from operators.deltas import DELTA, by_operation, change
from operators.partials import MACHINE, PARTIAL

KEY = {"plant": "P1", "order_id": "O1", "operation": "0010", "unit": "C62"}


def totals(*given: tuple[int, int]) -> pl.DataFrame:
    """Machine totals of one operation: pieces and revision by window."""
    at = {"last_time": datetime(2026, 3, 2, tzinfo=UTC), "posting_date": date(2026, 3, 2), "completed": False}
    rows: list[dict[str, Any]] = [
        {**KEY, **at, "kind": MACHINE, "quantity_yield": Decimal(pieces), "revises": revision}
        for pieces, revision in given
    ]
    kinds = {name: PARTIAL[name] for name in (*KEY, "quantity_yield", "last_time", "posting_date", "completed", "kind")}
    return pl.DataFrame(rows, schema={**kinds, "revises": pl.Int64()})


@pytest.mark.parametrize("left_out", [False, True])
def test_a_job_that_turns_out_to_have_ended_earlier_supersedes_the_completion_it_led_to(left_out: bool) -> None:
    """A late event takes the second window back. Negative control: a total without pieces left out of the sum."""
    before, after = totals((10, 5), (10, 10)), totals((10, 5), (0, 11))
    if left_out:
        after = after.filter(pl.col("quantity_yield") != 0)
    progress = add_deltas(pl.DataFrame(schema=PROGRESS), by_operation(before).select(list(DELTA)))
    later = add_deltas(progress, change(by_operation(after), by_operation(before)).select(list(DELTA)))
    assert (progress["machine"].item(), later["machine"].item()) == (20, 10)
    assert (later["revises"].item() > progress["revises"].item()) is not left_out
