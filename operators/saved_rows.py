"""Rows with the bytes that snapshots keep of them: each row is serialised once, however often its state is written.

An Arrow IPC stream is a schema, record batches and an end mark. Streams of equal schema are joined by putting their
batches one after another, which costs a copy; the result reads as any other stream.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Self

import polars as pl

from operators.frames import to_bytes

#: Fewer rows are serialised anew with others: a record batch has about a kilobyte of its own.
LEAST = 1000
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_HEAD = struct.Struct("<4si")


class SavedRows:
    """Rows, and their bytes as far as a snapshot has asked for them.

    Args:
        rows: The rows.
        saved: Their bytes, where they are known.
    """

    __slots__ = ("_open", "_saved", "rows")

    def __init__(self, rows: pl.DataFrame, saved: bytes | None = None) -> None:
        self.rows = rows
        self._saved: list[bytes] = [] if saved is None else [saved]
        self._open: list[pl.DataFrame] = [rows] if saved is None else []

    @classmethod
    def together(cls, parts: Sequence[Self]) -> Self:
        """The rows of all parts, of equal columns; what was serialised stays so, unless it is too little."""
        if len(parts) == 1:
            return parts[0]
        made = cls(pl.concat([part.rows for part in parts]))
        made._open = []
        for part in parts:
            if part.rows.height < LEAST:
                made._open.append(part.rows)
            else:
                made._open += part._open
                made._saved += part._saved
        return made

    def bytes(self) -> bytes:
        """Arrow IPC stream; compressed well, since it is written again with each snapshot."""
        if self._open:
            self._saved.append(to_bytes(pl.concat(self._open, rechunk=True), "zstd"))
            self._open = []
        if len(self._saved) > 1:
            self._saved = [joined(self._saved) or to_bytes(self.rows, "zstd")]
        return self._saved[0]


def stream(parts: Sequence[SavedRows]) -> bytes:
    """One stream of the rows of all parts, of which the larger ones are not serialised again the next time."""
    for part in parts:
        if part.rows.height >= LEAST:
            part.bytes()
    return SavedRows.together(parts).bytes()


def joined(streams: Iterable[bytes]) -> bytes | None:
    """One Arrow IPC stream of the rows of all of these; None where they differ, as those of two releases may."""
    schemas, batches = set(), []
    for data in streams:
        mark, size = _HEAD.unpack_from(data)
        start = _HEAD.size + int(size)
        if mark != _END[:4] or not data.endswith(_END):
            return None
        schemas.add(data[:start])
        batches.append(data[start : -len(_END)])
    return b"".join([*schemas, *batches, _END]) if len(schemas) == 1 else None


__all__ = ["SavedRows", "joined", "stream"]
