"""Demand per day, learned from consumption: sums per place and day over a horizon, so the state is bounded.

A day is one of UTC. Only complete days count, a day without consumption counts as nothing, and a place is known from
the first day on that it consumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import polars as pl

from operators.frames import from_bytes, to_bytes
from operators.partials import QUANTITY
from operators.reorder_point import Demand, learned
from operators.safety_stock import Place
from operators.stock import STOCK_KEY, fitting

_KEY = list(STOCK_KEY)
DEMAND: dict[str, pl.DataType] = {**STOCK_KEY, "day": pl.Date(), "quantity": QUANTITY}
_ROWS_BEFORE_SUM = 100_000


class DemandDays:
    """Daily sums of one shard.

    Args:
        days: Days that are kept.
    """

    def __init__(self, days: int) -> None:
        self._days = days
        self._sums = pl.DataFrame(schema=DEMAND)
        self._fresh: list[pl.DataFrame] = []
        self._learned: dict[Place, tuple[date, int, Demand | None]] = {}
        self._saved: bytes | None = None

    def add(self, consumption: pl.DataFrame) -> None:
        """Take what was consumed: STOCK_KEY, time and quantity in the base unit."""
        if not consumption.height:
            return
        self._fresh.append(consumption.select(*_KEY, pl.col("time").dt.date().alias("day"), "quantity"))
        if sum(frame.height for frame in self._fresh) > _ROWS_BEFORE_SUM:
            self._consolidate()

    def _consolidate(self) -> None:
        if self._fresh:
            rows = pl.concat([self._sums, *self._fresh])
            self._sums = rows.group_by(*_KEY, "day").agg(fitting(pl.col("quantity").sum())).sort(*_KEY, "day")
            self._fresh, self._saved = [], None
            self._learned.clear()

    def prune(self, instant: datetime) -> None:
        """Forget days before the horizon; the first day of a place is kept as the day before it, with nothing."""
        self._consolidate()
        first = instant.date() - timedelta(days=self._days + 1)
        before = pl.col("day") < first
        if self._sums.filter(before).height:
            seen = self._sums.filter(before).select(_KEY).unique()
            marks = seen.select(*_KEY, pl.lit(first).alias("day"), pl.lit(0).cast(QUANTITY).alias("quantity"))
            rows = pl.concat([self._sums.filter(~before), marks])
            self._sums = rows.group_by(*_KEY, "day").agg(fitting(pl.col("quantity").sum())).sort(*_KEY, "day")
            self._learned.clear()
            self._saved = None

    def demands(self, places: Sequence[tuple[Place, int, int]], instant: datetime) -> dict[Place, Demand | None]:
        """Demand of places over their horizon, up to the last complete day.

        Args:
            places: Place, days of its horizon, days that have to be known.
            instant: Now, event time.
        """
        if not places:
            return {}
        self._consolidate()
        last = instant.date() - timedelta(days=1)
        missing = [each for each in places if self._learned.get(each[0], (None, 0, None))[:2] != (last, each[1])]
        if missing:
            self._learn(missing, last)
        return {place: self._learned[place][2] for place, _, _ in places}

    def _learn(self, places: Sequence[tuple[Place, int, int]], last: date) -> None:
        wanted = pl.DataFrame([place for place, _, _ in places], schema=STOCK_KEY, orient="row")
        consumed: dict[Place, dict[date, Decimal]] = {}
        for plant, material, location, day, quantity in self._sums.join(wanted.unique(), on=_KEY, how="semi").rows():
            consumed.setdefault((plant, material, location), {})[day] = quantity
        for place, days, least in places:
            self._learned[place] = (last, days, _demand(consumed.get(place, {}), last, days, least))

    def snapshot(self) -> dict[str, bytes]:
        """Arrow IPC bytes; sums are serialised again only when they were added up."""
        if self._saved is None:
            self._saved = to_bytes(self._sums)
        return {"sums": self._saved, "fresh": to_bytes(pl.concat([self._sums.clear(), *self._fresh]))}

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Go on from a snapshot."""
        self._sums, self._saved = from_bytes(state["sums"], DEMAND), state["sums"]
        fresh = from_bytes(state["fresh"], DEMAND)
        self._fresh = [fresh] if fresh.height else []


def _demand(consumed: dict[date, Decimal], last: date, days: int, least: int) -> Demand | None:
    known = (last - min(consumed)).days + 1 if consumed else 0
    count = min(days, known)
    return learned(consumed, last, count) if count >= max(least, 2) else None


__all__ = ["DEMAND", "DemandDays"]
