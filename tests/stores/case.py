"""A history on an object store: files put there as a flow's spool would, and ways to look at it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import polars as pl

from sinks.history.places import ObjectPath, Place
from sinks.history.reading import read
from sinks.history.store import below, read_bytes, upload
from tests.unit.history_case import TOPIC


def put_tree(folder: Path, root: ObjectPath) -> None:
    """Upload what a local history has."""
    for path in sorted(folder.rglob("*.parquet")):
        asyncio.run(upload(path, root / path.relative_to(folder)))


def ids(files: list[Place]) -> list[str]:
    frames = [pl.read_parquet(read_bytes(path), hive_partitioning=False)["event_id"] for path in files]
    return sorted(pl.concat(frames)) if frames else []


def seen(root: Place) -> list[str]:
    """Event ids as a reader of both zones has them."""
    return read(root, TOPIC, ids)


def in_raw(root: Place) -> list[str]:
    return ids([each.path for each in below(root / TOPIC, ".parquet")])
