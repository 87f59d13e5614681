"""Completion of operations: the final flag and over-delivery, from the totals of the whole operation.

Both depend on all windows of an operation, so they are no property of a window: a document of its own, with
no quantity, says that the operation is complete. It is announced once when it becomes true, and again when a
correction makes it untrue or changes the over-delivery.

Its revision is the sum of the revisions of the operation's totals, also of those that a timeline announced for a while
and took back. So it only rises, and what is judged from more supersedes what is judged from less; but two runs over one
set of events may announce the same completion under two revisions. Both halves belong together. A total that was taken
back was revised by the event that took it back: left out, the sum would fall with that event, and the correction that
follows from it would be ignored as older. And a completion is told when its content changes, not with each event behind
it, so its revision is that of the moment at which a run saw the change, which batches decide.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl

from operators.confirmations import CONFIRMATION, NO_QUANTITY
from operators.document_keys import document_key
from operators.partials import INSTANT, QUANTITY
from operators.references import CANCELLED, ORDER, Conversions
from operators.totals import DELTA, DELTA_KEY, OPERATION_KEY

#: What an operation has come to, a row per unit, and what was announced of it.
PROGRESS: dict[str, pl.DataType] = {**DELTA, "final": pl.Boolean(), "over": QUANTITY}
_SUMS = [
    pl.col("machine").sum().cast(QUANTITY),
    pl.col("report").sum().cast(QUANTITY),
    pl.col("revises").sum(),
    pl.col("completions").sum(),
    pl.col("last_time").max(),
    pl.col("posting_date").max(),
    pl.col("final").max(),
    pl.col("over").max(),
]
_FULL = pl.lit(Decimal(100), dtype=pl.Decimal(18, 6))


def add_deltas(progress: pl.DataFrame, deltas: pl.DataFrame) -> pl.DataFrame:
    """Operations with the changes added; rows of PROGRESS."""
    fresh = deltas.with_columns(final=pl.lit(False), over=NO_QUANTITY)
    both = pl.concat([progress, fresh.select(pl.col(n).cast(k) for n, k in PROGRESS.items())])
    added = both.group_by(DELTA_KEY).agg(*_SUMS)
    announced = (pl.col(name).max().over(OPERATION_KEY) for name in ("final", "over"))
    return added.with_columns(announced).select(list(PROGRESS))


def judge(progress: pl.DataFrame, orders: pl.DataFrame, conversions: Conversions) -> pl.DataFrame:
    """Operations of known orders, with the columns of the order, `counted`, `now_final` and `now_over`.

    Final: a completion event came, or the yield reached the target and the profile says that this is enough.
    Over-delivery: what exceeds the target plus its tolerance; never where the tolerance is unlimited (null).
    """
    rows = _in_order_unit(progress.join(orders, on=list(OPERATION_KEY), how="inner"), conversions)
    counted = pl.when(pl.col("count_source") == "MACHINE").then("machine").otherwise("report")
    excess = counted - pl.col("target") * (_FULL + pl.col("over_tolerance")) / _FULL
    reached = (pl.col("target") > 0) & (counted >= pl.col("target"))
    return rows.with_columns(
        counted.alias("counted"),
        ((pl.col("completions") > 0) | (pl.col("auto_final") & reached)).alias("now_final"),
        pl.when(pl.col("over_tolerance").is_not_null() & (excess > 0))
        .then(excess.cast(QUANTITY, strict=False))
        .otherwise(NO_QUANTITY)
        .alias("now_over"),
    )


def near_completion(progress: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    """Rows of PROGRESS whose operation may be complete or was announced so; the others need no closer look."""
    joined = progress.join(orders, on=list(OPERATION_KEY), how="inner").filter(_may_complete())
    return progress.join(joined, on=list(OPERATION_KEY), how="semi") if joined.height else progress.clear()


def _may_complete() -> pl.Expr:
    counts = [pl.col(name) >= pl.col("target") for name in ("machine", "report")]
    announced = pl.col("final") | (pl.col("over") > 0) | (pl.col("completions") != 0)
    partly = (pl.col("unit") != pl.col("order_unit")) | pl.struct(OPERATION_KEY).is_duplicated()
    return pl.any_horizontal(*counts) | announced | partly


def _in_order_unit(rows: pl.DataFrame, conversions: Conversions) -> pl.DataFrame:
    """One row per operation, in the order's unit; what can't be converted waits and counts nothing yet."""
    foreign = (pl.col("unit") != pl.col("order_unit")) & ((pl.col("machine") != 0) | (pl.col("report") != 0))
    converted = [_converted(record, conversions) for record in rows.filter(foreign).to_dicts()]
    rows = pl.concat([rows.filter(~foreign), pl.DataFrame(converted, schema=rows.schema)])
    order = [pl.col(name).first() for name in ORDER if name not in OPERATION_KEY]
    return rows.group_by(OPERATION_KEY).agg(*_SUMS, *order)


def _converted(record: dict[str, Any], conversions: Conversions) -> dict[str, Any]:
    units = (record["unit"], record["order_unit"])
    counts = {
        name: conversions.convert(record["plant"], record["material"], record[name], *units) or Decimal(0)
        for name in ("machine", "report")
    }
    return {**record, **counts}


def completion_documents(changed: pl.DataFrame) -> pl.DataFrame:
    """A document of CONFIRMATION per judged operation: no quantity, its final flag and over-delivery."""
    rows = changed.with_columns(
        document_key("plant", "order_id", "operation").alias("_key"),
        pl.lit(0, pl.Int64).cast(INSTANT).alias("_epoch"),
    )
    known = {
        "document_key": pl.concat_str("_key", pl.lit("final"), separator="|"),
        "revision": pl.col("revises"),
        "reference_version": pl.col("version"),
        "adjustment": pl.lit(False),
        "work_center": pl.col("planned_work_center"),
        "shift": pl.lit(""),
        "window_start": pl.col("_epoch"),
        "window_end": pl.col("_epoch"),
        "unit": pl.col("order_unit"),
        "first_event_time": pl.col("last_time"),
        "last_event_time": pl.col("last_time"),
        "event_count": pl.lit(0),
        "is_final": pl.col("now_final"),
        "over_delivery": pl.col("now_over"),
        "withdrawn": pl.col("status") == CANCELLED,
        "scrap": pl.lit([], dtype=CONFIRMATION["scrap"]),
        "origins": pl.lit([], dtype=CONFIRMATION["origins"]),
    }
    zero = {n: NO_QUANTITY for n, k in CONFIRMATION.items() if k == QUANTITY and n not in known}
    columns = {**known, **zero}
    return rows.select(columns.get(n, pl.col(n)).cast(k).alias(n) for n, k in CONFIRMATION.items())


__all__ = ["ORDER", "PROGRESS", "add_deltas", "completion_documents", "judge", "near_completion"]
