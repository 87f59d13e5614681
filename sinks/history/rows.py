"""Rows of the history in the columns of their contract as it is now, for whoever feeds them to rules again.

Both zones are read as one (`sinks.history.reading`), each record once: also where a flow that began anew on its topics
has written them a second time under another generation. Files of older contract versions get the defaults of what
they lack.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from millrace.errors import Misconfigured
from schemas.contracts import contract
from schemas.types import is_nullable, polars_schema
from sinks.history.places import Place
from sinks.history.reading import read
from sinks.history.store import scan
from sinks.history.zones import PlantDay, folders

_PLACE = {"partition": pl.Int32(), "offset": pl.Int64()}


@dataclass(frozen=True, slots=True)
class HistoryRows:
    """The history of some topics.

    Args:
        root: Folder of the history.
        topics: Topic by contract.
        plants: Plants to read; None reads all.
    """

    root: Place
    topics: Mapping[str, str]
    plants: Collection[str] | None = None

    def days(self) -> dict[date, dict[str, int]]:
        """Rows by UTC date and contract."""
        found: dict[date, dict[str, int]] = {}
        for name, topic in self.topics.items():
            for day in sorted({each.day for each in folders(self.root, topic).values() if self._mine(each)}):
                rows = self._read(name, day, lambda frame: frame.select(pl.len().alias("rows")))["rows"].sum()
                if rows:
                    found.setdefault(day, {})[name] = int(rows)
        return dict(sorted(found.items()))

    def plant_days(self) -> list[PlantDay]:
        """Plant-days of all topics."""
        found = [each for topic in self.topics.values() for each in folders(self.root, topic).values()]
        return [each for each in found if self._mine(each)]

    def newest(self, day: date) -> int:
        """Highest event time of a day, microseconds."""
        newest = pl.col("event_time").to_physical().max().alias("newest")
        found = [self._read(name, day, lambda frame: frame.select(newest))["newest"].max() for name in self.topics]
        return max(each for each in found if isinstance(each, int))

    def load(self, name: str, day: date, query: Callable[[pl.LazyFrame], pl.LazyFrame]) -> pl.DataFrame:
        """Rows of one contract and day: columns of the contract with `partition` and `offset`, through a query."""
        return self._read(name, day, query)

    def _mine(self, day: PlantDay) -> bool:
        return self.plants is None or day.plant in self.plants

    def _read(self, name: str, day: date, query: Callable[[pl.LazyFrame], pl.LazyFrame]) -> pl.DataFrame:
        def fetch(files: list[Place]) -> pl.DataFrame:
            frames = [query(_typed(path, name, self.topics[name])) for path in files]
            empty = pl.DataFrame(schema={**polars_schema(contract(name)), **_PLACE}).lazy()
            return pl.concat([query(empty), *frames]).collect()

        return read(self.root, self.topics[name], fetch, lambda each: each.day == day and self._mine(each))


def _typed(path: Place, name: str, topic: str) -> pl.LazyFrame:
    """A file as rows of the contract.

    Raises:
        Misconfigured: It is no readable Parquet, or lacks a column that has no default.
    """
    try:
        frame = scan([path], hive_partitioning=False)
        present = frame.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise Misconfigured(f"{path}: is no readable Parquet: {error}") from error
    plant = PlantDay.of(topic, path.parent).plant
    wanted = {**polars_schema(contract(name)), **_PLACE}
    absent = {**_defaults(name), "plant": plant}
    missing = [column for column in wanted if column not in present and column not in absent]
    if missing:
        raise Misconfigured(f"{path}: has no column '{missing[0]}', which {name} requires")
    columns = [
        (pl.col(column) if column in present else pl.lit(absent[column])).cast(kind).alias(column)
        for column, kind in wanted.items()
    ]
    return frame.select(columns)


def _defaults(name: str) -> dict[str, Any]:
    """What a column is where a file was written before it came: the contract's default, or nothing."""
    fields = contract(name).schema["fields"]
    return {f["name"]: f.get("default") for f in fields if "default" in f or is_nullable(f["type"])}


def micros(day: date) -> int:
    """First microsecond of a UTC day."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000


__all__ = ["HistoryRows", "micros"]
