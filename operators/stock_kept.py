"""Movements that are kept in chunks, so that a snapshot serialises what is new and a look-up reads few frames.

They are looked at when a place is counted, or something comes late: between two such times they rest as the bytes that
snapshots keep of them, the larger chunks in files that are written once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol, Self, cast

import polars as pl

from operators.frames import from_bytes, own_text
from operators.saved_rows import SavedRows
from operators.stock import STOCK_KEY

_KEY = list(STOCK_KEY)
#: Chunks are joined when there are more.
_MOST_CHUNKS = 24
#: Rows from which a chunk is a file, some 130 KB: fewer are written with the state, each time.
FILE_ROWS = 8000
#: Rows from which a chunk is not joined with others any more.
_LARGE = 2_000_000
#: Rows that a look-up may leave in memory, some 75 MB: the next ones of the instant look at the same.
_MOST_AWAKE = 500_000


class Files(Protocol):
    """Keeps bytes beside the state, see `dataflows.kept_files`."""

    def put(self, data: bytes) -> str:
        """Bytes are durable from then on; returns the name that `get` finds them by."""

    def get(self, name: str) -> bytes:
        """The bytes."""

    def drop(self, names: Iterable[str]) -> None:
        """Let go of what no durable state names."""


@dataclass(slots=True)
class _Chunk:
    """Rows, the time of the first of them, and the file that holds them."""

    part: SavedRows
    first: datetime
    file: str | None = None

    @classmethod
    def of(cls, part: SavedRows) -> Self:
        first = part.rows["time"].min()
        return cls(part, cast("datetime", first))

    @classmethod
    def together(cls, chunks: Sequence[Self]) -> Self:
        return cls(SavedRows.together([chunk.part for chunk in chunks]), min(chunk.first for chunk in chunks))


class KeptRows:
    """Rows of movements of one shape.

    Args:
        schema: Their columns, STOCK_KEY and `time` among them.
        files: Keeps large chunks; None where the state holds everything.
    """

    def __init__(self, schema: dict[str, pl.DataType], files: Files | None = None) -> None:
        self._schema, self._files = schema, files
        self._texts = [name for name, kind in schema.items() if kind == pl.String]
        self.chunks: list[_Chunk] = []
        self._asked = False
        self._left: list[str] = []  # files that no chunk has any more, since the last snapshot
        self._unnamed: tuple[list[str], list[str]] = [], []  # those of the last one, and of the one before it

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(chunk.part.height for chunk in self.chunks)

    def add(self, part: SavedRows) -> None:
        """Keep rows."""
        if part.height:
            self.chunks.append(_Chunk.of(part))

    def of(self, keys: pl.DataFrame, on: Sequence[str] = _KEY) -> pl.DataFrame:
        """Rows with these keys.

        Of hours of movements few chunks stay in memory, and of the others nothing but the rows that were found.
        """
        self._asked = True
        found, awake = [pl.DataFrame(schema=self._schema)], 0
        for chunk in self.chunks:
            rows = chunk.part.rows.join(keys, on=on, how="semi")
            awake += chunk.part.height
            if awake > _MOST_AWAKE:
                chunk.part.rest()
                rows = rows.with_columns(map(own_text, self._texts))
            found.append(rows)
        return pl.concat(found)

    def tidy(self) -> None:
        """The smaller half becomes one, where there are many: a row is serialised again only a few times."""
        small = [chunk for chunk in self.chunks if chunk.part.height < _LARGE]
        if len(small) > _MOST_CHUNKS:
            small.sort(key=lambda chunk: -chunk.part.height)
            joined = small[_MOST_CHUNKS // 2 :]
            gone = {id(chunk) for chunk in joined}
            self.chunks = [chunk for chunk in self.chunks if id(chunk) not in gone] + [_Chunk.together(joined)]
            self._leave(joined)

    def prune(self, limit: datetime, staying: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        """Let go of rows.

        Args:
            limit: A chunk without a row at or before it stays as it is.
            staying: What stays of a chunk's rows.
        """
        kept = []
        for chunk in self.chunks:
            if chunk.first <= limit:
                rows = staying(chunk.part.rows)
                if rows.height < chunk.part.height:
                    kept += [_Chunk.of(SavedRows(rows))] if rows.height else []
                    self._leave([chunk])
                    continue
                chunk.part.rest()
            kept.append(chunk)
        self.chunks = kept

    def _leave(self, chunks: Iterable[_Chunk]) -> None:
        self._left += [chunk.file for chunk in chunks if chunk.file is not None]

    def snapshot(self) -> list[bytes | dict[str, Any]]:
        """Arrow IPC bytes, or the file that holds them, and what has to be known of it."""
        saved = [self._saved(chunk) for chunk in self.chunks]
        if not self._asked:
            self._rest()
        self._asked = False
        self._unnamed = self._left, [name for names in self._unnamed for name in names]
        self._left = []
        return saved

    def _saved(self, chunk: _Chunk) -> bytes | dict[str, Any]:
        if chunk.file is None:
            if self._files is None or chunk.part.height < FILE_ROWS:
                return chunk.part.bytes()
            chunk.file = self._files.put(chunk.part.bytes())
            chunk.part.put_away(partial(self._files.get, chunk.file))
        return {"file": chunk.file, "rows": chunk.part.height, "first": chunk.first.astimezone(UTC)}

    def made_durable(self) -> None:
        """The last snapshot stands. A file that it does not name stays until the next one stands, in case."""
        if self._files is not None:
            self._files.drop(self._unnamed[1])
        self._unnamed = self._unnamed[0], []

    def _rest(self) -> None:
        for chunk in self.chunks:
            chunk.part.rest()

    def restore(self, state: Sequence[bytes | dict[str, Any]]) -> None:
        """Go on from a snapshot; files are read when they are looked at."""
        self.chunks = []
        for each in state:
            if isinstance(each, bytes):
                self.add(SavedRows(from_bytes(each, self._schema), each))
                self._rest()
            else:
                self.chunks.append(self._away(each))

    def _away(self, told: dict[str, Any]) -> _Chunk:
        if self._files is None:
            raise ValueError(f"the state names a file {told['file']}, and no folder is known to read it from")
        part = SavedRows.away(self._schema, told["rows"], partial(self._files.get, told["file"]))
        return _Chunk(part, told["first"], told["file"])


__all__ = ["FILE_ROWS", "Files", "KeptRows"]
