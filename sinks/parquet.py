"""Raw zone of the history: accepted rows as Parquet, exactly once over kills.

`<root>/<topic>/plant=<plant>/date=<UTC date>/<flow>-<generation>-<lane>-<number>.parquet`, written under a name that
does not end in `.parquet`, fsynced, renamed, directory fsynced. The number of the next file is part of the lane's
snapshot: after a kill, files from that number on hold rows that will be read again, so they are removed. The
generation is the state's identity: a new recovery store is a new generation and removes nothing.

With a history on an object store, `<root>` is the spool's folder (`sinks.history.spool`).

Delivery: exactly once over kills, as long as the recovery store is kept. A full disk is waited for.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from millrace.errors import MillraceError
from millrace.failpoints import hit
from sinks.history.spool import Spool
from sinks.history.store import make_folder, sync
from sinks.patience import patiently

MOST_ROWS = 500_000
sync_file = sync


class DiskFull(MillraceError):
    """No room for a file of the history: the writer waits. Not `Retriable`, since its rows are accepted already."""


class HistoryWriter:
    """Writes what one lane accepted.

    Args:
        root: Folder of the raw zone, or of the spool.
        flow: Name of the flow.
        lane: Name of the lane; one writer per lane.
        topics: Topic (folder) by contract.
        identity: Identity of the state that a fresh start begins; the same for every life before the first snapshot.
        spool: Takes the files on to an object store.
    """

    def __init__(
        self,
        root: Path,
        flow: str,
        lane: str,
        topics: Mapping[str, str],
        identity: Callable[[], str],
        spool: Spool | None = None,
    ) -> None:
        self._identity, self._spool = identity, spool
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
        """Write what is buffered; returns what `restore` needs, and how much of it an object store has for good."""
        self._flush()
        state = {"generation": self._generation, "number": self._number}
        return state if self._spool is None else {**state, "uploaded": self._spool.uploaded}

    def admit(self) -> None:
        """Let the lane take a batch.

        Raises:
            Retriable: There is no room for it.
        """
        if self._spool is not None:
            self._spool.admit()

    def notices(self) -> list[dict[str, str]]:
        """Alerts that are due, as fields of Alert."""
        return [] if self._spool is None else self._spool.notices()

    def _flush(self) -> None:
        while self._buffer:
            contract, frames = next(iter(self._buffer.items()))
            rows = pl.concat(frames) if len(frames) > 1 else frames[0]
            for plant, date, part in _by_day(rows):
                folder = self._root / self._topics[contract] / f"plant={quote(plant, safe='')}" / f"date={date}"
                try:
                    self._write(folder, part)
                except DiskFull:
                    patiently(partial(self._write, folder, part), (DiskFull,), "disk")
            del self._buffer[contract]
        self._rows = 0

    def _write(self, folder: Path, rows: pl.DataFrame) -> None:
        name = f"{self._flow}-{self._generation}-{self._lane}-{self._number:010d}.parquet"
        unfinished, final = folder / f".{name}.partial", folder / name
        with _room(unfinished):
            make_folder(folder, self._root)
            self._write_file(unfinished, rows)
        hit("history.before_rename")
        unfinished.rename(final)
        sync(folder)
        hit("history.after_rename")
        if self._spool is not None:
            self._spool.wrote(self._number, final)
        self._number += 1

    def _write_file(self, path: Path, rows: pl.DataFrame) -> None:
        offsets = {"first_offset": str(rows["offset"].min()), "last_offset": str(rows["offset"].max())}
        rows.drop("plant").write_parquet(
            path, compression="zstd", compression_level=1, metadata={"flow": self._flow, **offsets}
        )
        sync(path)

    def restore(self, state: dict[str, Any] | None) -> None:
        """Remove what was written after the snapshot; without one, what a life of the same state left behind."""
        if state is None:
            self._generation, self._number = self._identity(), 0
        else:
            self._generation, self._number = state["generation"], state["number"]
        writer = f"{self._flow}-{self._generation}-{self._lane}"
        self._remove_from(f"{writer}-")
        if self._spool is not None:
            self._spool.resume(writer, self._number)

    def _remove_from(self, prefix: str) -> None:
        for path in self._root.glob(f"*/plant=*/date=*/{prefix}*.parquet"):
            if int(path.stem.removeprefix(prefix)) >= self._number:
                hit("history.before_remove")
                if self._spool is not None:
                    self._spool.doubt(path)
                path.unlink()
                sync(path.parent)
        for path in self._root.glob(f"*/plant=*/date=*/.{prefix}*.partial"):
            path.unlink()


@contextmanager
def _room(unfinished: Path) -> Iterator[None]:
    """Tell a full disk from other faults, and leave nothing there that takes up room."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        if not _is_full(error):
            raise
        unfinished.unlink(missing_ok=True)
        raise DiskFull(f"{unfinished.parent}: no room") from error


def _is_full(error: Exception) -> bool:
    """Polars has no error of its own for it: the text tells the number."""
    numbers = (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, OSError):
        return error.errno in numbers
    return any(f"(os error {number})" in str(error) for number in numbers)


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
