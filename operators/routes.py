"""Where accepted rows go: straight into partial totals, or to the timeline of their work centre.

What names its order and counts in increments is linear and is added up on the spot. Everything that depends
on what else happened on the machine (no order named, a counter's reading, a change of state) goes to the
timeline.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import polars as pl

from operators.document_keys import own_place
from operators.partials import INSTANT, MACHINE, MAXIMA, MINIMA, PARTIAL, PARTITION_BITS, QUANTITY, REPORT, ROW_KEY
from operators.shifts import CalendarBook
from operators.timeline import TIMELINE
from operators.windows import Window, assign

#: Contracts that flows read as events, with the code that stands for them in `origin`.
CONTRACT_CODE = {
    "MachineCycle": 1,
    "MachineState": 2,
    "OperationReport": 3,
    "MaterialConsumption": 4,
    "InventoryBalance": 5,
    "GoodsReceipt": 6,
    "ShipmentNotice": 7,
    "PurchaseOrder": 8,
    "OrderAcknowledgement": 9,
    "QualityEvent": 10,
    "GoodsMovement": 11,
    "ProductionConfirmation": 12,
    "PostingResult": 13,
}

_NOTHING = Decimal(0)
_CYCLE = ("quantity_good", "quantity_scrap", "quantity_rework")
_CYCLE_SUMS = {
    "quantity_yield": pl.col("quantity_good"),
    "quantity_scrap": pl.col("quantity_scrap"),
    "quantity_rework": pl.col("quantity_rework"),
}
_TIMES = ("setup_time", "machine_time", "labour_time")
_ZERO_TIMES = {name: pl.lit(_NOTHING, dtype=QUANTITY) for name in _TIMES}
_REPORT_SUMS = {name: pl.col(name) for name in ("quantity_yield", "quantity_scrap", "quantity_rework", *_TIMES)}
#: What a row alone stands for.
_ONE_EVENT = {
    "events": pl.lit(1, pl.Int64),
    "last_time": pl.col("event_time"),
    "first_time": pl.col("event_time"),
    "last_offset": pl.col("offset"),
    "first_offset": pl.col("offset"),
}
#: Rows looked at to tell whether grouping is worth while, and the share of different keys from which it is not.
_SAMPLE, _DIFFERENT = 4096, 0.8
#: What tells the totals of a batch apart; the posting date and a window's end follow from the rest, or are
#: merged.
_GROUPED = [*(name for name in ROW_KEY if name != "kind"), "window_end", "posting_date"]


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
        if counting[0] == "DELTA" and _is_constant(counting):
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
    """Add linear rows up per ROW_KEY; rows with neither quantity, time nor completion are left out.

    Args:
        contract: MachineCycle or OperationReport.
        frame: Rows of it with origin (Int32) and offset (Int64).
        window: How time is cut.
        calendar: Shifts per plant.

    Returns:
        Rows with the columns of PARTIAL, few per ROW_KEY.
    """
    return _totals(contract, frame, window, calendar, [])


def adjustments(contract: str, topic: str, frame: pl.DataFrame, window: Window, calendar: CalendarBook) -> pl.DataFrame:
    """Each row as a partial total of its own: PARTIAL with `adjustment`, the record's place in the log."""
    return _totals(contract, frame.with_columns(own_place(topic).alias("adjustment")), window, calendar, ["adjustment"])


def oversized(frame: pl.DataFrame, most: Decimal) -> npt.NDArray[np.bool_] | None:
    """Mask of the rows with an increment beyond `most` either way; None where there is none.

    Counter readings may be any size: what they add is a difference.
    """
    names = [n for n in (*_CYCLE, *_REPORT_SUMS, "quantity") if n in frame.columns]
    extremes = [bound for n in names for bound in (frame[n].min(), frame[n].max())]
    if all(-most <= bound <= most for bound in extremes if isinstance(bound, Decimal)):
        return None
    large = pl.any_horizontal(pl.col(name).abs() > most for name in names)
    if "counting" in frame.columns:
        large &= pl.col("counting").cast(pl.String) == "DELTA"
    return frame.select(large).to_series().to_numpy()


def _totals(
    contract: str, frame: pl.DataFrame, window: Window, calendar: CalendarBook, more: list[str]
) -> pl.DataFrame:
    reports = contract == "OperationReport"
    sums = _REPORT_SUMS if reports else _CYCLE_SUMS
    schema = {**PARTIAL, **{name: pl.String() for name in more}}
    rows = _counting(frame, reports)
    if not rows.height:
        return pl.DataFrame(schema=schema)
    rows = _reasons(assign(rows, window, calendar))
    keys, constants = _keys(rows, more)
    known = {**_ONE_EVENT, **sums}
    if reports:
        known["completed"] = pl.col("completed")
    totals = _each(rows, keys, known) if _hardly_shared(rows, keys) else _grouped(rows, keys, known)
    defaults = {
        "kind": pl.lit(REPORT if reports else MACHINE),
        "completed": pl.lit(value=False),
        **_ZERO_TIMES,
    }
    fill = [*constants, *(value.alias(name) for name, value in defaults.items() if name not in known)]
    return totals.with_columns(fill).select(pl.col(name).cast(kind) for name, kind in schema.items()).collect()


def _hardly_shared(rows: pl.DataFrame, keys: list[str]) -> bool:
    """Whether grouping would cost more than it spares those who add the rows up."""
    sample = rows.select(pl.struct(keys)).to_series().head(_SAMPLE)
    return len(sample) == _SAMPLE and sample.n_unique() > _SAMPLE * _DIFFERENT


def _each(rows: pl.DataFrame, keys: list[str], known: Mapping[str, pl.Expr]) -> pl.LazyFrame:
    return rows.lazy().select(*keys, *(value.alias(name) for name, value in known.items()))


def _grouped(rows: pl.DataFrame, keys: list[str], known: Mapping[str, pl.Expr]) -> pl.LazyFrame:
    how = dict.fromkeys(MAXIMA, pl.Expr.max) | dict.fromkeys(MINIMA, pl.Expr.min)
    measures = (how.get(name, pl.Expr.sum)(value).alias(name) for name, value in known.items() if name != "events")
    return rows.lazy().group_by(keys).agg(pl.len().cast(pl.Int64).alias("events"), *measures)


def _counting(frame: pl.DataFrame, reports: bool) -> pl.DataFrame:
    """Rows that count something; which do depends on the row alone, so totals do not depend on the batch."""
    first, *others = _REPORT_SUMS if reports else _CYCLE
    if not (frame[first] == _NOTHING).any():
        return frame
    something = [pl.col(name) != _NOTHING for name in (first, *others)]
    if reports:
        something.append(pl.col("completed"))
    return frame.filter(pl.any_horizontal(something))


def _reasons(rows: pl.DataFrame) -> pl.DataFrame:
    if rows["scrap_reason"].null_count() == rows.height:
        return rows
    # A reason without scrap would only split the group.
    reason = pl.when(pl.col("quantity_scrap") != _NOTHING).then(pl.col("scrap_reason"))
    return rows.with_columns(reason.alias("scrap_reason"))


def _keys(rows: pl.DataFrame, more: list[str]) -> tuple[list[str], list[pl.Expr]]:
    """Columns to group by, and those that are the same in the whole batch: grouping by them costs time."""
    keys, constants = [*more], []
    for name in _GROUPED:
        column = rows[name]
        if column.null_count() == column.len():
            constants.append(pl.lit(None).alias(name))
        elif column.null_count() == 0 and _is_constant(column):
            constants.append(pl.lit(column[0], dtype=column.dtype).alias(name))
        else:
            keys.append(name)
    return keys or ["plant"], constants if keys else [c for c in constants if c.meta.output_name() != "plant"]


def _is_constant(column: pl.Series) -> bool:
    """Whether all values are the same; the ends are looked at first."""
    return bool(column[0] == column[-1] and (column == column[0]).all())


__all__ = [
    "CONTRACT_CODE",
    "INSTANT",
    "adjustments",
    "direct",
    "origin_code",
    "origin_parts",
    "oversized",
    "partial_totals",
    "timeline_rows",
]
