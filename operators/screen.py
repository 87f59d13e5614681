"""Screening of event times against the log's own clock and against the partition's progress.

The verdicts follow from the log, never from how it was cut into batches or when it was read, so a replay
after a crash judges every record as the first life did. That is what lets a late addition be a document of
its own: it can't be counted in its window as well. (Only a record stamped ahead of the wall clock, or not at
all, is judged by the wall clock.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Longs = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE
#: Progress of a partition that has given nothing yet.
NO_PROGRESS = -(2**62)


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How far an event's time may lie from the clocks it is judged by; all in microseconds.

    Args:
        ahead: Most that an event may be ahead of the record's timestamp in the log; else `future_event_time`.
        age: Most that it may be behind that timestamp; else `ancient_event_time`.
        horizon: Correction horizon: an event this far behind its partition's newest is a late addition.
    """

    ahead: int = 5 * MINUTE
    age: int = 400 * DAY
    horizon: int = DAY


@dataclass(slots=True)
class Screening:
    """Masks over the rows of a batch; None where no row is concerned, which is the usual case."""

    future: Bools | None
    ancient: Bools | None
    late: Bools | None
    progress: int


def screen(times: Longs, logged: Longs, now: int, progress: int, limits: TimeLimits) -> Screening:
    """Judge the rows of one partition, in log order.

    Args:
        times: Event times, microseconds.
        logged: Record timestamps, microseconds; negative where the log has none.
        now: Wall clock, microseconds.
        progress: The partition's newest event time before these rows.
        limits: The limits.
    """
    clock = np.minimum(logged, now)
    if int(clock.min(initial=0)) < 0:
        clock = np.where(logged < 0, now, clock)
    future = _mask(times > clock + limits.ahead)
    ancient = _mask(times < clock - limits.age)
    valid = times
    if future is not None or ancient is not None:
        off = (future if future is not None else False) | (ancient if ancient is not None else np.False_)
        valid = np.where(off, NO_PROGRESS, times)
    newest = max(progress, int(valid.max(initial=NO_PROGRESS)))
    late = None
    if int(valid.min(initial=newest)) < newest - limits.horizon:
        before = np.maximum.accumulate(np.r_[progress, valid])[:-1]
        late = _mask((valid < before - limits.horizon) & (valid != NO_PROGRESS))
    return Screening(future, ancient, late, newest)


def _mask(mask: Bools) -> Bools | None:
    return mask if mask.any() else None
