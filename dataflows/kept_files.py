"""Files beside a recovery store, each written once: what is kept of stock, and would be written again with each epoch.

A file has its name only when it is whole and durable, and is never changed. A state names the files that it needs; one
that no durable state names any more is removed, and what a crash left in between is removed before the next life
begins.
"""

from __future__ import annotations

import os
import uuid
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from dataflows.state_store import finished, plain
from millrace.durable import sync
from millrace.errors import MillraceError, Misconfigured
from millrace.failpoints import hit

#: Folder in that of the recovery store.
KEPT = "kept"
_SUFFIX = ".arrows"


class KeptFiles:
    """Files of one flow.

    Args:
        folder: Made with the first file; shared by all processes of the flow.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """Write a file; it is durable when its name is known.

        Raises:
            MillraceError: There is no room, or it may not be written. The flow ends, and reads the epoch again when it
                is started.
        """
        name = f"{uuid.uuid4().hex}-{zlib.crc32(data):08x}"
        partial = self._folder / f".{name}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(self._path(name))
            sync(self._folder)
        except OSError as error:
            told = f"cannot be written: {error.strerror}; what is not in the state yet is read again after a restart"
            raise MillraceError(f"{self._path(name)}: {told}") from error
        hit("kept.after_put")
        return name

    def get(self, name: str) -> bytes:
        """Read a file.

        Raises:
            Misconfigured: It is not there, or not what was written.
        """
        path = self._path(name)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Misconfigured(f"{path}: the state needs it: {error.strerror}; {_BACK}") from error
        if f"{zlib.crc32(data):08x}" != name.rpartition("-")[2]:
            raise Misconfigured(f"{path}: is damaged, it is not what was written; {_BACK}")
        return data

    def drop(self, names: Iterable[str]) -> None:
        """Remove files; those that are gone already are no error."""
        for name in names:
            self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_SUFFIX}"


_BACK = "put a copy of the recovery store back, with all of its files"


def forget_unnamed(recovery: Path) -> int:
    """Remove files that the state of a store does not name; call while no process of the flow runs.

    Returns:
        How many were removed.

    Raises:
        Misconfigured: A file is missing that the state names.
    """
    folder = recovery / KEPT
    named = {f"{name}{_SUFFIX}" for name in _named(recovery)}
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if named - there:
        missing = sorted(named - there)
        raise Misconfigured(f"{folder / missing[0]}: the state needs it and {len(missing) - 1} more like it; {_BACK}")
    for name in there - named:
        (folder / name).unlink()
    return len(there - named)


def _named(recovery: Path) -> Iterator[str]:
    """What the newest finished state names, see `operators.stock_kept`."""
    for row in finished(recovery, "%.stock"):
        stock = plain(row.packed).get("stock", {})
        for each in [*stock.get("moved", ()), *stock.get("movements", ())]:
            if isinstance(each, dict):
                yield each["file"]


__all__ = ["KEPT", "KeptFiles", "forget_unnamed"]
