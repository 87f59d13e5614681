"""Parquet files of the archive: written beside their place, synced, renamed; a batch is a folder."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import BigInteger, Boolean, Integer, Table

from millrace.durable import sync
from millrace.errors import Misconfigured
from millrace.ledger.archive import Batch
from millrace.ledger.tables import audit, documents, postings

_PREFIX = "batch="


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep other runs out of a folder while the context lasts.

    Raises:
        Misconfigured: Another run is at work there, or the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("w")
    except OSError as error:
        raise Misconfigured(f"--out {out}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Misconfigured(f"--out {out}: another archive run is at work there") from error
        yield


def write(batch: Batch, out: Path) -> Path:
    """Write a batch durably. Returns its folder."""
    folder = out / f"{_PREFIX}{batch.name}"
    beside = out / f".{folder.name}.tmp"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    for table, rows in ((documents, batch.documents), (postings, batch.postings), (audit, batch.audit)):
        path = beside / f"{table.name}.parquet"
        _frame(table, rows).write_parquet(path, compression="zstd")
        sync(path)
    sync(beside)
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)
    sync(out)
    return folder


def unfinished(out: Path, known: set[str]) -> list[tuple[Path, list[str]]]:
    """Batches in a folder that a ledger does not know, with the keys of their documents."""
    folders = sorted(folder for folder in out.glob(f"{_PREFIX}*") if folder.name.removeprefix(_PREFIX) not in known)
    return [(folder, _keys(folder)) for folder in folders]


def _keys(folder: Path) -> list[str]:
    keys: list[str] = pl.read_parquet(folder / "documents.parquet", columns=["key"])["key"].to_list()
    return keys


def remove(folder: Path) -> None:
    """Remove a batch whose rows are all still in the ledger."""
    shutil.rmtree(folder)


def _frame(table: Table, rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema={column.name: _type(column.type) for column in table.c}, orient="row")
    instants = [name for name in frame.columns if name in ("at", "open_since", "waits_since") or name.endswith("_at")]
    return frame.with_columns(pl.col(instants).cast(pl.Datetime("us", "UTC")))


def _type(kind: Any) -> type[pl.DataType]:
    if isinstance(kind, Boolean):
        return pl.Boolean
    return pl.Int64 if isinstance(kind, BigInteger | Integer) else pl.String


__all__ = ["locked", "remove", "unfinished", "write"]
