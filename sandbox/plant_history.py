"""A simulated plant day as the history that a flow would keep of it: each event once, in the order of arrival.

`python -m sandbox.plant_history --out FOLDER` makes one to try queries on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import polars as pl
from rich.console import Console

from sandbox.plant import Plant
from sandbox.plant_layout import TOPICS
from schemas.contracts import contract
from schemas.types import polars_schema
from sinks.history.compact import compact, only_one
from sinks.history.dictionary import write_dictionary
from sinks.history.manifest import write_manifest
from sinks.history.zones import topics
from sinks.parquet import HistoryWriter

PARTITIONS = 4
_EPOCH = 5_000
_ALL = 10**9


def write_history(plant: Plant, root: Path, name: str = "sandbox") -> dict[str, int]:
    """Write what of a plant day a flow would accept to the raw zone.

    Args:
        plant: The day.
        root: Folder of the history.
        name: Tells the day's files from those of others.

    Returns:
        Rows by contract.
    """
    writer = HistoryWriter(root, "confirmations", "lane-00", TOPICS, lambda: name)
    writer.restore(None)
    counts: dict[str, int] = {}
    rows: dict[str, list[dict[str, Any]]] = {}
    for number, (of, record) in enumerate(accepted(plant), 1):
        rows.setdefault(of, []).append(record)
        counts[of] = counts.get(of, 0) + 1
        if number % _EPOCH == 0:
            _write(writer, rows)
    _write(writer, rows)
    return counts


def accepted(plant: Plant) -> list[tuple[str, dict[str, Any]]]:
    """Contract and record of every good event at its first arrival, with the offset that it had on its topic."""
    seen: set[tuple[str, str]] = set()
    found = []
    for offset, emission in enumerate(plant.stream()):
        if emission.fault is not None or emission.contract is None or isinstance(emission.body, bytes):
            continue
        identity = (emission.contract, str(emission.body["event_id"]))
        if identity not in seen:
            seen.add(identity)
            place = {"offset": offset, "partition": crc32(emission.key.encode()) % PARTITIONS}
            found.append((emission.contract, {**emission.body, **place}))
    return found


def _write(writer: HistoryWriter, rows: dict[str, list[dict[str, Any]]]) -> None:
    for name, records in rows.items():
        schema = {**polars_schema(contract(name)), "offset": pl.Int64(), "partition": pl.Int32()}
        columns = {column: [record.get(column) for record in records] for column in schema}
        frame = pl.DataFrame(columns, schema).rename({"partition": "origin"})
        writer.write(name, frame)
    rows.clear()
    writer.sync()


def compact_all(root: Path, before: date) -> None:
    """Compact what is there, with manifests and dictionary."""
    with only_one(root):
        for topic in topics(root):
            compact(root, topic, before, lambda _: _ALL)
            write_manifest(root, topic, None)
        write_dictionary(root)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write some simulated days as a history and compact them."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.plant_history", description=main.__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--start", type=datetime.fromisoformat, default=datetime(2026, 3, 2, 5, tzinfo=UTC))
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(arguments)
    counts = write_history(Plant(args.seed, args.start, args.hours), args.out)
    compact_all(args.out, date.max)
    console = Console()
    for name, count in sorted(counts.items()):
        console.print(f"{count:>8,}  {name}", highlight=False)


if __name__ == "__main__":
    main()
