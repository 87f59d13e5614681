"""The calendar of a plant: zone, shifts of the week and holidays, after the contract ShiftCalendar."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from millrace.errors import Rejected

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
WEEK = 7 * 86_400_000_000


@dataclass(frozen=True, slots=True)
class Shift:
    """One shift of the week.

    Args:
        shift: Name, for instance `E`, `L`, `N`; never empty, since "" means outside all shifts.
        start: Local start.
        end: Local end; not after `start` means the next day.
        weekdays: ISO weekdays (1 Monday to 7 Sunday) on which it starts.
    """

    shift: str
    start: time
    end: time
    weekdays: frozenset[int]

    def starts_on(self, day: date) -> bool:
        """Whether the shift starts on that local date of a week without holidays."""
        return day.isoweekday() in self.weekdays

    def bounds(self, day: date, zone: ZoneInfo) -> tuple[int, int]:
        """Start and end in microseconds UTC of the instance that starts on `day`."""
        last = day if self.end > self.start else day + timedelta(days=1)
        return micros_utc(day, self.start, zone), micros_utc(last, self.end, zone)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Shifts of one plant from a local date on, after the contract ShiftCalendar.

    Args:
        plant: Plant (ISA-95 Site).
        version: A higher version replaces a lower one of the same `valid_from`.
        zone: IANA time zone.
        valid_from: First local date on which shifts start by this calendar.
        shifts: Shifts of the week.
        holidays: Local dates on which no shift starts.
    """

    plant: str
    version: int
    zone: str
    valid_from: date
    shifts: tuple[Shift, ...] = ()
    holidays: frozenset[date] = frozenset()

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Calendar:
        """Read a ShiftCalendar record as decoded.

        Raises:
            Rejected: `calendar_invalid`, naming the field.
        """
        _known_zone(record["zone"])
        return cls(
            plant=record["plant"],
            version=record["version"],
            zone=record["zone"],
            valid_from=record["valid_from"],
            shifts=_disjoint(tuple(_shift(item) for item in record["shifts"])),
            holidays=frozenset(record["holidays"]),
        )

    def to_record(self) -> dict[str, Any]:
        """Plain values from which `from_record` makes an equal calendar."""
        shifts = [
            {
                "shift": s.shift,
                "start": f"{s.start:%H:%M}",
                "end": f"{s.end:%H:%M}",
                "weekdays": sorted(s.weekdays),
            }
            for s in self.shifts
        ]
        plain = {
            "plant": self.plant,
            "version": self.version,
            "zone": self.zone,
            "valid_from": self.valid_from,
        }
        return {**plain, "shifts": shifts, "holidays": sorted(self.holidays)}


def utc_calendar(plant: str = "") -> Calendar:
    """Zone UTC without shifts: the default for plants that send no calendar, where settings allow it."""
    return Calendar(plant=plant, version=0, zone="UTC", valid_from=date(1970, 1, 1))


def micros_utc(day: date, at: time, zone: ZoneInfo) -> int:
    """Microseconds UTC of a local time: skipped times by the offset before, double times the first."""
    return (datetime.combine(day, at, zone).astimezone(UTC) - EPOCH) // MICROSECOND


def _known_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise Rejected("calendar_invalid", f"zone: {zone!r} is no IANA time zone") from error


def _shift(item: Mapping[str, Any]) -> Shift:
    name, weekdays = item["shift"], frozenset(item["weekdays"])
    if not name:
        raise Rejected("calendar_invalid", "shifts.shift: a shift needs a name")
    if not weekdays <= frozenset(range(1, 8)):
        raise Rejected("calendar_invalid", f"shifts.weekdays: {sorted(weekdays)} of {name!r} are not 1 to 7")
    return Shift(name, _local_time(item["start"], name), _local_time(item["end"], name), weekdays)


def _local_time(text: str, shift: str) -> time:
    try:
        return datetime.strptime("00:00" if text == "24:00" else text, "%H:%M").time()
    except ValueError as error:
        raise Rejected("calendar_invalid", f"shifts: {text!r} of shift {shift!r} is no HH:MM") from error


def _disjoint(shifts: tuple[Shift, ...]) -> tuple[Shift, ...]:
    """Refuse shifts that overlap anywhere in the week."""
    monday, utc = date(1970, 1, 5), ZoneInfo("UTC")
    spans = sorted((*s.bounds(monday + timedelta(days=d - 1), utc), s.shift) for s in shifts for d in s.weekdays)
    if spans:
        start, end, name = spans[0]
        spans.append((start + WEEK, end + WEEK, name))
    for (_, end, name), (start, _, after) in itertools.pairwise(spans):
        if start < end:
            raise Rejected("calendar_invalid", f"shifts: {name!r} and {after!r} overlap")
    return shifts
