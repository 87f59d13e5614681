"""Long format: rows of time, machine, key and value become rows with one column per key.

Rows that are joined may fall into two batches. Groups that later rows could still belong to wait in the
state, and everything behind the first of them waits too, so that rows leave in the order in which they began.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from millrace.errors import Misconfigured
from schemas.mapping.chains import runs
from schemas.mapping.model import Long

#: More rows than this waiting at once: `join_on` does not tell one time from the next.
MOST_HELD = 200_000
_SEPARATOR = "\x1f"


@dataclass(slots=True)
class Widened:
    """Long rows as wide ones.

    Args:
        frame: One row per record; `_line` is its first line and `_lines` all of them.
        rows: The long rows that ended here, with their raw texts.
        unknown: Lines with a key that is not listed.
        held: Plain columns of the rows that wait.
    """

    frame: pl.DataFrame
    rows: pl.DataFrame
    unknown: pl.DataFrame
    held: dict[str, list[Any]] = field(default_factory=dict)


def widen(rows: pl.DataFrame, long: Long, held: dict[str, list[Any]], *, final: bool) -> Widened:
    """Turn long rows into wide ones.

    Args:
        rows: Text columns and `_line`.
        long: Names key, value, the keys and what is joined.
        held: Rows that waited.
        final: No more rows follow: nothing waits.
    """
    rows = _with_held(rows, held)
    known = pl.col(long.key).is_in(list(long.keys)).fill_null(value=False)
    if not long.join_on:
        frame = rows.filter(known).with_columns(_columns(long)).with_columns(_lines=pl.concat_list("_line"))
        return Widened(frame, rows, rows.filter(~known))
    grouped = _grouped(rows.with_columns(_known=known), long)
    waiting = rows.clear() if final else _waiting(grouped, long)
    if waiting.height > MOST_HELD:
        raise Misconfigured(
            f"long.join_on: more than {MOST_HELD} rows wait to be joined; "
            f"{long.join_on} does not tell one time from the next"
        )
    ended = grouped.filter(~pl.col("_line").is_in(waiting["_line"].implode())) if waiting.height else grouped
    frame = _joined(ended.filter("_known"), long)
    done = ended.select(rows.columns)
    return Widened(
        frame,
        done,
        ended.filter(~pl.col("_known")).select(rows.columns),
        _plain(waiting.select(rows.columns)),
    )


def _columns(long: Long) -> list[pl.Expr]:
    """One column per target, set where the row's key leads there."""
    sources: dict[str, list[str]] = {}
    for key, column in long.keys.items():
        sources.setdefault(column, []).append(key)
    return [
        pl.when(pl.col(long.key).is_in(keys)).then(pl.col(long.value)).alias(column) for column, keys in sources.items()
    ]


def _with_held(rows: pl.DataFrame, held: dict[str, list[Any]]) -> pl.DataFrame:
    if not held:
        return rows
    waiting = pl.DataFrame(held, schema_overrides={"_line": pl.Int64})
    return pl.concat(
        [waiting.cast({c: t for c, t in rows.schema.items() if c in waiting.columns}), rows], how="diagonal"
    )


def _grouped(rows: pl.DataFrame, long: Long) -> pl.DataFrame:
    """Add `_group`: equal in `join_on`, near each other, and the n-th with its key."""
    texts = [pl.concat_str([pl.col(c).fill_null("\x00"), pl.lit(_SEPARATOR)]) for c in long.join_on]
    rows = rows.with_columns(_join=pl.concat_str(texts))
    rows = rows.with_columns(_run=runs(rows["_join"], rows["_line"], long.join_within))
    nth = pl.int_range(0, pl.len()).over("_join", "_run", long.key)
    return rows.with_columns(_group=pl.concat_str(["_join", "_run", nth], separator=_SEPARATOR))


def _waiting(grouped: pl.DataFrame, long: Long) -> pl.DataFrame:
    """Rows of runs that may go on, and of all that begin behind the first of these."""
    if grouped.height == 0:
        return grouped
    newest = int(grouped["_line"].max())  # type: ignore[arg-type]  # lines are integers
    spans = grouped.group_by("_join", "_run").agg(first=pl.col("_line").min(), last=pl.col("_line").max())
    open_from = spans.filter(pl.col("last") + long.join_within >= newest)["first"].min()
    late = spans.filter(pl.col("first") >= open_from)
    return grouped.join(late, on=["_join", "_run"], how="semi", maintain_order="left")


def _joined(rows: pl.DataFrame, long: Long) -> pl.DataFrame:
    targets = list(dict.fromkeys(long.keys.values()))
    others = [c for c in rows.columns if c not in {*targets, "_line", "_group", "_join", "_run", "_known"}]
    wide = (
        rows.with_columns(_columns(long))
        .group_by("_group", maintain_order=True)
        .agg(
            *[pl.col(name).drop_nulls().first() for name in targets],
            *[pl.col(name).first() for name in others],
            pl.col("_line").alias("_lines"),
            pl.col("_line").first(),
        )
    )
    return wide.drop("_group").sort("_line")


def _plain(rows: pl.DataFrame) -> dict[str, list[Any]]:
    return {name: column.to_list() for name, column in rows.to_dict().items()} if rows.height else {}
