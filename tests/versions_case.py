"""A topic of which three released versions of its contract wrote the days, and one day that two of them wrote."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from schemas.contracts import AVRO_FOLDER, load
from schemas.samples import sample
from schemas.types import polars_schema
from sinks.history.compact import compact
from sinks.history.zones import DAYS
from sinks.parquet import HistoryWriter

NAME, TOPIC = "Alert", "alert"
VERSIONS = (2, 3, 4)
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
PAGE = Path(__file__).parents[1] / "docs" / "analysts.md"
#: What of a row the readers are held against; values as plain text.
COLUMNS = ("event_id", "plant", "severity", "message", "error_class", "closed")


def recipe(reader: str) -> str:
    """The lines of docs/analysts.md that read a topic with one reader into `rows`."""
    found = re.search(rf"<!-- reads: {reader} -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None, reader
    return found[1]


def write_versions(root: Path) -> list[dict[str, Any]]:
    """Write and compact four days; returns what every reader should find, by event id."""
    expected: list[dict[str, Any]] = []
    for number, version in enumerate((*VERSIONS, *VERSIONS[1:])):
        of = load(AVRO_FOLDER / "released" / NAME / f"{version}.avsc")
        writer = HistoryWriter(root, "flow", "lane-00", {NAME: TOPIC}, lambda version=version: f"v{version}")
        writer.restore({"generation": f"v{version}", "number": number})
        at = START + timedelta(days=min(number, len(VERSIONS)))
        records = [
            {**each, "event_id": f"{number}-{n}", "event_time": at, "plant": "0100"}
            for n, each in enumerate(sample(of, 5, seed=number))
        ]
        frame = pl.DataFrame(records, polars_schema(of))
        place = [pl.lit(65536, pl.Int32).alias("origin"), pl.int_range(pl.len()).alias("offset")]
        writer.write(NAME, frame.with_columns(place))
        writer.sync()
        expected += [{name: each.get(name) for name in COLUMNS} for each in records]
    compact(root, TOPIC, date.max, lambda _: 10**9)
    return sorted(expected, key=lambda each: str(each["event_id"]))


def topic_folder(root: Path) -> Path:
    return root / DAYS / TOPIC
