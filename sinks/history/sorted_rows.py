"""Rows of a plant-day in order, in memory that does not grow with the day.

A day that fits is sorted at once. Of a larger one, sorted runs are put aside on disk and merged range by range: each
range of keys and times is read from all runs, sorted and given on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

#: Rows that are sorted at once: they take about a gigabyte of memory.
RUN_ROWS = 500_000
#: Rows of a row group of a run, which is read as a whole: few beside those of a range, of which each run has its part.
_GROUP_ROWS = 10_000
#: By so many of the columns that rows are ordered by, ranges are told apart.
_PLACED_BY = 2

_Mark = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class _Run:
    """Sorted rows on disk.

    Args:
        path: Parquet.
        like: No rows, of its columns.
        marks: Where each of its row groups begins.
    """

    path: Path
    like: pl.DataFrame
    marks: list[_Mark]


def in_order(frames: Iterable[pl.DataFrame], wanted: Sequence[str], folder: Path) -> Iterator[pl.DataFrame]:
    """All rows, ordered; columns that some frames lack are null there.

    Args:
        frames: Rows in any order, of one or more sets of columns; taken one by one.
        wanted: Columns to order by, nulls first; what no frame has is left out.
        folder: Where runs are put aside; must exist and be empty.

    Yields:
        Frames of the same columns, `RUN_ROWS` rows each or about as many; one without rows where there are none.
    """
    held: list[pl.DataFrame] = []
    runs: list[_Run] = []
    for frame in frames:
        held.append(frame)
        if sum(each.height for each in held) >= RUN_ROWS:
            runs.append(_put_aside(held, wanted, folder / f"{len(runs)}.parquet"))
            held = []
    if not runs:
        if held:
            yield _ordered(held, wanted)
        return
    if held:
        runs.append(_put_aside(held, wanted, folder / f"{len(runs)}.parquet"))
    yield from _merged(runs, wanted)


def ordered_by(columns: Iterable[str], wanted: Sequence[str]) -> list[str]:
    """Those of the wanted columns that there are."""
    present = set(columns)
    return [name for name in wanted if name in present]


def _ordered(frames: Sequence[pl.DataFrame], wanted: Sequence[str]) -> pl.DataFrame:
    rows = pl.concat(frames, how="diagonal_relaxed")
    return rows.sort(ordered_by(rows.columns, wanted))


def _put_aside(frames: Sequence[pl.DataFrame], wanted: Sequence[str], path: Path) -> _Run:
    rows = _ordered(frames, wanted)
    table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
    pq.write_table(table, path, row_group_size=_GROUP_ROWS, compression="lz4", write_statistics=False)
    firsts = rows.gather_every(_GROUP_ROWS)
    placed = [firsts[name] if name in rows.columns else [None] * firsts.height for name in wanted[:_PLACED_BY]]
    return _Run(path, rows.clear(), [_mark(values) for values in zip(*placed, strict=True)])


def _mark(values: Sequence[Any]) -> _Mark:
    """Values as they sort: nulls first."""
    return tuple((False,) if value is None else (True, value) for value in values)


def _merged(runs: Sequence[_Run], wanted: Sequence[str]) -> Iterator[pl.DataFrame]:
    like = pl.concat([run.like for run in runs], how="diagonal_relaxed")
    placed = ordered_by(like.columns, wanted[:_PLACED_BY])
    marks = sorted(mark for run in runs for mark in run.marks)
    bounds = sorted(set(marks[RUN_ROWS // _GROUP_ROWS :: max(1, RUN_ROWS // _GROUP_ROWS)]))
    for number in range(len(bounds) + 1):
        lower = bounds[number - 1] if number else None
        upper = bounds[number] if number < len(bounds) else None
        within = _reaches(wanted, lower, placed) & ~_reaches(wanted, upper, placed, otherwise=False)
        parts = [pl.concat([like, _groups(run, lower, upper)], how="diagonal_relaxed").filter(within) for run in runs]
        yield _ordered([like, *parts], wanted)


def _groups(run: _Run, lower: _Mark | None, upper: _Mark | None) -> pl.DataFrame:
    """Row groups of a run that may have rows of a range; a group ends where the next one begins, that included."""
    first = 0 if lower is None else max(0, bisect_left(run.marks, lower) - 1)
    last = len(run.marks) if upper is None else bisect_left(run.marks, upper)
    with pq.ParquetFile(run.path) as opened:
        return frame_of(opened.read_row_groups(list(range(first, last))))


def _reaches(wanted: Sequence[str], mark: _Mark | None, present: Sequence[str], *, otherwise: bool = True) -> pl.Expr:
    """Whether a row is at a mark or behind it; `otherwise` where there is no mark."""
    if mark is None:
        return pl.lit(otherwise)
    so_far = pl.lit(value=True)
    for name, value in reversed(list(zip(wanted, mark, strict=False))):
        if name not in present:
            continue
        column = pl.col(name)
        beyond = column > value[1] if value[0] else column.is_not_null()
        so_far = beyond | (column.eq_missing(value[1] if value[0] else None) & so_far)
    return so_far.fill_null(value=False)


def frame_of(table: pa.Table) -> pl.DataFrame:
    """An Arrow table as a frame."""
    return pl.DataFrame(table)


__all__ = ["RUN_ROWS", "frame_of", "in_order", "ordered_by"]
