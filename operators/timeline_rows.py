"""Rows of a timeline: what a work centre's counts, readings and changes of state look like to the rules."""

from __future__ import annotations

import polars as pl

from operators.partials import CONTRIBUTION, DOCUMENT_KEY, INSTANT, QUANTITY

#: One accepted event of a work centre. `row_kind`: "count" is a delta, "reading" a cumulative counter's,
# "state"
#: a MachineState. order_id is null or "" where the row itself names none.
TIMELINE: dict[str, pl.DataType] = {
    "plant": pl.String(),
    "work_center": pl.String(),
    "source": pl.String(),
    "event_id": pl.String(),
    "event_time": INSTANT,
    "sequence": pl.Int64(),
    "row_kind": pl.String(),
    "counter": pl.String(),
    "reading_event": pl.String(),
    "quantity_good": QUANTITY,
    "quantity_scrap": QUANTITY,
    "quantity_rework": QUANTITY,
    "scrap_reason": pl.String(),
    "unit": pl.String(),
    "order_id": pl.String(),
    "operation": pl.String(),
    "state": pl.String(),
    "job_event": pl.String(),
    "completed": pl.Boolean(),
    "origin": pl.Int32(),
    "offset": pl.Int64(),
}
#: A retained row; `carried` as in operators.counters: 0 for an event of a retained part, else a baseline.
RETAINED: dict[str, pl.DataType] = {**TIMELINE, "carried": pl.Int8()}

#: Identity of a contribution, of which the consumer keeps the highest revision.
PART_KEY = [*DOCUMENT_KEY, "part"]
#: A contribution before it has a revision; `part_end` in microseconds.
PART: dict[str, pl.DataType] = {
    **{name: kind for name, kind in CONTRIBUTION.items() if name != "revision"},
    "part_end": pl.Int64(),
}


def retained(frame: pl.DataFrame) -> pl.DataFrame:
    """New rows as they are kept: an empty order is none, a missing quantity zero."""
    quantities = [pl.col(name).fill_null(0) for name in ("quantity_good", "quantity_scrap", "quantity_rework")]
    orders = [pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in ("order_id", "operation")]
    rows = frame.select(pl.col(name).cast(kind) for name, kind in TIMELINE.items())
    carried = pl.lit(0, pl.Int8).alias("carried")
    return rows.with_columns(*quantities, *orders, carried, pl.col("completed").fill_null(value=False))
