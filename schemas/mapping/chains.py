"""Equal rows near each other: where a run of them ends, and which of a run a row is.

A run depends on the lines of its rows only, never on how they fell into batches.
"""

from __future__ import annotations

import polars as pl

#: Equal rows further apart than this many lines start to be numbered anew.
HORIZON = 10_000

Numbered = dict[str, list[int]]


def runs(keys: pl.Series, lines: pl.Series, gap: int) -> pl.Series:
    """Number of the run of equal keys that each row is in; a distance above `gap` lines starts the next."""
    frame = pl.DataFrame({"key": keys, "line": lines})
    starts = (pl.col("line").diff() > gap).fill_null(value=False)
    return frame.select(starts.cast(pl.Int64).cum_sum().over("key").alias("run")).to_series()


def occurrences(keys: pl.Series, lines: pl.Series, held: Numbered) -> tuple[pl.Series, Numbered]:
    """Running number, from 1, of each row among equal rows at most HORIZON lines apart.

    Args:
        keys: What makes rows equal; missing keys are not numbered.
        lines: Ascending lines.
        held: Last line and count by key, from the batches before.

    Returns:
        The numbers, and what the next batch needs; keys older than the horizon are forgotten.
    """
    if keys.len() == 0:
        return pl.Series("n", [], dtype=pl.Int64), held
    last = {key: line for key, (line, _) in held.items()}
    count = {key: number for key, (_, number) in held.items()}
    frame = pl.DataFrame({"key": keys, "line": lines}, schema={"key": pl.String, "line": pl.Int64}).with_columns(
        last=pl.col("key").replace_strict(last, default=None, return_dtype=pl.Int64),
        count=pl.col("key").replace_strict(count, default=0, return_dtype=pl.Int64),
    )
    before = pl.coalesce(pl.col("line").shift(1).over("key"), "last")
    starts = ((pl.col("line") - before) > HORIZON).fill_null(value=False)
    frame = frame.with_columns(run=starts.cast(pl.Int64).cum_sum().over("key"))
    number = pl.int_range(1, pl.len() + 1).over("key", "run") + pl.when(pl.col("run") == 0).then("count").otherwise(0)
    frame = frame.with_columns(number=number.cast(pl.Int64))
    return frame["number"], _remembered(frame, held)


def _remembered(frame: pl.DataFrame, held: Numbered) -> Numbered:
    newest = frame.drop_nulls("key").group_by("key").agg(pl.col("line").last(), pl.col("number").last())
    updated = held | {key: [line, number] for key, line, number in newest.iter_rows()}
    oldest = int(frame["line"].max() or 0) - HORIZON  # type: ignore[arg-type]  # lines are integers
    return {key: value for key, value in updated.items() if value[0] >= oldest}
