"""Requests of a life that has ended may still arrive: what keeps them from bringing a row back.

A put that was under way when its process died can be carried out any time later. So nothing is put into a spool's
store but where there is nothing, or over exactly the version that was seen; and what counts no more is not removed but
replaced by a file without rows, also where nothing is to be seen yet. A late put then finds its place taken.
"""

from __future__ import annotations

import uuid
from io import BytesIO
from pathlib import Path

import polars as pl

from millrace.failpoints import hit
from sinks.history.places import ObjectPath, Place
from sinks.history.store import below, make_folder, put_over, read_bytes, subfolders, sync, write
from sinks.history.zones import DAYS

DOUBTFUL = "_doubtful"


def doubt(spool: Path, path: Path) -> None:
    """Keep durably that a file, which is to be removed from a spool, may have been under way."""
    target = spool / DOUBTFUL / path.relative_to(spool)
    make_folder(target.parent, spool)
    write(target, emptied(path.read_bytes()))


def purge(spool: Path, writer: str, store: ObjectPath, mark: int) -> None:
    """Empty what a store has of a writer at a mark or above, and the places of what may still be under way there."""
    zones = [zone for zone in subfolders(store) if zone.name != DAYS]
    for found in (each for zone in zones for each in below(zone, ".parquet")):
        name, _, number = found.path.stem.rpartition("-")
        if name == writer and int(number) >= mark:
            hit("spool.before_purge")
            _fence(found.path, read_bytes(found.path))
    for path in sorted((spool / DOUBTFUL).glob(f"*/plant=*/date=*/{writer}-*.parquet")):
        hit("spool.before_fence")
        _fence(store / path.relative_to(spool / DOUBTFUL), path.read_bytes())
        path.unlink()
        sync(path.parent)


def _fence(target: Place, content: bytes) -> None:
    """Put a file without rows in the place of one."""
    if isinstance(target, ObjectPath):
        put_over(target, emptied(content))


def emptied(content: bytes) -> bytes:
    """The same columns without rows; no two are alike, so that one is never taken for another by its checksum."""
    made = BytesIO()
    rows = pl.read_parquet(BytesIO(content), n_rows=0, hive_partitioning=False)
    rows.write_parquet(made, metadata={"emptied": uuid.uuid4().hex})
    return made.getvalue()
