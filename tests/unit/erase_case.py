"""A history with operators: two plants, two days of reports, one day compacted with late rows beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
from typer.testing import CliRunner

from millrace.cli.app import app
from schemas.contracts import contract
from schemas.types import polars_schema
from sinks.history.compact import compact, only_one
from sinks.history.manifest import write_manifest
from sinks.history.reading import read
from sinks.history.zones import DAYS
from sinks.parquet import HistoryWriter

ROOT = Path(__file__).parents[2]
TOPIC = "operation-report"
START = datetime(2026, 3, 1, 0, 0, tzinfo=UTC)
WHO = ("ann", "bob", "hanna", None)


def life(root: Path, number: int = 0) -> HistoryWriter:
    """The flow, going on from a snapshot."""
    writer = HistoryWriter(root, "confirmations", "lane-00", {"OperationReport": TOPIC}, lambda: "state1")
    writer.restore({"generation": "state1", "number": number} if number else None)
    return writer


def reports(hours: Iterable[int], prefix: str = "R") -> pl.DataFrame:
    """One report an hour: who made it turns with the hour, and its yield is the hour."""
    of = contract("OperationReport")
    rows = [
        {
            **dict.fromkeys(of.fields),
            "event_id": f"{prefix}-{hour}",
            "event_time": START + timedelta(hours=hour),
            "plant": "P1",
            "source": "T1",
            "work_center": "W1",
            "order_id": "O1",
            "operation": "0010",
            "unit": "C62",
            "completed": False,
            "quantity_yield": Decimal(hour),
            "quantity_scrap": Decimal(0),
            "quantity_rework": Decimal(0),
            "operator": WHO[hour % 4],
        }
        for hour in hours
    ]
    place = [pl.lit(65536, pl.Int32).alias("origin"), pl.int_range(pl.len()).alias("offset")]
    return pl.DataFrame(rows, polars_schema(of)).with_columns(place)


def fill(root: Path) -> int:
    """Returns the number of the flow's next file."""
    writer = life(root)
    for begin in range(0, 48, 8):
        writer.write("OperationReport", reports(range(begin, begin + 8)))
        number = writer.sync()["number"]
    with only_one(root):
        compact(root, TOPIC, date(2026, 3, 2), lambda _: number)
        write_manifest(root, TOPIC, None)
    late = life(root, number)
    late.write("OperationReport", reports([3, 4, 5], "LATE"))
    return int(late.sync()["number"])


def _seen(files: Iterable[Path]) -> pl.DataFrame:
    frames = [pl.read_parquet(path, hive_partitioning=False) for path in files]
    return pl.concat(frames, how="diagonal_relaxed").sort("event_id")


def seen(root: Path) -> pl.DataFrame:
    """What a reader of both zones has."""
    return read(root, TOPIC, _seen)


def in_days(root: Path) -> list[str]:
    return sorted(_seen((root / DAYS).glob("**/*.parquet"))["event_id"])


def everything(root: Path) -> bytes:
    """Every byte of every file, in the clear."""
    tables = [pl.read_parquet(path, hive_partitioning=False) for path in root.rglob("*.parquet")]
    texts = [path.read_bytes() for path in root.rglob("*") if path.is_file() and path.suffix != ".parquet"]
    return b"".join([*(table.write_csv().encode() for table in tables if not _nested(table)), *texts])


def _nested(table: pl.DataFrame) -> bool:
    return any(kind.is_nested() for kind in table.dtypes)


def call(*arguments: Any, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


ONE_RUN = "import sys; from millrace.cli.app import app; app()"


def killed(root: Path, point: str, arguments: list[str]) -> None:
    command = [sys.executable, "-c", ONE_RUN, *arguments, "--root", str(root)]
    done = subprocess.run(command, env={"MILLRACE_FAILPOINT": point, "USER": "t"}, cwd=ROOT, check=False)
    assert done.returncode == -9


def without_people(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.drop("operator")
