"""Where accepted rows go: straight into partial totals, or to the timeline of their work centre.

What names its order and counts in increments is linear and is added up on the spot. Everything that depends on
what else happened on the machine (no order named, a counter's reading, a change of state) goes to the timeline.
"""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from operators.partials import INSTANT, MACHINE, PARTIAL, QUANTITY, REPORT, ROW_KEY
from operators.shifts import CalendarBook
from operators.timeline import TIMELINE
from operators.windows import Window, assign

#: Contracts that a confirmations flow reads, with the code that stands for them in `origin`.
CONTRACT_CODE = {"MachineCycle": 1, "MachineState": 2, "OperationReport": 3}
PARTITION_BITS = 16

_ZERO = pl.lit(Decimal(0), dtype=QUANTITY)
_CYCLE_SUMS = {
    "quantity_yield": pl.col("quantity_good"),
    "quantity_scrap": pl.col("quantity_scrap"),
    "quantity_rework": pl.col("quantity_rework"),
}
_REPORT_SUMS = {
    name: pl.col(name)
    for name in ("quantity_yield", "quantity_scrap", "quantity_rework", "setup_time", "machine_time", "labour_time")
}


def origin_code(contract: str, partition: int) -> int:
    """Code of a topic's partition, as rows carry it."""
    return (CONTRACT_CODE[contract] << PARTITION_BITS) | partition


def origin_parts(code: int) -> tuple[str, int]:
    """Contract and partition of a code."""
    contract = next(name for name, number in CONTRACT_CODE.items() if number == code >> PARTITION_BITS)
    return contract, code & ((1 << PARTITION_BITS) - 1)


def direct(contract: str, frame: pl.DataFrame) -> pl.Series | None:
    """Mask of the rows that are linear; None when all are."""
    if contract == "OperationReport":
        return None
    if contract == "MachineState":
        return pl.repeat(False, frame.height, eager=True)
    if frame["order_id"].null_count() == 0 and frame["operation"].null_count() == 0:
        counting = frame["counting"]
        if (counting == counting[0]).all() and str(counting[0]) == "DELTA":
            return None
    named = pl.col("order_id").is_not_null() & pl.col("operation").is_not_null()
    return frame.select(named & (pl.col("counting").cast(pl.String) == "DELTA")).to_series()


def timeline_rows(contract: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows for the timeline, with the columns of TIMELINE."""
    if contract == "MachineState":
        frame = frame.with_columns(pl.lit("state").alias("row_kind"))
    else:
        cumulative = pl.col("counting").cast(pl.String) == "CUMULATIVE"
        frame = frame.with_columns(
            pl.when(cumulative).then(pl.lit("reading")).otherwise(pl.lit("count")).alias("row_kind")
        )
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in TIMELINE.items()
    )


def partial_totals(contract: str, frame: pl.DataFrame, window: Window, calendar: CalendarBook) -> pl.DataFrame:
    """Add linear rows up per ROW_KEY.

    Args:
        contract: MachineCycle or OperationReport.
        frame: Rows of it with origin (Int32) and offset (Int64).
        window: How time is cut.
        calendar: Shifts per plant.

    Returns:
        One row per ROW_KEY with the columns of PARTIAL.
    """
    reports = contract == "OperationReport"
    sums = _REPORT_SUMS if reports else _CYCLE_SUMS
    rows = assign(frame, window, calendar)
    if rows["scrap_reason"].null_count() < rows.height:
        # A reason without scrap would only split the group.
        reason = pl.when(pl.col("quantity_scrap") != 0).then(pl.col("scrap_reason"))
        rows = rows.with_columns(reason.alias("scrap_reason"))
    keys, constants = _keys(rows)
    totals = rows.lazy().group_by(keys).agg(
        pl.len().cast(pl.Int64).alias("events"),
        *(expression.sum().alias(name) for name, expression in sums.items()),
        pl.col("event_time").max().alias("last_time"),
        pl.col("event_time").min().alias("first_time"),
        pl.col("offset").max().alias("last_offset"),
        pl.col("offset").min().alias("first_offset"),
        *([pl.col("completed").max()] if reports else []),
    )
    defaults = {"kind": pl.lit(REPORT if reports else MACHINE), "completed": pl.lit(False), **_zero_times()}
    known = {*keys, *sums, "events", "last_time", "first_time", "last_offset", "first_offset"}
    known |= {"completed"} if reports else set()
    fill = [*constants, *(value.alias(name) for name, value in defaults.items() if name not in known)]
    return totals.with_columns(fill).select(pl.col(name).cast(kind) for name, kind in PARTIAL.items()).collect()


def _zero_times() -> dict[str, pl.Expr]:
    return {name: _ZERO for name in ("setup_time", "machine_time", "labour_time")}


def _keys(rows: pl.DataFrame) -> tuple[list[str], list[pl.Expr]]:
    """Columns to group by, and those that are the same in the whole batch: grouping by them would cost time."""
    keys, constants = [], []
    for name in [*(n for n in ROW_KEY if n != "kind"), "window_end", "posting_date"]:
        column = rows[name]
        if column.null_count() == column.len():
            constants.append(pl.lit(None).alias(name))
        elif column.null_count() == 0 and (column == column[0]).all():
            constants.append(pl.lit(column[0], dtype=column.dtype).alias(name))
        else:
            keys.append(name)
    return keys or ["plant"], constants if keys else [c for c in constants if c.meta.output_name() != "plant"]


__all__ = [
    "CONTRACT_CODE",
    "INSTANT",
    "direct",
    "origin_code",
    "origin_parts",
    "partial_totals",
    "timeline_rows",
]
