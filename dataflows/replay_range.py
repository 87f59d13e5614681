"""What a replay is about, and what has to be read for it so that no total at its edges is smaller than it was.

A window belongs to the range that it *starts* in, so that ranges that touch share no document and miss none. A
document depends on more than the events of its window: a counter's reading on the reading before, a count without an
order on the job that ran, a completion on all windows of its operation. So what belongs to a timeline is read from the
beginning of the history to its end, and of what adds up by itself every row of an order that has an event in the range.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import polars as pl

from operators.screen import DAY
from operators.windows import Window
from sinks.history.rows import HistoryRows, micros
from sources.history import HistoryDay

#: A window with no bounds: a completion, or a whole operation.
UNBOUND = datetime.fromtimestamp(0, UTC).isoformat()
ORDER = ("plant", "order_id")
_NO_ORDER = pl.col("order_id").fill_null("") == ""
Orders = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Range:
    """Which documents a replay is about.

    Args:
        first: Windows that start at or after it, microseconds; None from the beginning.
        until: Windows that start before it; None to the end.
        plants: Plants; empty for all.
        orders: Orders; empty for all.
    """

    first: int | None = None
    until: int | None = None
    plants: Sequence[str] = ()
    orders: Sequence[str] = ()

    @property
    def whole(self) -> bool:
        """Whether it is about everything that is in the history."""
        return self.first is None and self.until is None and not self.orders

    def inside(self, margin: int = 0) -> pl.Expr:
        """Condition on events: from the beginning of the range to its end and a margin, microseconds."""
        at = pl.col("event_time").to_physical()
        first = pl.lit(value=True) if self.first is None else at >= self.first
        return first & (pl.lit(value=True) if self.until is None else at < self.until + margin)

    def holds(self, plant: str, order_id: str, sort_key: str, touched: Orders | None) -> bool:
        """Whether a document is meant.

        Args:
            plant: Its plant.
            order_id: Its order.
            sort_key: Its place, which begins with the start of its window.
            touched: Orders with events in the range; None for all.
        """
        if (self.plants and plant not in self.plants) or (self.orders and order_id not in self.orders):
            return False
        if sort_key.startswith(UNBOUND):
            return touched is None or (plant, order_id) in touched
        after = self.first is None or sort_key >= text(self.first)
        return after and (self.until is None or sort_key < text(self.until))


def text(at: int) -> str:
    """An instant in microseconds as places of documents begin."""
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat()


@dataclass(frozen=True, slots=True)
class Linear:
    """Which rows of a flow's contracts add up by themselves; the others belong to a timeline.

    Args:
        rows: By contract the condition on a row; contracts that are left out are all read as a whole.
    """

    rows: Mapping[str, pl.Expr] = field(default_factory=dict)

    def of(self, contract: str) -> pl.Expr:
        """Condition on rows of a contract."""
        return self.rows.get(contract, pl.lit(value=False))


def days_of(rows: HistoryRows) -> list[HistoryDay]:
    """Days that have rows, in order."""
    return [HistoryDay(micros(day), sum(counts.values())) for day, counts in rows.days().items()]


def margin(window: str) -> int:
    """How long after the end of a range a window may end that starts in it, microseconds."""
    return Window.parse(window).micros or 2 * DAY


def touched_orders(rows: HistoryRows, days: Collection[date], wanted: Range, window: str, linear: Linear) -> Orders:
    """Orders with events in the range, and those whose job may have run on into it."""
    after = margin(window)
    found: set[tuple[str, str]] = set()
    named: dict[tuple[str, str], tuple[int, str]] = {}
    for day in sorted(days):
        start = micros(day)
        if wanted.until is not None and start >= wanted.until + after:
            break
        for contract in rows.topics:
            if wanted.first is None or start + DAY > wanted.first:
                found |= _orders_in(rows, contract, day, wanted.inside(after))
            if wanted.first is not None and start < wanted.first:
                _last_named(rows, contract, day, wanted.first, linear, named)
    found |= {(plant, order) for (plant, _), (_, order) in named.items()}
    return frozenset(each for each in found if not wanted.orders or each[1] in wanted.orders)


def _orders_in(rows: HistoryRows, contract: str, day: date, inside: pl.Expr) -> set[tuple[str, str]]:
    def query(frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame.filter(inside & ~_NO_ORDER).select(ORDER).unique()

    return set(rows.load(contract, day, query).unique().iter_rows())


def _last_named(
    rows: HistoryRows,
    contract: str,
    day: date,
    before: int,
    linear: Linear,
    named: dict[tuple[str, str], tuple[int, str]],
) -> None:
    """By work centre the last order that a row of its timeline named before the range."""

    def query(frame: pl.LazyFrame) -> pl.LazyFrame:
        timeline = ~linear.of(contract) & ~_NO_ORDER
        early = frame.filter(timeline & (pl.col("event_time").to_physical() < before))
        by_center = early.sort("event_time").group_by("plant", "work_center")
        return by_center.agg(pl.col("order_id").last(), at=pl.col("event_time").to_physical().max())

    if linear.of(contract).meta.eq(pl.lit(value=True)):
        return
    for plant, work_center, order, at in rows.load(contract, day, query).iter_rows():
        known = named.get((plant, work_center))
        if known is None or known[0] <= at:
            named[plant, work_center] = (at, order)


def needed(contract: str, linear: Linear, touched: Orders | None, inside: pl.Expr) -> pl.Expr:
    """Condition on the rows of a contract that have to be read; of those without order what lies `inside`."""
    if touched is None:
        return pl.lit(value=True)
    keys = [f"{plant}\x1f{order}" for plant, order in sorted(touched)]
    mine = pl.concat_str(list(ORDER), separator="\x1f").is_in(keys)
    return ~linear.of(contract) | pl.when(_NO_ORDER).then(inside).otherwise(mine)


__all__ = ["ORDER", "UNBOUND", "Linear", "Orders", "Range", "days_of", "margin", "needed", "text", "touched_orders"]
