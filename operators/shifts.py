"""Which shift and which posting date an instant falls into, by the calendar of its plant.

A shift belongs to the local date on which it starts, also where it ends after midnight: a night shift that
starts on the 31st is posted on the 31st. Time outside all shifts belongs to the local day. Local times that
the change to summer time skips count with the offset before the change; local times that occur twice mean the
first occurrence, for ends as for starts, so that neighbouring shifts touch and every instant has one answer.

The time line of a plant is cut into segments (one shift of one local day each); a batch is looked up in them
with one binary search. Segments are made for blocks of 32 days and cached: a stray timestamp costs one block.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from millrace.errors import Rejected
from operators.shift_calendar import EPOCH, Calendar, Shift, micros_utc, utc_calendar

__all__ = ["Calendar", "CalendarBook", "Shift", "utc_calendar"]

INSTANT = pl.Datetime("us", "UTC")
DAY = 86_400_000_000
BLOCK = 32 * DAY
#: Instants outside these years are looked up at the border: no plant has a calendar there.
FIRST, LAST = -70 * 365 * DAY, 330 * 365 * DAY

#: A segment of a plant's time line. Outside all shifts `shift` is "" and its bounds are the local day's.
SEGMENT: dict[str, pl.DataType] = {
    "shift": pl.String(),
    "posting_date": pl.Date(),
    "shift_start": INSTANT,
    "shift_end": INSTANT,
    "local_date": pl.Date(),
    "day_start": INSTANT,
    "day_end": INSTANT,
}
SHIFT_COLUMNS = ("shift", "posting_date", "shift_start", "shift_end")
Micros = npt.NDArray[np.int64]
#: Start and end (microseconds UTC) of a shift, its name and the local date on which it starts.
_Instance = tuple[int, int, str, date]


@dataclass(frozen=True, slots=True)
class _Segments:
    """Segments in time order: `starts` in microseconds UTC, `table` with the columns of SEGMENT."""

    starts: Micros
    table: pl.DataFrame

    def find(self, times: Micros) -> Micros:
        return np.searchsorted(self.starts, times, side="right") - 1


class CalendarBook:
    """The calendars of all plants.

    Args:
        calendars: Any number per plant; the one with the latest `valid_from` not after a local date counts.
            Before the first, a plant has its zone but no shifts.
        default: Stands in for plants without a calendar; None makes these plants unknown.
    """

    def __init__(self, calendars: Iterable[Calendar] = (), default: Calendar | None = None) -> None:
        self._default = default
        self._plants: dict[str, dict[date, Calendar]] = {}
        self._blocks: dict[tuple[str, int], _Segments] = {}
        for calendar in calendars:
            self.put(calendar)

    def put(self, calendar: Calendar) -> bool:
        """Add a calendar; False if one with the same date and at least its version is already there."""
        known = self._plants.setdefault(calendar.plant, {})
        former = known.get(calendar.valid_from)
        if former is not None and former.version >= calendar.version:
            return False
        known[calendar.valid_from] = calendar
        self._blocks = {at: s for at, s in self._blocks.items() if at[0] != calendar.plant}
        return True

    def records(self) -> list[dict[str, Any]]:
        """All calendars as plain values, for a snapshot."""
        return [known[day].to_record() for _, known in sorted(self._plants.items()) for day in sorted(known)]

    def unknown(self, frame: pl.DataFrame) -> pl.Series:
        """Mask of the rows whose plant has neither a calendar nor a default (reason `calendar_unknown`)."""
        if self._default is not None:
            return pl.repeat(False, frame.height, eager=True).alias("calendar_unknown")
        return (~frame["plant"].is_in(list(self._plants))).alias("calendar_unknown")

    def assign(self, frame: pl.DataFrame, time: str = "event_time") -> pl.DataFrame:
        """Add shift, posting_date, shift_start and shift_end for the instant in the column `time`.

        Outside all shifts: shift "", the local date, and the bounds of the local day.

        Raises:
            Rejected: `calendar_unknown`; filter by `unknown` first.
        """
        return frame.with_columns(self.locate(frame, time, SHIFT_COLUMNS))

    def locate(self, frame: pl.DataFrame, time: str, columns: Sequence[str]) -> list[pl.Expr]:
        """The named columns of SEGMENT for each row of `frame` (columns plant and `time`), as literals."""
        if not frame.height:
            return [pl.lit(None, SEGMENT[name]).alias(name) for name in columns]
        plants, times = frame["plant"], frame[time].to_physical().to_numpy().clip(FIRST, LAST)
        if (plants == plants[0]).all():
            return self._of_plant(plants[0], times, columns)
        parts, rows = [], []
        for plant in plants.unique():
            mine = (plants == plant).arg_true().to_numpy()
            rows.append(mine)
            found = self._of_plant(plant, times[mine], columns)
            parts.append(frame[mine].with_columns(found).select(columns))
        back = np.argsort(np.concatenate(rows))
        return [pl.lit(series) for series in pl.concat(parts)[back]]

    def boundaries(self, plant: str, first: int, last: int) -> Micros:
        """Instants (microseconds UTC, ascending) within first and last where a shift or a local day changes.

        Raises:
            Rejected: `calendar_unknown`.
        """
        blocks = range(max(first, FIRST) // BLOCK, min(last, LAST) // BLOCK + 1)
        starts = self._segments(plant, list(blocks)).starts
        return starts[(starts >= first) & (starts <= last)]

    def _of_plant(self, plant: str, times: Micros, columns: Sequence[str]) -> list[pl.Expr]:
        lowest, highest = int(times.min()), int(times.max())
        blocks: Iterable[int] = range(lowest // BLOCK, highest // BLOCK + 1)
        if highest - lowest > 2 * BLOCK:
            blocks = np.unique(times // BLOCK).tolist()
        segments = self._segments(plant, list(blocks))
        first, last = segments.find(np.array([lowest, highest]))
        if first == last:  # most batches lie within one shift: no gather at all
            return [pl.lit(segments.table[name][int(first)], SEGMENT[name]).alias(name) for name in columns]
        found = segments.table.select(columns)[segments.find(times)]
        return [pl.lit(series) for series in found]

    def _segments(self, plant: str, blocks: list[int]) -> _Segments:
        for block in blocks:
            if (plant, block) not in self._blocks:
                self._blocks[plant, block] = _cut(block, self._calendars(plant))
        parts = [self._blocks[plant, block] for block in blocks]
        if len(parts) == 1:
            return parts[0]
        return _Segments(np.concatenate([p.starts for p in parts]), pl.concat([p.table for p in parts]))

    def _calendars(self, plant: str) -> list[Calendar]:
        known = self._plants.get(plant)
        if known:
            return [known[day] for day in sorted(known)]
        if self._default is None:
            raise Rejected("calendar_unknown", f"plant {plant!r} has no ShiftCalendar and settings name no default")
        return [self._default]


def _cut(block: int, calendars: list[Calendar]) -> _Segments:
    """Segments of one block: the time line cut at local midnights and at starts and ends of shifts."""
    first, last = block * BLOCK, (block + 1) * BLOCK
    dates = [_date(first) + timedelta(days=n) for n in range(-3, 36)]
    days = [(micros_utc(day, time(), ZoneInfo(_in_force(calendars, day).zone)), day) for day in dates]
    shifts = _instances(calendars, dates)
    cuts = {first, *(at for at, _ in days), *(at for start, end, *_ in shifts for at in (start, end))}
    starts = sorted(at for at in cuts if first <= at < last)
    rows = [_segment(at, days, shifts) for at in starts]
    return _Segments(np.array(starts, np.int64), pl.DataFrame(rows, schema=SEGMENT, orient="row"))


def _segment(at: int, days: list[tuple[int, date]], shifts: list[_Instance]) -> tuple[Any, ...]:
    number = max(n for n, (start, _) in enumerate(days) if start <= at)
    day_start, local_date = days[number]
    day_end = next(start for start, _ in days[number:] if start > at)
    day = (local_date, _instant(day_start), _instant(day_end))
    for start, end, name, posting_date in shifts:
        if start <= at < end:
            return name, posting_date, _instant(start), _instant(end), *day
    return "", *day, *day


def _instances(calendars: list[Calendar], dates: list[date]) -> list[_Instance]:
    """Shifts that start on `dates`, in time order; a later start ends what a former calendar left running."""
    found: list[_Instance] = []
    for day in dates:
        calendar = _in_force(calendars, day)
        if day < calendar.valid_from or day in calendar.holidays:
            continue
        zone = ZoneInfo(calendar.zone)
        found += [(*s.bounds(day, zone), s.shift, day) for s in calendar.shifts if s.starts_on(day)]
    if not found:
        return []
    found.sort()
    following = [start for start, *_ in found[1:]] + [LAST]
    return [
        (start, min(end, after), name, day) for (start, end, name, day), after in zip(found, following, strict=True)
    ]


def _in_force(calendars: list[Calendar], day: date) -> Calendar:
    """The calendar with the latest `valid_from` not after `day`, else the first."""
    return next((c for c in reversed(calendars) if c.valid_from <= day), calendars[0])


def _instant(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def _date(micros: int) -> date:
    return _instant(micros).date()
