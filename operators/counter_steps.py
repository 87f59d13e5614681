"""Verdicts on counter readings: how far each one moved its counter, or why it does not count.

A reading is compared with the last accepted reading of its segment (a counter since its opening event).
Whole columns are compared at once with the row before; only what follows a quarantined reading is looked at
row by row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from operators.counter_policy import CounterPolicy
from operators.micro_units import Longs, Mask, millionths

REASONS = (
    "",
    "counter_fell",
    "negative_reading",
    "beyond_modulus",
    "step_too_large",
    "sequence_missing",
    "quarantined_before",
)
ACCEPTED, FELL, NEGATIVE, BEYOND, TOO_LARGE, UNORDERED, BEFORE = range(len(REASONS))
_NO_LIMIT = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings in order, counter after counter.

    Args:
        values: Three registers per row, millionths.
        first: First row of its segment.
        segment: Position of that first row.
        opening: The row sets the baseline.
        restart: The counter has started from zero again.
        from_zero: A segment that begins here counts from zero.
        unordered: The row lacks what orders it.
        carried: 0 new; 1 accepted before; 2 quarantined before.
    """

    values: Longs
    first: Mask
    segment: Longs
    opening: Mask
    restart: Mask
    from_zero: Mask
    unordered: Mask
    carried: npt.NDArray[np.int8]


@dataclass(slots=True)
class Verdicts:
    """One verdict per reading.

    Args:
        values: The readings, millionths.
        steps: What each register added, millionths; counts only where accepted.
        reasons: Position in REASONS.
        registers: Register that the reason concerns.
        base: Position of the reading that this one was compared with, -1 for none.
    """

    values: Longs
    steps: Longs
    reasons: npt.NDArray[np.int8]
    registers: npt.NDArray[np.int8]
    base: Longs


def settle(readings: Readings, policy: CounterPolicy) -> Verdicts:
    """Judge all readings, each against the last accepted one of its segment."""
    rows = np.arange(len(readings.values))
    verdicts = _compare(readings, policy, rows, np.where(readings.first, -1, rows - 1))
    troubled = np.flatnonzero(verdicts.reasons != ACCEPTED)
    ends = np.append(rows[readings.first], len(rows))
    settled = 0
    for row in troubled.tolist():
        if row >= settled:
            end = int(ends[np.searchsorted(ends, row, side="right")])
            settled = _quarantine(readings, policy, verdicts, row, end)
    return verdicts


def _quarantine(readings: Readings, policy: CounterPolicy, verdicts: Verdicts, row: int, end: int) -> int:
    """Judge on after a quarantined `row` until one is accepted; from there the verdicts hold again."""
    base, suspect, confirmed = int(verdicts.base[row]), row, 0
    for following in range(row + 1, end):
        _judge(readings, policy, verdicts, following, base)
        if verdicts.reasons[following] == ACCEPTED:
            return following + 1
        confirmed = confirmed + 1 if _runs_on(readings, policy, suspect, following) else 0
        if policy.confirm_after and confirmed >= policy.confirm_after:
            _judge(readings, policy, verdicts, following, suspect)
            return following + 1
        suspect = following
    return end


def _runs_on(readings: Readings, policy: CounterPolicy, suspect: int, row: int) -> bool:
    """Whether a reading is a plausible step up from one in quarantine."""
    if readings.unordered[row] or readings.unordered[suspect]:
        return False
    former, value = readings.values[suspect], readings.values[row]
    valid = former.min() >= 0 and value.max() < _modulus(policy)
    step = value - former
    return bool(valid and step.min() >= 0 and 0 < step.max() <= _limit(policy))


def _judge(readings: Readings, policy: CounterPolicy, verdicts: Verdicts, row: int, base: int) -> None:
    """Replace the verdict of one row by one against another base."""
    one = _compare(readings, policy, np.array([row]), np.array([base]))
    verdicts.steps[row], verdicts.reasons[row] = one.steps[0], one.reasons[0]
    verdicts.registers[row], verdicts.base[row] = one.registers[0], one.base[0]


def _compare(readings: Readings, policy: CounterPolicy, rows: Longs, base: Longs) -> Verdicts:
    """Verdicts on `rows`, each against its `base` (-1 for none)."""
    values = readings.values[rows]
    first, opening, restart = base < 0, readings.opening[rows], readings.restart[rows]
    moved = values - readings.values[base]
    fell = ~(first | opening | restart) & (moved.min(axis=1) < 0)
    steps = np.where((opening | (first & ~readings.from_zero[rows]))[:, None], 0, moved)
    steps = np.where((restart | (first & readings.from_zero[rows] & ~opening))[:, None], values, steps)
    reasons = np.zeros(len(rows), np.int8)
    if fell.any():
        steps[fell], unexplained = _lower(values[fell], moved[fell], policy)
        reasons[np.flatnonzero(fell)[unexplained]] = FELL
    registers = np.where(fell, moved.argmin(axis=1), 0)
    _refuse(reasons, registers, np.abs(steps) > _limit(policy), TOO_LARGE)
    _refuse(reasons, registers, values >= _modulus(policy), BEYOND)
    _refuse(reasons, registers, values < 0, NEGATIVE)
    reasons[readings.unordered[rows]] = UNORDERED
    carried = readings.carried[rows]
    reasons = np.where(carried == 0, reasons, np.where(carried == 1, ACCEPTED, BEFORE)).astype(np.int8)
    depends = ~(first | opening | restart) | (reasons != ACCEPTED)
    return Verdicts(values, steps, reasons, registers.astype(np.int8), np.where(depends, base, -1))


def _lower(values: Longs, moved: Longs, policy: CounterPolicy) -> tuple[Longs, Mask]:
    """Steps of readings below their base, and those that the policy does not explain."""
    if policy.lower == "signed_correction":
        return moved, np.zeros(len(moved), np.bool_)
    if policy.lower == "rollover":
        wrapped = np.where(moved < 0, moved + _modulus(policy), moved)
        return wrapped, np.any(wrapped > _limit(policy), axis=1)
    if policy.reset_below is not None:
        return values, np.any(values > millionths(policy.reset_below), axis=1)
    return moved, np.ones(len(moved), np.bool_)


def _refuse(reasons: npt.NDArray[np.int8], registers: Longs, wrong: Mask, reason: int) -> None:
    """Give a reason to rows that have none yet; the register is the first that is wrong."""
    rows = wrong.any(axis=1) & (reasons == ACCEPTED)
    registers[rows] = wrong[rows].argmax(axis=1)
    reasons[rows] = reason


def _modulus(policy: CounterPolicy) -> int:
    return _NO_LIMIT if policy.modulus is None else millionths(policy.modulus)


def _limit(policy: CounterPolicy) -> int:
    if policy.largest_step is not None:
        return millionths(policy.largest_step)
    return _NO_LIMIT if policy.modulus is None else _modulus(policy) // 2
