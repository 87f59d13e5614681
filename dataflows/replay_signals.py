"""What was in view at a place when a request was asked for on one side only: the newest signal of the other side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from dataflows.replay import Replay
from operators.partials import INSTANT
from operators.replenishment_crossings import SIGNAL
from operators.safety_stock import Place
from operators.stock import STOCK_KEY
from sinks.history.rows import HistoryRows
from sinks.projections import CONTRACT as PROJECTION

#: A place and an instant.
Asked = tuple[Place, datetime]
Signal = Mapping[str, Any]
_KEY = list(STOCK_KEY)
_ASKED: dict[str, pl.DataType] = {**STOCK_KEY, "instant": INSTANT}
_COLUMNS = [*_ASKED, "unit", "projected", "reorder_point", "demand_mean"]


def replayed_signals(replay: Replay, asked: Sequence[Asked]) -> dict[Asked, Signal]:
    """What the replay had in view where the flow asked for something."""
    if not asked:
        return {}
    rows = replay.announced.projections().join(_places(asked).lazy(), on=_KEY, how="semi")
    return _newest(rows.select(_COLUMNS).collect(), asked)


def live_signals(replay: Replay, asked: Sequence[Asked]) -> dict[Asked, Signal]:
    """What the flow had in view where the replay would ask for something: rows of StockProjection in the history."""
    if not asked:
        return {}
    root, topics = replay.rows.root, {PROJECTION: replay.settings.topic(PROJECTION)}
    rows, places = HistoryRows(root, topics, {place[0] for place, _ in asked}), _places(asked).lazy()
    last = max(at for _, at in asked).date()

    def query(frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame.rename({"event_time": "instant"}).join(places, on=_KEY, how="semi").select(_COLUMNS)

    frames = [rows.load(PROJECTION, day, query) for day in rows.days() if day <= last]
    empty = pl.DataFrame(schema={name: SIGNAL[name] for name in _COLUMNS})
    return _newest(pl.concat([empty, *frames]), asked)


def _places(asked: Sequence[Asked]) -> pl.DataFrame:
    return pl.DataFrame([place for place, _ in asked], schema=STOCK_KEY, orient="row").unique()


def _newest(rows: pl.DataFrame, asked: Sequence[Asked]) -> dict[Asked, Signal]:
    """Of each place the newest row at or before the instant."""
    wanted = pl.DataFrame([(*place, at) for place, at in asked], schema=_ASKED, orient="row").unique().sort("instant")
    found = rows.sort("instant").with_columns(pl.col("instant").alias("seen"))
    joined = wanted.join_asof(found, on="instant", by=_KEY, strategy="backward", check_sortedness=False)
    known = joined.filter(pl.col("seen").is_not_null())
    return {((row["plant"], row["material"], row["storage_location"]), row["instant"]): row for row in known.to_dicts()}


__all__ = ["Asked", "Signal", "live_signals", "replayed_signals"]
