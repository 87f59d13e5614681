"""The reorder point: demand over the lead time and the safety stock that covers what deviates from it.

    s = d * L + z * sqrt(L * sd^2 + d^2 * sL^2)

with demand per day of mean d and deviation sd, a lead time of mean L and deviation sL in days, and the factor z of the
service level (APICS; Chopra and Meindl, Supply Chain Management). Decimal arithmetic throughout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal

from millrace.errors import Misconfigured

_EXACT = Context(prec=50, rounding=ROUND_HALF_EVEN)
_SIX = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Demand:
    """Demand per day, in the material's base unit.

    Args:
        mean: d.
        deviation: sd, standard deviation.
        days: Days of history that it was learned from; None where it is given.
    """

    mean: Decimal
    deviation: Decimal
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Cover:
    """What a reorder point is computed from beside the demand.

    Args:
        lead_time_mean: L, days.
        lead_time_deviation: sL, days.
        service_factor: z; 1.65 means that 95 of 100 cycles do not run out.

    Raises:
        Misconfigured: One of them is negative.
    """

    lead_time_mean: Decimal
    lead_time_deviation: Decimal
    service_factor: Decimal

    def __post_init__(self) -> None:
        for each in fields(self):
            if getattr(self, each.name) < 0:
                raise Misconfigured(f"{each.name}: {getattr(self, each.name)} is negative")


def safety_stock(demand: Demand, cover: Cover) -> Decimal:
    """The part that covers deviations: z * sqrt(L * sd^2 + d^2 * sL^2), rounded half-even to six decimals."""
    of_demand = _EXACT.multiply(cover.lead_time_mean, _square(demand.deviation))
    of_lead_time = _square(_EXACT.multiply(demand.mean, cover.lead_time_deviation))
    deviation = _EXACT.sqrt(_EXACT.add(of_demand, of_lead_time))
    return _EXACT.multiply(cover.service_factor, deviation).quantize(_SIX, context=_EXACT)


def reorder_point(demand: Demand, cover: Cover) -> Decimal:
    """s: demand over the lead time and the safety stock."""
    expected = _EXACT.multiply(demand.mean, cover.lead_time_mean)
    return _EXACT.add(expected, safety_stock(demand, cover)).quantize(_SIX, context=_EXACT)


def learned(consumed: Mapping[date, Decimal], last: date, days: int) -> Demand:
    """Mean and sample standard deviation of the consumption per day over the last `days` days.

    Args:
        consumed: Quantity by local day; a day that is missing had none, and days outside the horizon do not count.
        last: Last day that counts, complete.
        days: Horizon.

    Raises:
        Misconfigured: The horizon is shorter than two days: nothing can deviate.
    """
    if days < 2:
        raise Misconfigured(f"days: {days} is too short, a deviation needs two")
    daily = [consumed.get(last - timedelta(days=n), Decimal(0)) for n in range(days)]
    mean = _EXACT.divide(sum(daily, Decimal(0)), Decimal(days))
    squares = sum((_square(_EXACT.subtract(each, mean)) for each in daily), Decimal(0))
    deviation = _EXACT.sqrt(_EXACT.divide(squares, Decimal(days - 1)))
    return Demand(mean.quantize(_SIX, context=_EXACT), deviation.quantize(_SIX, context=_EXACT), days)


def _square(value: Decimal) -> Decimal:
    return _EXACT.multiply(value, value)
