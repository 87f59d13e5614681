"""Which job ran on a work centre, and so which order a row without one belongs to.

START and RESUME make a job active. PAUSE and END stop it; they stop nothing when they name another job than
the one that runs. A START ends what ran before. RESUME without an order resumes the job started last; START
without an order says that an unknown job runs, so nothing is attributed.

Events of one work centre are ordered by (event_time, sequence, kind, event_id), missing sequences first.
`kind` puts a count before a job event of the same instant and number: it stands for pieces made until then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from operators.micro_units import Longs, Mask, group_numbers, group_starts, latest, take

WORK_CENTER = ["plant", "work_center"]
KINDS = {"count": 0, "reading": 1, "state": 2}
_RANK = pl.col("row_kind").replace_strict(KINDS, return_dtype=pl.Int8)


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows work centre by work centre, in the order in which they happened."""
    center = group_numbers(rows, WORK_CENTER)
    return rows.sort(center, "event_time", "sequence", _RANK, "event_id", nulls_last=False)


@dataclass(frozen=True, slots=True)
class Jobs:
    """Jobs over rows that are `in_order`; positions of the row that names the job, -1 where none runs.

    Args:
        after: Job active once the row has taken effect.
        before: Job active before it.
        change: Rows that made a job active or stopped it.
        named: Position of the last START or RESUME that named a job, up to the row.
    """

    after: Longs
    before: Longs
    change: Mask
    named: Longs


def follow(rows: pl.DataFrame) -> Jobs:
    """Jobs over rows that are `in_order` (columns job_event, order_id, operation; null job_event is none)."""
    starts_group = group_starts(rows, WORK_CENTER)
    event = rows["job_event"].fill_null("NONE")
    begins = event.is_in(["START", "RESUME"]).to_numpy()
    stops = event.is_in(["PAUSE", "END"]).to_numpy()
    has_order = (rows["order_id"].fill_null("") != "").to_numpy()
    named = latest(begins & has_order, starts_group)
    change = begins | (stops & (~has_order | _same_job(rows, named)))
    last = latest(change, starts_group)
    resumed = begins & ~has_order & (event == "RESUME").to_numpy()
    job = np.where(begins & has_order, np.arange(len(named)), np.where(resumed, named, -1))
    after = np.where(last >= 0, job[last], -1) if len(job) else job
    before = np.where(starts_group == np.arange(len(after)), -1, np.roll(after, 1))
    return Jobs(after, before, change, named)


def attribute(rows: pl.DataFrame, job_events: pl.DataFrame) -> pl.DataFrame:
    """Fill order_id and operation by the job that was active at a row's event time.

    Args:
        rows: plant, work_center, event_id, event_time, sequence, row_kind, order_id, operation, and more.
        job_events: The same with job_event.

    Returns:
        The rows in their own order of arrival, order_id and operation never null: a row with its own order
        keeps it; "" where no job was active.
    """
    place = "__place"
    ours = rows.with_columns(pl.int_range(pl.len()).alias(place), pl.lit(None, pl.String).alias("job_event"))
    theirs = job_events.select(
        pl.col(name) if name in job_events.columns else pl.lit(None).alias(name)
        for name in [*WORK_CENTER, *_SORTED_BY, "order_id", "operation", "job_event"]
    )
    both = in_order(pl.concat([ours, theirs], how="diagonal_relaxed"))
    filled = both.with_columns(filled_jobs(both, follow(both)))
    return filled.filter(pl.col(place).is_not_null()).sort(place).select(rows.columns)


def filled_jobs(rows: pl.DataFrame, jobs: Jobs) -> list[pl.Series]:
    """order_id and operation of rows that are `in_order`, filled from `jobs`.

    A PAUSE or END belongs to the job that it stops.
    """
    stops = rows["job_event"].fill_null("NONE").is_in(["PAUSE", "END"]).to_numpy()
    job = np.where(stops, jobs.before, jobs.after)
    order, operation = take(rows["order_id"], job), take(rows["operation"], job)
    own = pl.col("order_id").fill_null("") != ""
    active = pl.DataFrame({"active_order": order, "active_operation": operation})
    same = pl.col("order_id") == pl.col("active_order")
    return (
        rows.select("order_id", "operation")
        .hstack(active)
        .select(
            pl.when(own).then("order_id").otherwise("active_order").fill_null("").alias("order_id"),
            pl.when(own & pl.col("operation").is_not_null())
            .then("operation")
            .when(~own | same)
            .then("active_operation")
            .fill_null("")
            .alias("operation"),
        )
        .get_columns()
    )


def intervals(job_events: pl.DataFrame) -> pl.DataFrame:
    """Job intervals: plant, work_center, order_id, operation, start, end (null while active)."""
    rows = in_order(job_events)
    jobs = follow(rows)
    changes = rows.with_columns(
        take(rows["order_id"], jobs.after).alias("order_id"),
        take(rows["operation"], jobs.after).alias("operation"),
    ).filter(pl.Series(jobs.change))
    ends = pl.col("event_time").shift(-1).over(WORK_CENTER).alias("end")
    return (
        changes.with_columns(ends)
        .filter(pl.col("order_id").fill_null("") != "")
        .select(*WORK_CENTER, "order_id", pl.col("operation").fill_null(""), start="event_time", end="end")
    )


_SORTED_BY = ["event_time", "sequence", "row_kind", "event_id"]


def _same_job(rows: pl.DataFrame, named: Longs) -> Mask:
    """Rows that name the job of position `named`; without an operation, any operation of the order."""
    order, operation = take(rows["order_id"], named), take(rows["operation"], named)
    same_order = (rows["order_id"] == order).fill_null(value=False)
    any_operation = rows["operation"].is_null() | operation.is_null()
    same_operation = (rows["operation"] == operation).fill_null(value=False)
    return (same_order & (any_operation | same_operation)).to_numpy()
