"""Eviction: where a timeline may be cut, and which rows must stay as baselines of what is kept.

A cut lies where no part reaches across, so whole parts leave and what stays is computed the same without it.
The baselines are rows like the others, marked as carried: the last accepted reading of each counter (and
quarantined ones that may still be confirmed), the job event and the state that hold at the cut. They add to
nothing themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from operators.counters import CounterPolicy
from operators.jobs import WORK_CENTER, follow, in_order
from operators.micro_units import Longs, Mask, group_starts, latest, take
from operators.partials import INSTANT
from operators.shifts import DAY, CalendarBook
from operators.timeline_parts import judge_all
from operators.windows import Window


def cut_before(frontier: int, plant: str, window: Window, calendar: CalendarBook) -> int:
    """Latest instant (microseconds UTC), not after `frontier`, that no part of the plant reaches across.

    A shift may run over midnight, and time outside all shifts of one local day is a single part, so shift
    windows are cut between two segments that share no part with what lies on the other side.
    """
    if window.kind == "duration":
        return frontier // window.micros * window.micros
    if window.kind != "shift":
        day: int = _segments([frontier], plant, calendar)["day_start"].to_physical()[0]
        return day
    bounds = calendar.boundaries(plant, frontier - 4 * DAY, frontier + 2 * DAY)
    parts = _segments(bounds.tolist(), plant, calendar).select("shift", "shift_start").rows()
    ends = {part: position for position, part in enumerate(parts)}
    reach, cut = ends[parts[0]], int(bounds[0])
    for position, part in enumerate(parts):
        if reach < position and bounds[position] <= frontier:
            cut = int(bounds[position])
        reach = max(reach, ends[part])
    return cut


def carry(rows: pl.DataFrame, cut: pl.Expr, policies: Mapping[str, CounterPolicy]) -> pl.DataFrame:
    """Baselines for what is kept of RETAINED rows when those before `cut` (microseconds) leave.

    Args:
        rows: All retained rows of the work centres concerned.
        cut: Cut of the row's plant, as an expression over rows.
        policies: Counter policy by source; "" for the others.
    """
    gone = ((pl.col("event_time").to_physical() < cut) | (pl.col("carried") != 0)).alias("gone")
    rows = rows.with_columns(gone)
    judged = judge_all(rows, policies)
    readings = [one.baselines(one.rows["gone"].to_numpy()) for one in judged]
    states = in_order(rows.filter((pl.col("row_kind") == "state") & pl.col("gone")))
    kept = states.filter(pl.Series(_state_baselines(states))).with_columns(pl.lit(1, pl.Int8).alias("carried"))
    return pl.concat([kept, *readings]).drop("gone")


def _state_baselines(states: pl.DataFrame) -> Mask:
    """Last row, last job change, last named job, start of the running state and of the one before."""
    group = group_starts(states, WORK_CENTER)
    rows = np.arange(len(group))
    jobs = follow(states)
    named_job = np.isin(rows, jobs.named)
    known = (states["state"].fill_null("UNCHANGED") != "UNCHANGED").to_numpy()
    state = take(states["state"], latest(known, group)).to_numpy()
    begins = known & ((group == rows) | (state != np.roll(state, 1)))
    running = _last_of(begins, group)
    keep = running | _last_of(begins & ~running, group)
    for mask in (rows >= 0, jobs.change, named_job):
        keep |= _last_of(mask, group)
    return keep


def _last_of(mask: Mask, group: Longs) -> Mask:
    """The last row of each group that is in `mask`."""
    rows = np.flatnonzero(mask)
    out = np.zeros(len(group), np.bool_)
    last = dict(zip(group[rows].tolist(), rows.tolist(), strict=True))
    out[np.array(list(last.values()), np.int64)] = True
    return out


def _segments(instants: list[int], plant: str, calendar: CalendarBook) -> pl.DataFrame:
    """Shift and local day at each instant."""
    columns = ("shift", "shift_start", "day_start")
    frame = pl.DataFrame({"plant": [plant] * len(instants), "at": instants}).cast({"at": INSTANT})
    return frame.with_columns(calendar.locate(frame, "at", columns))
