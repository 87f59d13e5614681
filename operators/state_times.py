"""Times of a work centre by state, after ISO 22400, from the changes that its controller reports.

Time counts from one state event to the next: UNCHANGED keeps the state and closes the time until then, and
what follows the last event counts nothing yet. An interval is cut at windows, shifts and job boundaries;
its pieces add up to it exactly, since they are whole microseconds.

A micro-stop is a DELAY or DOWN shorter than a threshold between two PRODUCTION states; it is kept apart
from delay and down time, and counted in the shift in which it begins.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from operators.jobs import WORK_CENTER, follow
from operators.micro_units import Longs, Mask, group_starts, latest, quantity, take
from operators.partials import INSTANT, QUANTITY
from operators.shifts import CalendarBook
from operators.windows import Window, assign

#: Measure that the time in a state adds to, apart from micro-stops.
MEASURES = {
    "PRODUCTION": "production_time",
    "SETUP": "setup_time",
    "DELAY": "delay_time",
    "DOWN": "down_time",
    "PLANNED_DOWN": "planned_down_time",
    "OFF": "off_time",
}
#: Times of a work centre in one shift, or outside all shifts of a local day. Seconds.
STATE_TIME: dict[str, pl.DataType] = {
    "plant": pl.String(),
    "work_center": pl.String(),
    "shift": pl.String(),
    "posting_date": pl.Date(),
    "window_start": INSTANT,
    "window_end": INSTANT,
    **dict.fromkeys(MEASURES.values(), QUANTITY),
    "micro_stop_time": QUANTITY,
    "micro_stops": pl.Int64(),
}
_KEY = ["plant", "work_center", "shift", "posting_date", "window_start", "window_end"]


def intervals(state_rows: pl.DataFrame, micro_stop: int) -> pl.DataFrame:
    """Time between state events.

    Args:
        state_rows: State events `in_order`, with the columns of a timeline.
        micro_stop: Threshold in microseconds.

    Returns:
        The event that opens each interval, with start and end (microseconds), state, run_start (when the
        state began), micro (part of a micro-stop), and the order_id and operation of the job, null where
        none ran.
    """
    group = group_starts(state_rows, WORK_CENTER)
    named = state_rows["state"].fill_null("UNCHANGED").cast(pl.String)
    opened = latest((named != "UNCHANGED").to_numpy(), group)
    times = state_rows["event_time"].to_physical().to_numpy()
    state = take(named, opened)
    run, micro = _runs(state, group, times, micro_stop)
    job = follow(state_rows).after
    following = np.append(group[1:] == group[:-1], False) if len(group) else np.zeros(0, np.bool_)
    rows = state_rows.with_columns(
        pl.Series("start", times),
        pl.Series("end", np.append(times[1:], times[-1:])),
        state.alias("state"),
        pl.Series("run_start", times[run]),
        pl.Series("micro", micro),
        take(state_rows["order_id"], job).alias("order_id"),
        take(state_rows["operation"], job).alias("operation"),
    )
    return rows.filter(pl.Series(following & (opened >= 0)) & (pl.col("end") > pl.col("start")))


def pieces(rows: pl.DataFrame, window: Window, calendar: CalendarBook) -> pl.DataFrame:
    """Cut intervals at windows, shifts and local days.

    Args:
        rows: What `intervals` returns.
        window: How time is cut.
        calendar: Shifts per plant.

    Returns:
        The intervals' columns per piece, start and end (microseconds) being the piece's, with the columns of
        `windows.assign` for its start.
    """
    cut = [rows.clear()]
    for (plant,), mine in rows.group_by("plant"):
        bounds = calendar.boundaries(str(plant), int(mine["start"].min()), int(mine["end"].max()))  # type: ignore[arg-type]
        cut.append(_cut(mine, bounds))
    rows = pl.concat(cut)
    if window.kind == "duration":
        rows = _cut_durations(rows, window.micros)
    return assign(rows.with_columns(piece=pl.col("start").cast(INSTANT)), window, calendar, "piece").drop("piece")


def state_times(rows: pl.DataFrame, calendar: CalendarBook) -> pl.DataFrame:
    """Times per work centre and shift (columns of STATE_TIME) of what `intervals` returns."""
    length = pl.col("end") - pl.col("start")
    plain = [
        quantity(length.filter(~pl.col("micro") & (pl.col("state") == state)).sum()).alias(name)
        for state, name in MEASURES.items()
    ]
    stops = (pl.col("micro") & (pl.col("start") == pl.col("run_start"))).sum().cast(pl.Int64)
    stopped = quantity(length.filter("micro").sum())
    return (
        pieces(rows, Window("shift"), calendar)
        .group_by(_KEY)
        .agg(*plain, stopped.alias("micro_stop_time"), stops.alias("micro_stops"))
        .select(list(STATE_TIME))
    )


def _runs(state: pl.Series, group: Longs, times: Longs, micro_stop: int) -> tuple[Longs, Mask]:
    """For each row the position where its state began, and whether it belongs to a micro-stop."""
    rows = np.arange(len(group))
    code = state.replace_strict(list(MEASURES), list(range(len(MEASURES))), default=-1).to_numpy()
    new = (group == rows) | (code != np.roll(code, 1))
    run = latest(new, group)
    heads = np.flatnonzero(new)
    number = np.cumsum(new) - 1
    head_group = group[heads]
    same_before = np.append(False, head_group[1:] == head_group[:-1]) if len(heads) else new
    same_after = np.append(same_before[1:], False) if len(heads) else new
    produced_before = same_before & (np.roll(code[heads], 1) == _PRODUCTION)
    produces_after = same_after & (np.roll(code[heads], -1) == _PRODUCTION)
    short = np.roll(times[heads], -1) - times[heads] < micro_stop
    micro = np.isin(code[heads], _STOPS) & produced_before & produces_after & short
    return run, micro[number] if len(heads) else new


_PRODUCTION = list(MEASURES).index("PRODUCTION")
_STOPS = [list(MEASURES).index(state) for state in ("DELAY", "DOWN")]


def _cut(rows: pl.DataFrame, bounds: Longs) -> pl.DataFrame:
    """Cut at the bounds that lie inside an interval."""
    start, end = rows["start"].to_numpy(), rows["end"].to_numpy()
    first = np.searchsorted(bounds, start, side="right")
    return _repeat(rows, np.searchsorted(bounds, end, side="left") - first, lambda row, n: bounds[first[row] + n])


def _cut_durations(rows: pl.DataFrame, length: int) -> pl.DataFrame:
    """Cut at the multiples of `length` that lie inside an interval."""
    first = rows["start"].to_numpy() // length + 1
    inside = (rows["end"].to_numpy() - 1) // length + 1 - first
    return _repeat(rows, inside, lambda row, n: (first[row] + n) * length)


def _repeat(rows: pl.DataFrame, inside: Longs, bound: Callable[[Longs, Longs], Longs]) -> pl.DataFrame:
    """One row per piece, where `inside` bounds cut a row; `bound` gives the n-th of a row."""
    if not inside.any():
        return rows
    row = np.repeat(np.arange(len(inside)), inside + 1)
    piece = np.arange(len(row)) - np.repeat(np.cumsum(inside + 1) - inside - 1, inside + 1)
    start, end = rows["start"].to_numpy()[row], rows["end"].to_numpy()[row]
    later, earlier = piece > 0, piece < inside[row]
    start[later] = bound(row[later], piece[later] - 1)
    end[earlier] = bound(row[earlier], piece[earlier])
    return rows[row].with_columns(pl.Series("start", start), pl.Series("end", end))
