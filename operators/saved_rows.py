"""Rows with the bytes that snapshots keep of them: each row is serialised once, however often its state is written.

Rows that nobody looks at for hours rest as these bytes alone, a tenth of what they take as columns, or are put away to
where the bytes are fetched from.

An Arrow IPC stream is a schema, record batches and an end mark. Streams of equal schema are joined by putting their
batches one after another, which costs a copy; the result reads as any other stream.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Self

import polars as pl

from operators.frames import from_bytes, to_bytes

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

    __slots__ = ("_fetch", "_open", "_rows", "_saved", "_schema", "height")

    def __init__(self, rows: pl.DataFrame, saved: bytes | None = None) -> None:
        self.height = rows.height
        self._schema = dict(rows.schema)
        self._rows: pl.DataFrame | None = rows
        self._saved: list[bytes] = [] if saved is None else [saved]
        self._open: list[pl.DataFrame] = [rows] if saved is None else []
        self._fetch: Callable[[], bytes] | None = None

    @classmethod
    def away(cls, schema: Mapping[str, pl.DataType], height: int, fetch: Callable[[], bytes]) -> Self:
        """Rows that were put away."""
        made = cls(pl.DataFrame(schema=schema))
        made.height = height
        made.put_away(fetch)
        made._rows = None
        return made

    def put_away(self, fetch: Callable[[], bytes]) -> None:
        """From now on the bytes are fetched when they are needed."""
        self._saved, self._open, self._fetch = [], [], fetch

    def _known(self) -> list[bytes]:
        return self._saved if self._fetch is None else [self._fetch()]

    @classmethod
    def together(cls, parts: Sequence[Self]) -> Self:
        """The rows of all parts, of equal columns; what was serialised stays so, unless it is too little."""
        if len(parts) == 1:
            return parts[0]
        awake = [part._rows for part in parts if part._rows is not None]
        made = cls(pl.concat(awake) if len(awake) == len(parts) else pl.DataFrame(schema=parts[0]._schema))
        made._open = []
        if len(awake) < len(parts):
            made._rows, made.height = None, sum(part.height for part in parts)
        for part in parts:
            if part.height < LEAST:
                made._open.append(part.rows)
            else:
                made._open += part._open
                made._saved += part._known()
        return made

    @property
    def rows(self) -> pl.DataFrame:
        """The rows, read from their bytes where they rest."""
        if self._rows is None:
            self._rows = pl.concat([*(from_bytes(data, self._schema) for data in self._known()), *self._open])
        return self._rows

    def rest(self) -> None:
        """Keep only the bytes, a tenth of the room, of rows that are many, as far as they are serialised."""
        if self.height >= LEAST:
            self._rows = None

    @property
    def resting(self) -> bool:
        """Whether the rows would have to be read from their bytes."""
        return self._rows is None

    def bytes(self) -> bytes:
        """Arrow IPC stream; compressed well, since it is written again with each snapshot."""
        if self._fetch is not None:
            return self._fetch()
        if self._open:
            self._saved.append(to_bytes(pl.concat(self._open, rechunk=True), "zstd"))
            self._open = []
        if len(self._saved) > 1:
            self._saved = [joined(self._saved) or to_bytes(self.rows, "zstd")]
        return self._saved[0]


def stream(parts: Sequence[SavedRows]) -> bytes:
    """One stream of the rows of all parts, of which the larger ones are not serialised again the next time."""
    for part in parts:
        if part.height >= LEAST:
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
