"""Shifts as a table that events are joined to: the time line of each plant, cut where a shift or a local day begins.

The cuts are those of the flows (`operators.shifts`), so a view and a confirmation put an event into the same shift,
over changes to and from summer time and over midnight.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

import polars as pl

from operators.shift_calendar import EPOCH, MICROSECOND, Calendar, utc_calendar
from operators.shifts import INSTANT, CalendarBook

SEGMENTS: dict[str, pl.DataType] = {
    "plant": pl.String(),
    "begins": INSTANT,
    "ends": INSTANT,
    "shift": pl.String(),
    "posting_date": pl.Date(),
    "shift_start": INSTANT,
    "shift_end": INSTANT,
}
#: A local day lies within a UTC day and its neighbours; a shift may have begun the day before.
_MARGIN = timedelta(days=2)


def shift_segments(calendars: pl.DataFrame, days: Iterable[tuple[str, date, date]]) -> pl.DataFrame:
    """Rows of SEGMENTS.

    Args:
        calendars: Rows of the contract ShiftCalendar.
        days: Plants with the first and last UTC date of their events.

    Raises:
        Rejected: A calendar is no calendar; the field is named.
    """
    book = CalendarBook((Calendar.from_record(each) for each in calendars.to_dicts()), default=utc_calendar())
    frames = [_of_plant(book, plant, first - _MARGIN, last + _MARGIN) for plant, first, last in days]
    return pl.concat([pl.DataFrame(schema=SEGMENTS), *frames])


def _of_plant(book: CalendarBook, plant: str, first: date, last: date) -> pl.DataFrame:
    lowest, highest = ((datetime.combine(day, time(), UTC) - EPOCH) // MICROSECOND for day in (first, last))
    begins = [lowest, *(at for at in book.boundaries(plant, lowest, highest).tolist() if at > lowest)]
    cuts = pl.DataFrame({"plant": [plant] * len(begins), "begins": pl.Series(begins, dtype=pl.Int64).cast(INSTANT)})
    ends = pl.col("begins").shift(-1, fill_value=pl.lit(highest).cast(INSTANT)).alias("ends")
    return book.assign(cuts.with_columns(ends), "begins").select(pl.col(n).cast(kind) for n, kind in SEGMENTS.items())
