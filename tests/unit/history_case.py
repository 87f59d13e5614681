"""A small history: four days of two lanes, and ways to look at it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl

from sinks.history.reading import read
from sinks.history.zones import DAYS
from sinks.parquet import HistoryWriter

TOPIC = "machine-cycle"
START = datetime(2026, 3, 1, 0, 0, tzinfo=UTC)
BEFORE = date(2026, 3, 4)
EVERYTHING = 10**9


def writer(root: Path, lane: str = "lane-00", identity: str = "state1") -> HistoryWriter:
    return HistoryWriter(root, "confirmations", lane, {"MachineCycle": TOPIC}, lambda: identity)


def rows(numbers: Iterable[int], source: str = "M1", plant: str = "P1") -> pl.DataFrame:
    """One row per number: that many hours after START."""
    numbers = list(numbers)
    return pl.DataFrame(
        {
            "event_id": [f"{source}-{n}" for n in numbers],
            "event_time": [START + timedelta(hours=n) for n in numbers],
            "plant": [plant] * len(numbers),
            "source": [source] * len(numbers),
            "quantity_good": [Decimal(n) for n in numbers],
            "origin": [65536 + 3] * len(numbers),
            "offset": numbers,
        },
        schema_overrides={
            "event_time": pl.Datetime("us", "UTC"),
            "origin": pl.Int32,
            "quantity_good": pl.Decimal(18, 6),
        },
    )


def fill(root: Path, hours: int = 96) -> list[str]:
    """Two lanes write an epoch every six hours, newest events first; returns the event ids, sorted."""
    for lane, source in (("lane-00", "M2"), ("lane-01", "M1")):
        history = writer(root, lane)
        history.restore(None)
        for begin in range(0, hours, 6):
            history.write("MachineCycle", rows(range(begin + 5, begin - 1, -1), source))
            history.sync()
    return sorted(f"{source}-{n}" for source in ("M1", "M2") for n in range(hours))


def add(root: Path, numbers: Iterable[int], after: int, source: str = "M1") -> None:
    """Late rows of lane 1, which goes on from the number of its next file."""
    history = writer(root, "lane-01")
    history.restore({"generation": "state1", "number": after})
    history.write("MachineCycle", rows(numbers, source))
    history.sync()


def ids(files: Iterable[Path]) -> list[str]:
    frames = [pl.read_parquet(path, hive_partitioning=False)["event_id"] for path in files]
    return sorted(pl.concat(frames)) if frames else []


def seen(root: Path) -> list[str]:
    """Event ids as a reader of both zones has them."""
    return read(root, TOPIC, ids)


def in_days(root: Path) -> list[str]:
    """Event ids as a plain pattern over the analysts' zone has them."""
    return ids((root / DAYS).glob("**/*.parquet"))


def in_raw(root: Path) -> list[str]:
    return ids((root / TOPIC).glob("**/*.parquet"))
