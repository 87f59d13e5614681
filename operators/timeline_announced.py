"""What a timeline has announced, so that it announces again exactly what has a new revision.

The memory is as large as the retained parts: it is cut back together with the rows.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from operators.jobs import WORK_CENTER
from operators.partials import CONTRIBUTION, DOCUMENT_KEY, INSTANT, MACHINE, QUANTITY, SUMS
from operators.state_times import STATE_TIME
from operators.timeline_rows import PART, PART_KEY

#: Times of a work centre and shift as announced.
STATE_TIMES: dict[str, pl.DataType] = {**STATE_TIME, "revision": pl.Int64()}

_DETAILS = {name: PART[name] for name in ("part_end", "unit", "origin", "window_end", "posting_date")}
ANNOUNCED_PARTS: dict[str, pl.DataType] = {
    **DOCUMENT_KEY,
    "part": pl.Int64(),
    **_DETAILS,
    "revision": pl.Int64(),
}
SHIFT_KEY = [*WORK_CENTER, "shift", "window_start"]
ANNOUNCED_SHIFTS: dict[str, pl.DataType] = {name: STATE_TIMES[name] for name in (*SHIFT_KEY, "window_end", "revision")}
#: A report is made once; again only where its numbers change.
REPORT_KEY = [*WORK_CENTER, "event_id", "reason", "register", "previous"]
ANNOUNCED_REPORTS: dict[str, pl.DataType] = {
    **dict.fromkeys(REPORT_KEY[:-1], pl.String()),
    "previous": QUANTITY,
    "event_time": INSTANT,
}

Revise = Callable[[pl.DataFrame], pl.Series]


def changed_parts(parts: pl.DataFrame, known: pl.DataFrame, revise: Revise) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Contributions whose revision is new, and the memory that replaces `known`.

    Args:
        parts: All retained parts (columns of PART) of some work centres.
        known: What was announced of these work centres (columns of ANNOUNCED_PARTS).
        revise: Revision per row of a frame with the columns of ANNOUNCED_PARTS.
    """
    held = parts.group_by(PART_KEY).agg(pl.col(name).max() for name in _DETAILS)
    lost = known.join(held, on=PART_KEY, how="anti").drop("revision")
    keys = pl.concat([held.with_columns(lost=False), lost.with_columns(lost=True)], how="diagonal")
    keys = keys.with_columns(revise(keys))
    due = _due(keys, known, PART_KEY)
    shown = parts.join(due.select(*PART_KEY, "revision"), on=PART_KEY)
    zero = due.filter("lost").with_columns(
        pl.lit(MACHINE).alias("kind"),
        pl.lit(value=False).alias("completed"),
        *(pl.lit(0).cast(kind).alias(name) for name, kind in SUMS.items()),
    )
    rows = [shown.select(list(CONTRIBUTION)), _as(zero, CONTRIBUTION)]
    return pl.concat(rows), keys.select(list(ANNOUNCED_PARTS))


def changed_shifts(times: pl.DataFrame, known: pl.DataFrame, revise: Revise) -> tuple[pl.DataFrame, pl.DataFrame]:
    """State times whose revision is new, and the memory that replaces `known`.

    Time once measured never vanishes: it lies between the first and the last state event.
    """
    keys = times.with_columns(revise(times))
    due = _due(keys, known, SHIFT_KEY)
    return due.select(list(STATE_TIMES)), keys.select(list(ANNOUNCED_SHIFTS))


def new_reports(reports: pl.DataFrame, known: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Reports not made yet, and what is to be added to `known`."""
    new = reports.join(known, on=REPORT_KEY, how="anti", nulls_equal=True)
    return new, new.select(list(ANNOUNCED_REPORTS))


def _due(keys: pl.DataFrame, known: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    former = known.select(*on, pl.col("revision").alias("former"))
    joined = keys.join(former, on=on, how="left")
    return joined.filter(pl.col("former").is_null() | (pl.col("former") != pl.col("revision"))).drop("former")


def _as(frame: pl.DataFrame, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """The columns of `schema`, null where the frame has none."""
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in schema.items()
    )
