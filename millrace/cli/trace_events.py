"""The events of an order in the raw zone of the history."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import polars as pl

from dataflows.flow_settings import FlowSettings
from dataflows.settings import EVENTS
from millrace.errors import Misconfigured
from sinks.history.places import Place
from sinks.history.reading import read
from sinks.history.store import require, scan

_COLUMNS: dict[str, pl.DataType] = {
    "plant": pl.String(),
    "event_time": pl.Datetime("us", "UTC"),
    "partition": pl.Int32(),
    "offset": pl.Int64(),
}


@dataclass(frozen=True, slots=True)
class Events:
    """Events that name an order.

    Args:
        contracts: By contract one entry per partition: count, first and last event time, lowest and highest
            offset.
        rows: Contract and event time per event, to count those within a window.
    """

    contracts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    rows: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(
            schema={"contract": pl.String, "plant": pl.String, "event_time": pl.Datetime("us", "UTC")}
        )
    )

    def within(self, plant: str, start: datetime, end: datetime) -> dict[str, int]:
        """Events by contract from `start` until before `end`."""
        inside = self.rows.filter(pl.col("event_time").is_between(start, end, closed="left"), pl.col("plant") == plant)
        return dict(sorted(inside["contract"].value_counts().iter_rows()))


def events_of(root: Place, settings: FlowSettings, order: str) -> Events:
    """Events that name the order; those that got it from their machine's job are in the documents' origins.

    Raises:
        Misconfigured: There is no such folder, or a file in it is no readable Parquet.
    """
    require(root, "--history")
    topics = {name: settings.topic(name) for name in EVENTS}
    found = {name: read(root, topic, partial(_rows, root / topic, order)) for name, topic in topics.items()}
    named = {name: rows for name, rows in found.items() if rows.height}
    every = [rows.select(pl.lit(name).alias("contract"), "plant", "event_time") for name, rows in named.items()]
    return Events({name: _ranges(rows) for name, rows in named.items()}, pl.concat([Events().rows, *every]))


def _rows(folder: Place, order: str, files: list[Place]) -> pl.DataFrame:
    empty = pl.DataFrame(schema=_COLUMNS)
    if not files:
        return empty
    try:
        # Read as texts: plant `0100` is not plant 100.
        rows = scan(
            files,
            hive_schema={"plant": pl.String, "date": pl.String},
            extra_columns="ignore",
            missing_columns="insert",
        )
        named = rows.filter(pl.col("order_id") == order)
        return named.select(pl.col(n).cast(kind) for n, kind in _COLUMNS.items()).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise Misconfigured(f"{folder}: is no readable history: {error}") from error


def _ranges(rows: pl.DataFrame) -> list[dict[str, Any]]:
    by_partition = rows.group_by("partition").agg(
        pl.len().alias("events"),
        pl.col("event_time").min().alias("first"),
        pl.col("event_time").max().alias("last"),
        pl.col("offset").min().alias("first_offset"),
        pl.col("offset").max().alias("last_offset"),
    )
    return by_partition.sort("partition").to_dicts()
