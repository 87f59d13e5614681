"""Which places have crossed their reorder point, what is asked for, and the signal of every place that changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

import polars as pl

from operators.demand_days import DemandDays
from operators.frames import from_bytes, to_bytes
from operators.partials import INSTANT, QUANTITY
from operators.replenishment_policy import Policy, PolicyBook, policy
from operators.replenishment_request import Price, request
from operators.request_lifecycle import Progress
from operators.safety_stock import CROSSINGS, LIMITS, PROJECTION, Place, Replenishment, foreseen, judge
from operators.stock import STOCK_KEY

_KEY = list(STOCK_KEY)
_LIMITS: dict[str, pl.DataType] = {**LIMITS, "order_up_to": QUANTITY, "safety_stock": QUANTITY}
#: A projection with what it is compared with and where it leads to; `instant` is what it stands for.
SIGNAL: dict[str, pl.DataType] = {
    **STOCK_KEY,
    "instant": INSTANT,
    **{name: kind for name, kind in PROJECTION.items() if name not in STOCK_KEY},
    **{name: kind for name, kind in _LIMITS.items() if name not in STOCK_KEY},
    "days_of_cover": QUANTITY,
    "crosses_at": INSTANT,
    "stock_out_at": INSTANT,
}


class Crossings:
    """Crossings of one shard.

    Args:
        rules: How materials are ordered.
    """

    def __init__(self, rules: PolicyBook) -> None:
        self._rules = rules
        self.state = pl.DataFrame(schema=CROSSINGS)
        self._closed: dict[Place, int] = {}
        self._rejected: set[str] = set()
        self._policies: dict[Place, Policy] = {}
        self._limits = pl.DataFrame(schema=_LIMITS)
        self._day: date | None = None

    def places(self, levels: pl.DataFrame) -> pl.DataFrame:
        """STOCK_KEY of the places that a rule covers and whose stock is known: a new day may move the limit of each.

        By what the state holds: limits in memory are those of the places that this life has looked at.

        Args:
            levels: Rows of STOCK.
        """
        counted: list[Place] = levels.filter(pl.col("as_of").is_not_null()).select(_KEY).rows()
        ruled = [place for place in counted if self._rules.rule(place) is not None]
        return pl.DataFrame(ruled, schema=STOCK_KEY, orient="row")

    def close(self, found: Iterable[Progress]) -> pl.DataFrame:
        """Note which requests are closed now; returns their places.

        A request that was rejected disarms its place instead, once: what was refused is not asked for in the next
        minute under another number. It is armed again above s + h, or when the request is no longer held.
        """
        places, refused = [], []
        for each in found:
            if each.request is None:
                continue
            place = (each.request["plant"], each.request["material"], each.request["storage_location"])
            number = str(each.request["request_number"])
            crossing = int(number.rpartition("|")[2])
            if each.held:
                refused += [place] if number not in self._rejected else []
                self._rejected.add(number)
                continue
            self._rejected.discard(number)
            if each.settled and crossing > self._closed.get(place, 0):
                self._closed[place] = crossing
                places.append(place)
            elif not each.settled and crossing == self._closed.get(place):
                del self._closed[place]
        self._disarm(refused)
        return pl.DataFrame([*places, *refused], schema=STOCK_KEY, orient="row")

    def _disarm(self, places: Iterable[Place]) -> None:
        gone = pl.DataFrame(list(places), schema=STOCK_KEY, orient="row").with_columns(pl.lit(True).alias("gone"))
        if gone.height:
            kept = pl.col("armed") & pl.col("gone").is_null()
            rows = self.state.join(gone, on=_KEY, how="left", maintain_order="left")
            self.state = rows.with_columns(kept.alias("armed")).drop("gone")
        for place in gone.select(_KEY).rows():
            self._closed.pop(place, None)

    def limited(self, projections: pl.DataFrame, instant: datetime, demand: DemandDays) -> pl.DataFrame:
        """Projections with what they are compared with; null where nothing is ordered."""
        self._new_day(instant)
        rows = projections.join(self._limits, on=_KEY, how="left")
        unlimited = rows.filter(pl.col("reorder_point").is_null())
        if unlimited.height and self._decide(unlimited.select(_KEY).unique().rows(), instant, demand):
            rows = projections.join(self._limits, on=_KEY, how="left")
        return rows

    def judge(
        self, rows: pl.DataFrame, instant: datetime, price_of: Callable[[Place], Price | None]
    ) -> list[dict[str, Any]]:
        """Requests of the places that cross now: fields of ReplenishmentRequest.

        Args:
            rows: As `limited` gives them.
            instant: Now, event time.
            price_of: Price of a place's material.
        """
        found = self._step(rows)
        if not found:
            return []
        signals = {tuple(row[name] for name in _KEY): row for row in self.signal(rows, instant).to_dicts()}
        requests = []
        for each in found:
            place: Place = (each["plant"], each["material"], each["storage_location"])
            ahead = {name: signals[place][name] for name in ("days_of_cover", "stock_out_at")}
            requests.append(request({**each, **ahead}, self._policies[place], instant, price_of(place)))
        return requests

    def rearm(self, rows: pl.DataFrame) -> None:
        """Note where what was asked for has lifted the projection; it lifts it above s, so nothing crosses here."""
        self._step(rows)

    def _step(self, rows: pl.DataFrame) -> list[dict[str, Any]]:
        """Only what is at or below its limit, or disarmed, can change."""
        concerned = pl.col("projected") <= pl.col("reorder_point")
        disarmed = self.state.filter(~pl.col("armed")).select(*_KEY, pl.lit(True).alias("disarmed"))
        if disarmed.height:
            rows = rows.join(disarmed, on=_KEY, how="left")
            concerned |= pl.col("disarmed").is_not_null()
        chosen = rows.filter(concerned).select(list(PROJECTION))
        if not chosen.height:
            return []
        places: list[Place] = chosen.select(_KEY).rows()
        ordered = {place: made for place in places if (made := self._replenishment(place)) is not None}
        done = [(*place, self._closed[place]) for place in places if place in self._closed]
        closed = pl.DataFrame(done, schema={**STOCK_KEY, "crossings": pl.Int64()}, orient="row")
        self.state, found = judge(self.state, chosen, ordered, closed)
        return found

    def _replenishment(self, place: Place) -> Replenishment | None:
        known = self._policies.get(place)
        return known.replenishment if known is not None else None

    def _new_day(self, instant: datetime) -> None:
        """Policies of places whose demand is learned are made anew."""
        if self._rules.learns and self._day != instant.date():
            self._day = instant.date()
            learning = [place for place, each in self._policies.items() if each.rule.learn_days is not None]
            for place in learning:
                del self._policies[place]
            self._forget(learning)

    def _decide(self, unlimited: list[Place], instant: datetime, demand: DemandDays) -> bool:
        """Policies of places that are new; whether there are any."""
        missing = [place for place in unlimited if place not in self._policies]
        rules = {place: rule for place in missing if (rule := self._rules.rule(place)) is not None}
        learned = demand.demands(
            [(place, rule.learn_days, rule.learn_least) for place, rule in rules.items() if rule.learn_days], instant
        )
        # Without learned demand a rule makes the same policy of every place.
        given = {id(rule): policy(rule, None) for rule in {id(each): each for each in rules.values()}.values()}
        for place, rule in rules.items():
            known = learned.get(place)
            self._policies[place] = given[id(rule)] if known is None else policy(rule, known)
        self._remember(rules)
        return bool(rules)

    def _forget(self, places: list[Place]) -> None:
        gone = pl.DataFrame(places, schema=STOCK_KEY, orient="row")
        self._limits = self._limits.join(gone, on=_KEY, how="anti")

    def _remember(self, places: Iterable[Place]) -> None:
        rows = [
            (
                *place,
                made.reorder_point,
                made.hysteresis,
                made.demand_mean or None,
                made.order_up_to,
                self._policies[place].safety_stock,
            )
            for place in places
            if (made := self._replenishment(place)) is not None
        ]
        if rows:
            self._limits = pl.concat([self._limits, pl.DataFrame(rows, schema=_LIMITS, orient="row")])

    def signal(self, rows: pl.DataFrame, instant: datetime) -> pl.DataFrame:
        """Rows of SIGNAL, of what `limited` gave."""
        dated = rows.with_columns(pl.lit(instant).cast(INSTANT).alias("instant"))
        return foreseen(dated, "instant").select(pl.col(name).cast(kind) for name, kind in SIGNAL.items())

    def snapshot(self) -> dict[str, Any]:
        """Plain values and Arrow IPC bytes."""
        closed = {"closed": dict(self._closed), "rejected": sorted(self._rejected)}
        return {"crossings": to_bytes(self.state), **closed}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot; policies follow from the rules and the demand."""
        self.state, self._closed = from_bytes(state["crossings"], CROSSINGS), dict(state["closed"])
        self._rejected = set(state.get("rejected", ()))  # states of older releases have none


__all__ = ["SIGNAL", "Crossings"]
