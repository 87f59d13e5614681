"""How the totals of an operation changed: what decides whether the operation is complete."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from operators.partials import MACHINE, PARTIAL, REPORT

OPERATION_KEY = ("plant", "order_id", "operation")
#: Counts are added up per unit: the order's unit, in which an operation is complete, is not known here.
DELTA_KEY = (*OPERATION_KEY, "unit")
#: How the totals of an operation changed by what is announced.
DELTA: dict[str, pl.DataType] = {
    **{name: PARTIAL[name] for name in DELTA_KEY},
    "machine": PARTIAL["quantity_yield"],
    "report": PARTIAL["quantity_yield"],
    "revises": pl.Int64(),
    "completions": pl.Int64(),
    "last_time": PARTIAL["last_time"],
    "posting_date": PARTIAL["posting_date"],
}


def by_operation(rows: pl.DataFrame) -> pl.DataFrame:
    """Totals per operation and unit, by the alternative counts."""
    quantity = DELTA["machine"]
    nothing = pl.lit(Decimal(0), dtype=quantity)
    yields = [
        pl.when(pl.col("kind") == kind).then("quantity_yield").otherwise(nothing).alias(name)
        for name, kind in (("machine", MACHINE), ("report", REPORT))
    ]
    return (
        rows.with_columns(yields)
        .group_by(DELTA_KEY)
        .agg(
            pl.col("machine").sum().cast(quantity),
            pl.col("report").sum().cast(quantity),
            pl.col("revises").sum(),
            pl.col("completed").sum().cast(pl.Int64).alias("completions"),
            pl.col("last_time").max(),
            pl.col("posting_date").max(),
        )
    )


def change(after: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """What was added to the totals of operations: both frames as `by_operation` gives them."""
    both = pl.concat([after, before.with_columns(_negated())])
    return both.group_by(DELTA_KEY).agg(_delta_sums())


def _delta_sums() -> list[pl.Expr]:
    quantity = DELTA["machine"]
    return [
        pl.col("machine").sum().cast(quantity),
        pl.col("report").sum().cast(quantity),
        pl.col("revises").sum(),
        pl.col("completions").sum(),
        pl.col("last_time").max(),
        pl.col("posting_date").max(),
    ]


def _negated() -> list[pl.Expr]:
    names = ("machine", "report", "revises", "completions")
    return [(-pl.col(name)).cast(DELTA[name]).alias(name) for name in names]
