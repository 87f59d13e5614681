"""Machine cycles of a plant over some days, as a flow's lanes would have written them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from bench.process import cpu_seconds
from schemas.contracts import contract
from schemas.types import polars_schema
from sinks.parquet import HistoryWriter

TOPIC, PLANT, MACHINES = "machine-cycle", "P1", 10_000
START = datetime(2026, 3, 1, tzinfo=UTC)
_DAY_US = 86_400_000_000


def write_day(
    root: Path,
    day: int,
    rows: int,
    files: int,
    name: str = "MachineCycle",
    told: Callable[[pl.DataFrame], pl.DataFrame] = lambda cycles: cycles,
) -> tuple[float, float]:
    """Write the rows of one day to the raw zone in so many files; the machines take turns as on a topic.

    Each day has a writer of its own, so one that was interrupted is written anew.

    Args:
        root: Folder of the history.
        day: Number of the day.
        rows: Its rows.
        files: Raw files.
        name: Contract.
        told: Makes rows of it of cycles.

    Returns:
        CPU and wall seconds of the writer alone: what it costs a flow beside reading and rules.
    """
    writer = HistoryWriter(root, "confirmations", f"lane-{day:02}", {name: contract(name).topic}, lambda: "bench")
    writer.restore(None)
    per_file = rows // files
    cpu = wall = 0.0
    for number in range(files):
        frame = told(_rows(day, number / files, 1 / files, (day * files + number) * per_file, per_file))
        begun = cpu_seconds(), time.perf_counter()
        writer.write(name, frame)
        writer.sync()
        cpu, wall = cpu + cpu_seconds() - begun[0], wall + time.perf_counter() - begun[1]
    return cpu, wall


def _rows(day: int, begin: float, share: float, first: int, count: int) -> pl.DataFrame:
    """Events of one stretch of a day, in order of arrival: nearly that of their times."""
    rng = np.random.default_rng(first)
    machine = rng.integers(0, MACHINES, count)
    start = int((START + timedelta(days=day)).timestamp() * 1_000_000)
    moment = start + np.sort((begin + share * rng.random(count)) * (_DAY_US - 1)).astype(np.int64)
    offset = pl.Series(np.arange(first, first + count))
    sequence = offset // MACHINES * 4 + offset % 4
    name = pl.Series(machine).cast(pl.String).str.zfill(5)
    good = pl.Series(rng.integers(1, 5, count)).cast(pl.Decimal(18, 6))
    scrap = pl.Series((rng.random(count) < 0.03).astype(np.int64)).cast(pl.Decimal(18, 6))
    columns = {
        "event_id": "M" + name + "-" + sequence.cast(pl.String),
        "event_time": pl.Series(moment).cast(pl.Datetime("us", "UTC")),
        "plant": pl.Series([PLANT]).new_from_index(0, count),
        "source": "M" + name,
        "sequence": sequence,
        "work_center": "W" + name.str.slice(0, 3),
        "order_id": pl.Series(machine // 4 + 1_000_000).cast(pl.String),
        "operation": pl.Series(["0010"]).new_from_index(0, count),
        "counting": pl.Series(["DELTA"]).new_from_index(0, count),
        "quantity_good": good,
        "quantity_scrap": scrap,
        "quantity_rework": (good * 0).cast(pl.Decimal(18, 6)),
        "unit": pl.Series(["C62"]).new_from_index(0, count),
    }
    place = {"origin": pl.Series(65536 + machine % 8).cast(pl.Int32), "offset": offset}
    schema = polars_schema(contract("MachineCycle"))
    absent = {
        key: pl.Series([None], dtype=kind).new_from_index(0, count)
        for key, kind in schema.items()
        if key not in columns
    }
    frame = pl.DataFrame({**columns, **absent, **place})
    return frame.select(*(pl.col(key).cast(kind) for key, kind in schema.items()), "origin", "offset")
