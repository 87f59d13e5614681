"""Movements that are kept in chunks, so that a snapshot serialises what is new and a look-up reads few frames.

They are looked at when a place is counted, or something comes late: between two such times they rest as the bytes that
snapshots keep of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self, cast

import polars as pl

from operators.frames import from_bytes
from operators.saved_rows import SavedRows
from operators.stock import STOCK_KEY

_KEY = list(STOCK_KEY)
#: Chunks are joined when there are more.
_MOST_CHUNKS = 24


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Rows, and the time of the first of them."""

    part: SavedRows
    first: datetime

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
    """

    def __init__(self, schema: dict[str, pl.DataType]) -> None:
        self._schema = schema
        self.chunks: list[_Chunk] = []
        self._asked = False

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(chunk.part.height for chunk in self.chunks)

    def add(self, part: SavedRows) -> None:
        """Keep rows."""
        if part.height:
            self.chunks.append(_Chunk.of(part))

    def of(self, keys: pl.DataFrame, on: Sequence[str] = _KEY) -> pl.DataFrame:
        """Rows with these keys."""
        self._asked = True
        found = [chunk.part.rows.join(keys, on=on, how="semi") for chunk in self.chunks]
        return pl.concat([pl.DataFrame(schema=self._schema), *found])

    def tidy(self) -> None:
        """The smaller half becomes one, where there are many: a row is serialised again only a few times."""
        if len(self.chunks) > _MOST_CHUNKS:
            self.chunks.sort(key=lambda chunk: -chunk.part.height)
            half = _MOST_CHUNKS // 2
            self.chunks[half:] = [_Chunk.together(self.chunks[half:])]

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
                    continue
            kept.append(chunk)
        self.chunks = kept

    def snapshot(self) -> list[bytes]:
        """Arrow IPC bytes."""
        saved = [chunk.part.bytes() for chunk in self.chunks]
        if not self._asked:
            self._rest()
        self._asked = False
        return saved

    def _rest(self) -> None:
        for chunk in self.chunks:
            chunk.part.rest()

    def restore(self, state: Sequence[bytes]) -> None:
        """Go on from a snapshot."""
        self.chunks = []
        for data in state:
            self.add(SavedRows(from_bytes(data, self._schema), data))
            self._rest()


__all__ = ["KeptRows"]
