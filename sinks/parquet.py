"""Raw zone of the history: accepted rows as Parquet, exactly once over kills.

`<root>/<topic>/plant=<plant>/date=<UTC date>/<flow>-<generation>-<lane>-<number>.parquet`, written under a name that
does not end in `.parquet`, fsynced, renamed, directory fsynced. The number of the next file is part of the lane's
snapshot: after a kill, files from that number on hold rows that will be read again, so they are removed. The
generation is the state's identity: a new recovery store is a new generation and removes nothing.

Delivery: exactly once over kills, as long as the recovery store is kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from millrace.failpoints import hit

MOST_ROWS = 500_000


class HistoryWriter:
    """Writes what one lane accepted.

    Args:
        root: Folder of the raw zone.
        flow: Name of the flow.
        lane: Name of the lane; one writer per lane.
        topics: Topic (folder) by contract.
        identity: Identity of the state that a fresh start begins; the same for every life before the first snapshot.
    """

    def __init__(
        self, root: Path, flow: str, lane: str, topics: Mapping[str, str], identity: Callable[[], str]
    ) -> None:
        self._identity = identity
        self._root, self._flow, self._lane, self._topics = root, flow, lane, topics
        self._generation, self._number = "", 0
        self._buffer: dict[str, list[pl.DataFrame]] = {}
        self._rows = 0

    def write(self, contract: str, frame: pl.DataFrame) -> None:
        """Take accepted rows; they are durable after the next `sync`."""
        self._buffer.setdefault(contract, []).append(frame)
        self._rows += frame.height
        if self._rows >= MOST_ROWS:
            self._flush()

    def sync(self) -> dict[str, Any]:
        """Write what is buffered; returns what `restore` needs."""
        self._flush()
        return {"generation": self._generation, "number": self._number}

    def _flush(self) -> None:
        for contract, frames in self._buffer.items():
            rows = pl.concat(frames) if len(frames) > 1 else frames[0]
            for plant, date, part in _by_day(rows):
                folder = self._root / self._topics[contract] / f"plant={quote(plant, safe='')}" / f"date={date}"
                self._write(folder, part)
        self._buffer, self._rows = {}, 0

    def _write(self, folder: Path, rows: pl.DataFrame) -> None:
        make_folder(folder, self._root)
        name = f"{self._flow}-{self._generation}-{self._lane}-{self._number:010d}.parquet"
        partial, final = folder / f".{name}.partial", folder / name
        offsets = {"first_offset": str(rows["offset"].min()), "last_offset": str(rows["offset"].max())}
        rows.drop("plant").write_parquet(
            partial, compression="zstd", compression_level=1, metadata={"flow": self._flow, **offsets}
        )
        sync_file(partial)
        hit("history.before_rename")
        partial.rename(final)
        sync_file(folder)
        hit("history.after_rename")
        self._number += 1

    def restore(self, state: dict[str, Any] | None) -> None:
        """Remove what was written after the snapshot; without one, what a life of the same state left behind."""
        if state is None:
            self._generation, self._number = self._identity(), 0
        else:
            self._generation, self._number = state["generation"], state["number"]
        prefix = f"{self._flow}-{self._generation}-{self._lane}-"
        for path in self._root.glob(f"*/plant=*/date=*/{prefix}*.parquet"):
            if int(path.stem.removeprefix(prefix)) >= self._number:
                hit("history.before_remove")
                path.unlink()
                sync_file(path.parent)
        for path in self._root.glob(f"*/plant=*/date=*/.{prefix}*.partial"):
            path.unlink()


def make_folder(folder: Path, root: Path) -> None:
    """Create a folder durably: each new level is synced into its parent."""
    if folder.is_dir():
        return
    if folder not in {root, folder.parent}:
        make_folder(folder.parent, root)
    folder.mkdir(parents=True, exist_ok=True)
    sync_file(folder.parent)


def sync_file(path: Path) -> None:
    """Make a file, or the entries of a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _by_day(rows: pl.DataFrame) -> list[tuple[str, str, pl.DataFrame]]:
    """Rows by plant and UTC date, with partition and offset as columns of their own."""
    named = rows.with_columns(
        (pl.col("origin") % 65536).alias("partition"), pl.col("event_time").dt.date().alias("_date")
    ).drop("origin")
    plant, date = named["plant"], named["_date"]
    if (plant == plant[0]).all() and date.min() == date.max():
        return [(plant[0], str(date[0]), named.drop("_date"))]
    parts = named.partition_by("plant", "_date", as_dict=True)
    return [(str(key[0]), str(key[1]), part.drop("_date")) for key, part in parts.items()]
