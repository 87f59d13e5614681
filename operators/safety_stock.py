"""When projected stock crosses its reorder point, and how much is asked for: one request per crossing.

    projected = on_hand - allocated + in_transit + open_requests

Stock on hold is outside `on_hand`, so it is not subtracted again. A key is armed until projected stock is at or below
s; the crossing disarms it, and it is armed again above s + hysteresis, or when its request is closed. The request's
number is the number of the crossing, which is part of the state: a crossing that is seen again after a crash asks
under the same identity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

import polars as pl

from millrace.errors import Misconfigured
from operators.partials import INSTANT, QUANTITY
from operators.stock import MOST, STOCK, STOCK_KEY, fitting

_KEY = list(STOCK_KEY)
_EXACT = Context(prec=50)
_DAY = 86_400  # microseconds in a millionth of a day
_MOST_DAYS = 100_000

#: Stock of a key with what is on its way and what comes of it.
PROJECTION: dict[str, pl.DataType] = {**STOCK, **dict.fromkeys(("in_transit", "open_requests", "projected"), QUANTITY)}
#: Whether the next crossing asks, and how many there were.
CROSSINGS: dict[str, pl.DataType] = {**STOCK_KEY, "armed": pl.Boolean(), "crossings": pl.Int64()}
#: What projections are compared with.
LIMITS: dict[str, pl.DataType] = {
    **STOCK_KEY,
    **dict.fromkeys(("reorder_point", "hysteresis", "demand_mean"), QUANTITY),
}


@dataclass(frozen=True, slots=True)
class Replenishment:
    """How a material is ordered at a storage location; quantities in its base unit.

    Args:
        reorder_point: s, given or from `operators.reorder_point`.
        order_up_to: S; None where a lot size is ordered.
        lot_size: Q; with S the quantity is rounded up to a multiple of it, without S the fewest multiples are ordered
            that lift projected stock above s.
        hysteresis: h: armed again above s + h.
        demand_mean: Demand per day, for days of cover; None where it is not known.

    Raises:
        Misconfigured: Neither S nor Q, S not above s, or a quantity that makes no sense.
    """

    reorder_point: Decimal
    order_up_to: Decimal | None = None
    lot_size: Decimal | None = None
    hysteresis: Decimal = Decimal(0)
    demand_mean: Decimal | None = None

    def __post_init__(self) -> None:
        if self.order_up_to is None and self.lot_size is None:
            raise Misconfigured("order_up_to or lot_size: one of them says how much is ordered")
        if self.order_up_to is not None and self.order_up_to <= self.reorder_point:
            raise Misconfigured(f"order_up_to: {self.order_up_to} is not above reorder_point {self.reorder_point}")
        if self.lot_size is not None and self.lot_size <= 0:
            raise Misconfigured(f"lot_size: {self.lot_size} is not above 0")
        if min(self.reorder_point, self.hysteresis, self.demand_mean or Decimal(0)) < 0:
            raise Misconfigured("reorder_point, hysteresis and demand_mean are not negative")

    def quantity(self, projected: Decimal) -> Decimal:
        """What is ordered at a projected stock at or below s."""
        if self.order_up_to is None:
            return self._lots(self.reorder_point - projected, more=True)
        missing = min(self.order_up_to - projected, MOST)
        return missing if self.lot_size is None else self._lots(missing, more=False)

    def _lots(self, missing: Decimal, *, more: bool) -> Decimal:
        """The fewest lots that are at least `missing`, or more than that."""
        lot = self.lot_size or Decimal(1)
        number, rest = _EXACT.divmod(missing, lot)
        return min((number + (1 if rest or more else 0)) * lot, MOST)


#: Plant, material, storage location.
Place = tuple[str, str, str]


def project(stock: pl.DataFrame, expected: pl.DataFrame) -> pl.DataFrame:
    """Rows of PROJECTION from rows of STOCK and of EXPECTED; a key without a balance is left out: nobody knows it."""
    rows = stock.filter(pl.col("as_of").is_not_null())
    if expected.height:
        rows = rows.join(expected, on=_KEY, how="left")
        rows = rows.with_columns(pl.col("in_transit", "open_requests").fill_null(0).cast(QUANTITY))
    else:
        rows = rows.with_columns(pl.lit(0).cast(QUANTITY).alias(name) for name in ("in_transit", "open_requests"))
    projected = pl.col("on_hand") - pl.col("allocated") + pl.col("in_transit") + pl.col("open_requests")
    return rows.with_columns(fitting(projected).alias("projected")).select(list(PROJECTION))


def judge(
    crossings: pl.DataFrame, projections: pl.DataFrame, policies: Mapping[Place, Replenishment], closed: pl.DataFrame
) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
    """Which keys cross now: the new state, and what is asked for.

    Args:
        crossings: Rows of CROSSINGS; a key that is not there is armed.
        projections: Rows of PROJECTION of the keys that changed.
        policies: How each key is ordered; a key without a policy is never ordered.
        closed: STOCK_KEY and `crossings`: the request of that crossing was received or cancelled.

    Returns:
        Rows of CROSSINGS for all keys, and a mapping per crossing: `document_key`, `request_number`, `quantity`,
        `reorder_point`, `order_up_to`, `lot_size` and the columns of PROJECTION.
    """
    done = closed.with_columns(pl.lit(True).alias("closed"))
    rows = projections.join(limits(projections, policies), on=_KEY, how="inner").join(crossings, on=_KEY, how="left")
    rows = rows.with_columns(pl.col("armed").fill_null(True), pl.col("crossings").fill_null(0))
    rows = rows.join(done, on=[*_KEY, "crossings"], how="left")
    above = pl.col("projected") > pl.col("reorder_point") + pl.col("hysteresis")
    ready = pl.col("armed") | above | pl.col("closed").fill_null(False)
    below = pl.col("projected") <= pl.col("reorder_point")
    rows = rows.with_columns((ready & below).alias("crosses"), (ready & ~below).alias("armed"))
    rows = rows.with_columns((pl.col("crossings") + pl.col("crosses")).alias("crossings"))
    untouched = crossings.join(rows, on=_KEY, how="anti")
    state = pl.concat([untouched, rows.select(pl.col(name).cast(kind) for name, kind in CROSSINGS.items())])
    return state.sort(_KEY), [_request(row, policies) for row in rows.filter("crosses").sort(_KEY).to_dicts()]


def limits(projections: pl.DataFrame, policies: Mapping[Place, Replenishment]) -> pl.DataFrame:
    """Rows of LIMITS of the keys that changed and have a policy."""
    rows = [
        (*place, each.reorder_point, each.hysteresis, each.demand_mean or None)
        for place, each in _of(projections, policies)
    ]
    return pl.DataFrame(rows, schema=LIMITS, orient="row")


def _of(projections: pl.DataFrame, policies: Mapping[Place, Replenishment]) -> Iterator[tuple[Place, Replenishment]]:
    """Policies of the keys that changed: what a batch costs does not follow the number of policies."""
    places: list[Place] = projections.select(_KEY).rows()
    return ((place, policies[place]) for place in places if place in policies)


def request_key(plant: str, material: str, storage_location: str, crossing: int) -> str:
    """Identity of the request of a crossing, as the posting ledger knows it."""
    parts = (part.replace("%", "%25").replace("|", "%7C") for part in (plant, "", material, storage_location))
    return "|".join([*parts, str(crossing)])


def _request(row: dict[str, Any], policies: Mapping[Place, Replenishment]) -> dict[str, Any]:
    place = (row["plant"], row["material"], row["storage_location"])
    policy = policies[place]
    key = request_key(*place, row["crossings"])
    found = {name: row[name] for name in PROJECTION}
    asked = {"reorder_point": policy.reorder_point, "order_up_to": policy.order_up_to, "lot_size": policy.lot_size}
    return {**found, **asked, "document_key": key, "request_number": key, "quantity": policy.quantity(row["projected"])}


def outlook(projections: pl.DataFrame, policies: Mapping[Place, Replenishment], column: str = "as_of") -> pl.DataFrame:
    """Projections with `days_of_cover`, `crosses_at` and `stock_out_at`: the signal comes before the line stops.

    All three are null without a demand, and where stock lasts longer than 100,000 days.

    Args:
        projections: Rows of PROJECTION.
        policies: With `demand_mean`.
        column: Instant that the projection stands for.
    """
    rows = projections.join(limits(projections, policies), on=_KEY, how="left")
    return foreseen(rows, column).drop("demand_mean", "reorder_point", "hysteresis")


def foreseen(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """As `outlook`, for projections that are joined with their LIMITS."""
    lasting, until = _days(pl.col("projected")), _days(pl.col("projected") - pl.col("reorder_point"))
    dated = [_after(column, until).alias("crosses_at"), _after(column, lasting).alias("stock_out_at")]
    return rows.with_columns(lasting.alias("days_of_cover"), *dated)


def _days(quantity: pl.Expr) -> pl.Expr:
    wide = pl.Decimal(38, 6)
    days = quantity.cast(wide) / pl.col("demand_mean").cast(wide)
    return pl.when(days < 0).then(0).when(days <= _MOST_DAYS).then(days).cast(QUANTITY)


def _after(column: str, days: pl.Expr) -> pl.Expr:
    return (pl.col(column).to_physical() + days.to_physical().cast(pl.Int64) * _DAY).cast(INSTANT)
