"""Which decoded rows a lane refuses before it looks for repeats: by time, and by what lies in a row itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from operators.lane_rows import Bools, Codes, Ints, Longs
from operators.lane_verdicts import ANCIENT, CALENDAR, FUTURE, NEGATIVE, OVERSIZED, UNCOUNTED
from operators.routes import oversized
from operators.screen import NO_PROGRESS, TimeLimits, screen
from operators.shifts import CalendarBook


def refuse_by_time(
    topic: str,
    times: Longs,
    partitions: Ints,
    logged: Longs,
    *,
    progress: dict[str, int],
    now: int,
    limits: TimeLimits,
) -> tuple[Codes, Bools | None]:
    """Reasons by time per row, and which rows are late additions; moves the partitions' progress.

    Args:
        topic: Topic or file of the rows.
        times: Event time per row, microseconds.
        partitions: Partition per row.
        logged: Record timestamp per row, microseconds.
        progress: Newest event time by topic/partition, microseconds; changed in place.
        now: Wall clock, microseconds.
        limits: Limits of event times.
    """
    reasons = np.zeros(len(times), np.uint8)
    late: Bools | None = None
    single = not np.ptp(partitions)
    for partition in partitions[:1].tolist() if single else np.unique(partitions).tolist():
        rows: Any = slice(None) if single else np.flatnonzero(partitions == partition)
        place = f"{topic}/{partition}"
        before = progress.get(place, NO_PROGRESS)
        found = screen(times[rows], logged[rows], now, before, limits)
        progress[place] = found.progress
        for mask, code in ((found.future, FUTURE), (found.ancient, ANCIENT)):
            if mask is not None:
                reasons[rows] = np.where(mask, code, reasons[rows])
        if found.late is not None:
            late = np.zeros(len(times), np.bool_) if late is None else late
            late[rows] = found.late
    return reasons, late


def refuse_by_content(
    frame: pl.DataFrame, reasons: Codes, calendar: CalendarBook, most: Decimal, limits: TimeLimits
) -> None:
    """Add the reasons that lie in a row itself; `most` is the most that one event may add."""
    unknown = calendar.unknown(frame)
    if unknown.any():
        reasons[unknown.to_numpy() & (reasons == 0)] = CALENDAR
    large = oversized(frame, most)
    if large is not None:
        reasons[large & (reasons == 0)] = OVERSIZED
    if "quantity" in frame.columns:  # a kind or status says which way it goes
        negative = (frame["quantity"] < 0).to_numpy()
        reasons[negative & (reasons == 0)] = NEGATIVE
    if "as_of" in frame.columns:
        ahead = frame["as_of"].to_physical() > frame["event_time"].to_physical() + limits.ahead
        reasons[ahead.to_numpy() & (reasons == 0)] = UNCOUNTED
