"""Windows: when a total is emitted, never what is counted.

A duration window is aligned to the epoch in UTC; a day is the plant's local day; a shift window is one
instance of a shift, and outside all shifts the local day; an operation window is the whole operation.

`shift` is part of a document's key, so a duration window that a shift boundary cuts makes one document per
shift. Day and operation windows do not look at shifts: their `shift` is "". The posting date of a day is that
day; of an operation it is each event's own, of which the latest counts when rows are merged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import polars as pl

from millrace.errors import Misconfigured
from operators.shifts import DAY, INSTANT, CalendarBook

Kind = Literal["duration", "shift", "day", "operation"]
HOUR = 3_600_000_000
_NAMED: dict[str, Kind] = {"shift": "shift", "day": "day", "operation": "operation"}
UNITS = {"s": 1_000_000, "m": 60_000_000, "h": HOUR}


@dataclass(frozen=True, slots=True)
class Window:
    """How time is cut.

    Args:
        kind: duration, shift, day or operation.
        micros: Length of a duration window in microseconds, else 0.
    """

    kind: Kind
    micros: int = 0

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read `10s`, `5m`, `1h`, `shift`, `day` or `operation`.

        Raises:
            Misconfigured: For anything else, and for durations of nothing or of more than a day.
        """
        if text in _NAMED:
            return cls(_NAMED[text])
        match = re.fullmatch(r"(\d{1,6})([smh])", text)
        micros = int(match[1]) * UNITS[match[2]] if match else 0
        if not 0 < micros <= DAY:
            raise Misconfigured(
                f"window {text!r}: use shift, day, operation or a duration up to 24h such as 10s, 5m, 1h"
            )
        return cls("duration", micros)

    def __str__(self) -> str:
        if self.kind != "duration":
            return self.kind
        name = next(n for n in ("h", "m", "s") if self.micros % UNITS[n] == 0)
        return f"{self.micros // UNITS[name]}{name}"

    def closes_at(self, window_end: int, last_time: int) -> int:
        """Watermark (microseconds UTC) from which a total is due: its window's end.

        An operation has no end in time, so its total is due as soon as the watermark passes its last event.
        """
        return last_time if self.kind == "operation" else window_end

    def closes_column(self) -> pl.Expr:
        """`closes_at` over rows with window_end and last_time."""
        return pl.col("last_time" if self.kind == "operation" else "window_end")


def assign(frame: pl.DataFrame, window: Window, calendar: CalendarBook, time: str = "event_time") -> pl.DataFrame:
    """Add window_start, window_end (exclusive), shift and posting_date for the instant in the column `time`.

    Raises:
        Rejected: `calendar_unknown`; filter by `CalendarBook.unknown` first.
    """
    return frame.with_columns(_ASSIGN[window.kind](frame, window, calendar, time))


def slot(window_start: int, window: Window, ring: int) -> int:
    """Ring slot of the state that holds a window: its index modulo the length of the ring.

    A slot may hold several windows. Shifts are numbered by the hour in which they start.

    Args:
        window_start: Microseconds since the epoch, UTC.
        window: How time is cut.
        ring: Number of slots.
    """
    if window.kind == "operation":
        return 0
    return (window_start + _offset(window)) // _step(window) % ring


def slot_column(window: Window, ring: int) -> pl.Expr:
    """`slot` over rows with window_start."""
    if window.kind == "operation":
        return pl.lit(0, pl.Int64)
    micros = pl.col("window_start").to_physical() + _offset(window)
    return micros.floordiv(_step(window)) % ring


def _step(window: Window) -> int:
    return {"duration": window.micros, "shift": HOUR, "day": DAY}[window.kind]


def _offset(window: Window) -> int:
    # Local midnights lie up to 14 hours around midnight UTC and move with DST: number days by their middle.
    return DAY // 2 if window.kind == "day" else 0


def _durations(frame: pl.DataFrame, window: Window, calendar: CalendarBook, time: str) -> list[pl.Expr]:
    start = (pl.col(time).to_physical().floordiv(window.micros) * window.micros).cast(INSTANT)
    bounds = [
        start.alias("window_start"),
        (start + timedelta(microseconds=window.micros)).alias("window_end"),
    ]
    return bounds + calendar.locate(frame, time, ("shift", "posting_date"))


def _shifts(frame: pl.DataFrame, _: Window, calendar: CalendarBook, time: str) -> list[pl.Expr]:
    start, end, *rest = calendar.locate(frame, time, ("shift_start", "shift_end", "shift", "posting_date"))
    return [start.alias("window_start"), end.alias("window_end"), *rest]


def _days(frame: pl.DataFrame, _: Window, calendar: CalendarBook, time: str) -> list[pl.Expr]:
    start, end, day = calendar.locate(frame, time, ("day_start", "day_end", "local_date"))
    no_shift = pl.lit("").alias("shift")
    return [start.alias("window_start"), end.alias("window_end"), no_shift, day.alias("posting_date")]


def _operations(frame: pl.DataFrame, _: Window, calendar: CalendarBook, time: str) -> list[pl.Expr]:
    epoch = pl.lit(0, pl.Int64).cast(INSTANT)
    bounds = [epoch.alias("window_start"), epoch.alias("window_end"), pl.lit("").alias("shift")]
    return bounds + calendar.locate(frame, time, ("posting_date",))


_ASSIGN = {"duration": _durations, "shift": _shifts, "day": _days, "operation": _operations}
