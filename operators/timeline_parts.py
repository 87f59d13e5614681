"""What the retained rows of work centres contribute to confirmation totals, part by part.

A part is the piece of a document's window that one computation replaces: the window itself, or for an
operation window the local day. What a part holds depends on nothing but the events before its end, and on
whether a state event follows at all: that is what closes the time of the state that runs at its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from operators.counters import CounterPolicy, Judged, judge
from operators.jobs import Jobs, filled_jobs, follow, in_order
from operators.micro_units import quantity
from operators.partials import INSTANT, MACHINE, MAXIMA, MINIMA, QUANTITY, SUMS, TIME, aggregations
from operators.shifts import CalendarBook
from operators.state_times import intervals, pieces
from operators.timeline_rows import PART
from operators.windows import Window, assign

_REGISTERS = {
    "quantity_yield": ("quantity_good", "increment_good"),
    "quantity_scrap": ("quantity_scrap", "increment_scrap"),
    "quantity_rework": ("quantity_rework", "increment_rework"),
}
_KEPT = ["plant", "work_center", "origin", "offset", "event_time"]


@dataclass(frozen=True, slots=True)
class Happenings:
    """Rows of work centres with what the rules make of them.

    Args:
        rows: RETAINED rows `in_order`, with job_order and job_operation.
        jobs: Jobs over `rows`.
        judged: Verdicts on the readings, one per counter policy.
        intervals: Time between state events.
    """

    rows: pl.DataFrame
    jobs: Jobs
    judged: list[Judged]
    intervals: pl.DataFrame


def understand(rows: pl.DataFrame, policies: Mapping[str, CounterPolicy], micro_stop: int) -> Happenings:
    """Attribute jobs, judge readings and measure states of RETAINED rows.

    Args:
        rows: All retained rows of some work centres.
        policies: Counter policy by source; "" for the others.
        micro_stop: Threshold in microseconds.
    """
    rows = in_order(rows)
    jobs = follow(rows)
    order, operation = filled_jobs(rows, jobs)
    rows = rows.with_columns(order.alias("job_order"), operation.alias("job_operation"))
    states = rows.filter(pl.col("row_kind") == "state")
    return Happenings(rows, jobs, judge_all(rows, policies), intervals(states, micro_stop))


def judge_all(rows: pl.DataFrame, policies: Mapping[str, CounterPolicy]) -> list[Judged]:
    """Judge the readings among `rows`, each source by its policy."""
    readings = rows.filter(pl.col("row_kind") == "reading")
    sources: dict[CounterPolicy, list[str]] = {}
    for source in readings["source"].unique().sort().to_list():
        sources.setdefault(policies.get(source, policies[""]), []).append(source)
    if len(sources) == 1:
        return [judge(readings, policy) for policy in sources]
    return [judge(readings.filter(pl.col("source").is_in(mine)), policy) for policy, mine in sources.items()]


def contributions(happened: Happenings, window: Window, calendar: CalendarBook, since: pl.Expr) -> pl.DataFrame:
    """What the rows add to each document key and part.

    Args:
        happened: What `understand` returns.
        window: Window of the documents.
        calendar: Shifts per plant.
        since: Start of the oldest retained part (microseconds) as an expression over rows.

    Returns:
        Columns of PART; one row per ROW_KEY and part, no negative quantity.
    """
    live = (pl.col("carried") == 0) & (pl.col("event_time").to_physical() >= since)
    rows = pl.concat(
        [*_counts(happened, live), _job_events(happened, live), _measured(happened, since)],
        how="diagonal_relaxed",
    )
    rows = _in_parts(rows, window, calendar)
    keys = [name for name in PART if name not in _AGGREGATED]
    return rows.group_by(keys).agg(_AGGREGATIONS).select(pl.col(n).cast(kind) for n, kind in PART.items())


def _counts(happened: Happenings, live: pl.Expr) -> list[pl.DataFrame]:
    """Counts, and the increments of readings that count, in one shape."""
    counts = happened.rows.filter(live & (pl.col("row_kind") == "count"))
    shapes = [(counts, 0), *((judged.counted().filter(live), 1) for judged in happened.judged)]
    shared = [
        pl.col("job_order").alias("order_id"),
        pl.col("job_operation").alias("operation"),
        pl.col("unit").fill_null(""),
        pl.lit(MACHINE).alias("kind"),
        pl.lit(1, pl.Int64).alias("events"),
        pl.col("event_time").alias("first_time"),
        pl.col("event_time").alias("last_time"),
    ]
    out = []
    for frame, column in shapes:
        scrap = pl.col(_REGISTERS["quantity_scrap"][column])
        # A reason without scrap would only split the totals.
        reason = pl.when(scrap != 0).then("scrap_reason").alias("scrap_reason")
        quantities = [pl.col(names[column]).alias(name) for name, names in _REGISTERS.items()]
        out.append(frame.select(*_KEPT, *shared, reason, *quantities))
    return out


def _job_events(happened: Happenings, live: pl.Expr) -> pl.DataFrame:
    """State events of a job; its completion counts where its END lies."""
    events = happened.rows.filter(live & (pl.col("row_kind") == "state") & (pl.col("job_order") != ""))
    return events.select(
        *_KEPT,
        pl.col("job_order").alias("order_id"),
        pl.col("job_operation").alias("operation"),
        pl.lit("").alias("unit"),
        pl.lit(TIME).alias("kind"),
        pl.lit(1, pl.Int64).alias("events"),
        (pl.col("completed") & (pl.col("job_event") == "END").fill_null(value=False)).alias("completed"),
        pl.col("event_time").alias("first_time"),
        pl.col("event_time").alias("last_time"),
    )


def _measured(happened: Happenings, since: pl.Expr) -> pl.DataFrame:
    """Time of jobs in SETUP and PRODUCTION; each interval is still whole here."""
    mine = pl.col("state").is_in(["SETUP", "PRODUCTION"]) & (pl.col("order_id").fill_null("") != "")
    rows = happened.intervals.filter(mine).with_columns(pl.max_horizontal("start", since).alias("start"))
    return rows.filter(pl.col("end") > pl.col("start")).select(
        *_KEPT,
        "order_id",
        pl.col("operation").fill_null(""),
        pl.lit("").alias("unit"),
        pl.lit(TIME).alias("kind"),
        pl.lit(0, pl.Int64).alias("events"),
        "state",
        "start",
        "end",
    )


def _in_parts(rows: pl.DataFrame, window: Window, calendar: CalendarBook) -> pl.DataFrame:
    """Cut measured time at the bounds of parts and tell every row its document key and part."""
    events = assign(rows.filter(pl.col("start").is_null()), window, calendar)
    measured = pieces(rows.filter(pl.col("start").is_not_null()), window, calendar)
    length = quantity(pl.col("end") - pl.col("start"))
    measured = measured.with_columns(
        pl.when(pl.col("state") == "SETUP").then(length).alias("setup_time"),
        pl.when(pl.col("state") == "PRODUCTION").then(length).alias("machine_time"),
        pl.col("start").cast(INSTANT).alias("first_time"),
        pl.col("start").cast(INSTANT).alias("event_time"),
        pl.col("end").cast(INSTANT).alias("last_time"),
    )
    rows = pl.concat([events, measured], how="diagonal_relaxed")
    part, part_end = pl.col("window_start"), pl.col("window_end")
    if window.kind == "operation":
        part, part_end = calendar.locate(rows, "event_time", ("day_start", "day_end"))
    absent = [pl.lit(None).alias(name) for name in ("setup_time", "machine_time") if name not in rows.columns]
    return rows.with_columns(
        part.to_physical().alias("part"),
        part_end.to_physical().alias("part_end"),
        pl.col("offset").alias("first_offset"),
        pl.col("offset").alias("last_offset"),
        pl.lit(None, QUANTITY).alias("labour_time"),
        pl.col("completed").fill_null(value=False),
        *absent,
    )


_AGGREGATED = [*SUMS, *MAXIMA, *MINIMA]
_AGGREGATIONS = aggregations(_AGGREGATED)
