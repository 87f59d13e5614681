"""Exact integers behind decimals: rules subtract in millionths, quantities travel as decimal(18,6)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from operators.partials import QUANTITY

Longs = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
SCALE = 1_000_000


def millionths(quantity: Decimal) -> int:
    """A quantity as a whole number of millionths; what is finer than decimal(18,6) is cut off."""
    return int(quantity.scaleb(6))


def to_millionths(column: pl.Series) -> Longs:
    """A decimal(18,6) column without nulls as millionths."""
    return column.cast(QUANTITY).to_physical().cast(pl.Int64).to_numpy()


def quantities(name: str, values: Longs) -> pl.Series:
    """Millionths as a decimal(18,6) column, without a copy of each value on the way."""
    wide = np.empty((len(values), 2), np.int64)
    wide[:, 0] = values
    np.right_shift(values, 63, out=wide[:, 1])
    return pl.Series(name, pa.Array.from_buffers(pa.decimal128(18, 6), len(values), [None, pa.py_buffer(wide)]))


def quantity(column: pl.Expr) -> pl.Expr:
    """Millionths as decimal(18,6); microseconds become seconds."""
    return (column.cast(pl.Decimal(38, 6)) / SCALE).cast(QUANTITY)


def group_numbers(frame: pl.DataFrame, by: Sequence[str]) -> pl.Series:
    """For each row: a number that the rows of its group share, whatever the order of the frame."""
    return frame.select(by).with_row_index("number").select(pl.col("number").first().over(by)).to_series()


def group_starts(frame: pl.DataFrame, by: list[str]) -> Longs:
    """For each row of a frame sorted by `by`: the position of the first row of its group."""
    if not frame.height:
        return np.zeros(0, np.int64)
    changed = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in by)
    first = frame.select(changed).to_series().to_numpy().copy()
    first[0] = True
    return np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))


def latest(mask: Mask, starts: Longs) -> Longs:
    """For each row: the last position of its group, up to and with itself, in `mask`; -1 if none."""
    if not len(mask):
        return np.zeros(0, np.int64)
    found = np.maximum.accumulate(np.where(mask, np.arange(len(mask)), -1))
    return np.where(found >= starts, found, -1)


def take(column: pl.Series, rows: Longs) -> pl.Series:
    """Values at `rows`; null where the position is -1."""
    if not len(column):
        return pl.Series(column.name, [None] * len(rows), column.dtype)
    positions = pl.Series(rows)
    return column.gather(positions.set(positions < 0, None))
