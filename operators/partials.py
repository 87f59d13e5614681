"""Partial totals: additive rows per confirmation key that may be merged in any order and grouping.

The law that everything downstream rests on: ``merge(partial(a), partial(b)) == partial(a ++ b)``.
Machine counts (kind M), operator reports (kind R) and measured times (kind T) stay apart, since they are
alternatives that the order's confirmation profile chooses between, never summands.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

QUANTITY = pl.Decimal(18, 6)
INSTANT = pl.Datetime("us", "UTC")

MACHINE, REPORT, TIME = "M", "R", "T"
#: Of an `origin`, which is the contract's code above the partition.
PARTITION_BITS = 16

#: Identity of the document that a row adds to.
DOCUMENT_KEY: dict[str, pl.DataType] = {
    "plant": pl.String(),
    "order_id": pl.String(),  # "" where no job was active: waits, then goes to the dead letters
    "operation": pl.String(),
    "work_center": pl.String(),
    "shift": pl.String(),
    "window_start": INSTANT,
}
#: What further tells two rows of one document apart.
ROW_KEY: dict[str, pl.DataType] = {
    **DOCUMENT_KEY,
    "unit": pl.String(),
    "kind": pl.String(),
    "scrap_reason": pl.String(),
    "origin": pl.Int32(),
}
SUMS: dict[str, pl.DataType] = {
    "events": pl.Int64(),
    "quantity_yield": QUANTITY,
    "quantity_scrap": QUANTITY,
    "quantity_rework": QUANTITY,
    "setup_time": QUANTITY,
    "machine_time": QUANTITY,
    "labour_time": QUANTITY,
}
MAXIMA: dict[str, pl.DataType] = {
    "window_end": INSTANT,
    "posting_date": pl.Date(),
    "completed": pl.Boolean(),
    "last_time": INSTANT,
    "last_offset": pl.Int64(),
}
MINIMA: dict[str, pl.DataType] = {"first_time": INSTANT, "first_offset": pl.Int64()}

PARTIAL: dict[str, pl.DataType] = {**ROW_KEY, **SUMS, **MAXIMA, **MINIMA}

#: A work centre's timeline replaces what it contributed before, part by part, by a higher revision.
CONTRIBUTION: dict[str, pl.DataType] = {**PARTIAL, "part": pl.Int64(), "revision": pl.Int64()}


def empty() -> pl.DataFrame:
    """No rows, with the columns of a partial frame."""
    return pl.DataFrame(schema=PARTIAL)


def aggregations(names: Sequence[str]) -> list[pl.Expr]:
    """How each named measure merges: sums add, maxima and minima extend. Quantities stay decimal(18,6)."""
    out = []
    for name in names:
        column = pl.col(name)
        if name in SUMS:
            merged = column.sum()
            out.append(merged.cast(QUANTITY) if SUMS[name] == QUANTITY else merged)
        elif name in MAXIMA:
            out.append(column.max())
        else:
            out.append(column.min())
    return out


def merge(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Add partial frames up: one row per ROW_KEY, whatever the order or grouping of `frames`."""
    if not frames:
        return empty()
    rows = pl.concat(frames) if len(frames) > 1 else frames[0]
    return rows.group_by(list(ROW_KEY)).agg(aggregations([*SUMS, *MAXIMA, *MINIMA]))
