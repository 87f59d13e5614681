"""Where numbers go on a chart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight line from values to places.

    Args:
        low: Value at `start`.
        high: Value at `end`.
        start: Place of `low`, in user units of the drawing.
        end: Place of `high`.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Place of a value."""
        span = self.high - self.low or 1.0
        return self.start + (value - self.low) / span * (self.end - self.start)


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round values that cover the range, some `about` of them, steps of 1, 2 or 5 times a power of ten."""
    span = max(high - low, 1e-9)
    power: float = 10.0 ** math.floor(math.log10(span / about))
    step = min((factor * power for factor in (1, 2, 5, 10)), key=lambda s: abs(span / s - about))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def rounded_up(high: float, about: int = 3) -> float:
    """The next tick at or above a maximum, at least 1."""
    high = max(high, 1.0)
    marks = ticks(0, high, about)
    step = marks[1] if len(marks) > 1 else high
    return math.ceil(high / step - 1e-9) * step


def short(value: float) -> str:
    """A tick's label: 12k, 1.5M."""
    for limit, suffix in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:g}{suffix}"
    return f"{value:g}"


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move labels apart until neighbours keep `gap`, staying between `low` and `high` where there is room."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    out = list(places)
    floor = low
    for index in order:
        out[index] = max(out[index], floor)
        floor = out[index] + gap
    ceiling = high
    for index in reversed(order):
        out[index] = min(out[index], ceiling)
        ceiling = out[index] - gap
    return out
