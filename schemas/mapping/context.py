"""Context that is written once and holds for the rows that follow, such as order, article, operator."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from schemas.mapping import sql
from schemas.mapping.model import Context, ContextField

#: Value by machine, by context column.
Held = dict[str, dict[str, str]]
_SEPARATOR = "\x1f"


@dataclass(slots=True)
class Filled:
    """Rows with their context.

    Args:
        frame: The rows and one text column per context field.
        carries: Whether a row set or ended a value.
        held: Values that hold after the last row.
        failed: Rows whose conditions cannot be worked out: index, column and message.
    """

    frame: pl.DataFrame
    carries: pl.Series
    held: Held
    failed: list[tuple[int, str, str]]


def fill(frame: pl.DataFrame, context: Context, held: Held, place: str) -> Filled:
    """Fill context columns forward, row by row in the order of the file, each machine for itself.

    A row whose machine is missing keeps what it says itself and passes nothing on.
    """
    machine = frame.select(pl.concat_str([pl.col(c).cast(pl.String) for c in context.per], separator=_SEPARATOR))
    rows = machine.to_series().alias("key").to_frame()
    failed: list[tuple[int, str, str]] = []
    columns: list[pl.Series] = []
    carries = pl.Series("carries", [False]).new_from_index(0, frame.height)
    after: Held = {}
    for name, field in context.fields.items():
        set_here = _condition(frame, field.set_when, f"{place}.{name}.set_when", (name, failed), otherwise=True)
        reset = _condition(frame, field.reset_when, f"{place}.{name}.reset_when", (name, failed), otherwise=False)
        own = frame[field.from_].cast(pl.String).set(~set_here, None)
        one = rows.with_columns(own.alias("own"), reset.alias("reset"))
        values, after[name] = _forward(one, field, held.get(name, {}))
        columns.append(values.alias(name))
        carries = carries | own.is_not_null() | reset
    return Filled(frame.with_columns(columns), carries, after, failed)


def _condition(
    frame: pl.DataFrame,
    expression: str | None,
    place: str,
    failures: tuple[str, list[tuple[int, str, str]]],
    *,
    otherwise: bool,
) -> pl.Series:
    """Where a condition holds; a missing answer is no."""
    if expression is None:
        return pl.Series("x", [otherwise]).new_from_index(0, frame.height)
    name, failed = failures
    found = sql.condition(frame, expression, place)
    failed += [(row, name, message) for row, message in found.failed.items()]
    return found.values


def _forward(rows: pl.DataFrame, field: ContextField, held: dict[str, str]) -> tuple[pl.Series, dict[str, str]]:
    """Values by row, and those that hold behind the last row of each machine."""
    resets = pl.col("reset").cast(pl.Int64)
    before = resets if field.reset_includes_row else resets.shift(1, fill_value=0)
    rows = rows.with_columns(
        part=before.cum_sum().over("key"),
        before=pl.col("key").replace_strict(held, default=None, return_dtype=pl.String),
    )
    filled = pl.col("own").forward_fill().over("key", "part")
    first = pl.when(pl.col("part") == 0).then("before")
    known = pl.when(pl.col("key").is_null()).then("own").otherwise(pl.coalesce(filled, first))
    rows = rows.with_columns(value=known)
    still = pl.col("value") if field.reset_includes_row else pl.when(~pl.col("reset")).then("value")
    last = rows.drop_nulls("key").group_by("key").agg(still.last().alias("value"))
    after = dict(held)
    for key, value in last.iter_rows():
        after.pop(key, None)
        if value is not None:
            after[key] = value
    return rows["value"], after
