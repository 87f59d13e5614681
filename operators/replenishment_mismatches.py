"""Balances against what was projected in a shard: compared when one comes, or when what lies before it does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from operators.replenishment_figures import Figures
from operators.request_book import RequestBook
from operators.stock import STOCK_KEY
from operators.stock_levels import StockLevels
from operators.stock_mismatch import Tolerance, stock_mismatches

_KEY = list(STOCK_KEY)


class Mismatches:
    """Comparisons of one shard.

    Args:
        stock: Its balances and movements.
        requests: With the alarms of the shard.
        tolerance: How far the two may lie apart.
    """

    def __init__(self, stock: StockLevels, requests: RequestBook, tolerance: Tolerance) -> None:
        self._stock, self._requests, self._tolerance = stock, requests, tolerance

    def compare(
        self, counted: pl.DataFrame, moved: pl.DataFrame, instant: datetime, figures: Figures
    ) -> list[dict[str, Any]]:
        """Alerts of the places that were counted, or where something moved before the newest balance.

        Args:
            counted: Rows of BALANCE.
            moved: STOCK_KEY and `time` of what moved.
            instant: Now, event time.
            figures: Takes how many comparisons there were.
        """
        places = pl.concat([counted.select(_KEY), self._late(moved)]).unique()
        if not places.height:
            return []
        known = self._stock.known(places)
        found = stock_mismatches(known, self._stock.movements(places), self._tolerance, instant)
        standing: dict[str, list[dict[str, Any]]] = {}
        for condition in found:
            told = {"error_class": "partner_data", **condition}
            standing.setdefault(f"{condition['plant']}|{condition['subject']}", []).append(told)
        compared = known.group_by(_KEY).agg(pl.col("as_of").sort()).filter(pl.col("as_of").list.len() > 1)
        figures.count({group: standing.get(group, ()) for group in map("|".join, compared[_KEY].rows())})
        return self._told(standing, places, compared, instant)

    def _told(
        self,
        standing: Mapping[str, list[dict[str, Any]]],
        places: pl.DataFrame,
        compared: pl.DataFrame,
        instant: datetime,
    ) -> list[dict[str, Any]]:
        """Alerts of the places where something lies apart, or did: mostly none."""
        alarms = self._requests.alarms
        before = [place for place in places.rows() if f"stock|{'|'.join(place)}" in alarms.standing]
        concerned = compared.join(pl.DataFrame(before, schema=STOCK_KEY, orient="row"), on=_KEY, how="semi")
        times = {"|".join(place): [at.isoformat() for at in counted] for *place, counted in concerned.iter_rows()}
        alerts: list[dict[str, Any]] = []
        for group in sorted({*map("|".join, before), *standing}):
            # The oldest that is kept has none before it to be compared with.
            alarms.keep(f"stock|{group}", times.get(group, [])[1:])
            alerts += alarms.update(f"stock|{group}", standing.get(group, []), instant)
        return alerts

    def _late(self, moved: pl.DataFrame) -> pl.DataFrame:
        """STOCK_KEY of what moved before the newest balance of its place; mostly no balance is as new as that."""
        old = moved.filter(pl.col("time") <= pl.lit(self._stock.balances["as_of"].max()))
        if not old.height:
            return old.select(_KEY)
        newest = self._stock.known(old.select(_KEY).unique()).group_by(_KEY).agg(pl.col("as_of").max())
        return old.join(newest, on=_KEY, how="inner").filter(pl.col("time") <= pl.col("as_of")).select(_KEY)


__all__ = ["Mismatches"]
