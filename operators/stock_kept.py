"""Movements that are kept in chunks, so that a snapshot serialises what is new and a look-up reads few frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from operators.frames import from_bytes
from operators.saved_rows import SavedRows
from operators.stock import STOCK_KEY

_KEY = list(STOCK_KEY)
#: Chunks are joined when there are more.
_MOST_CHUNKS = 24


class KeptRows:
    """Rows of movements of one shape.

    Args:
        schema: Their columns, STOCK_KEY and `time` among them.
    """

    def __init__(self, schema: dict[str, pl.DataType]) -> None:
        self._schema = schema
        self.chunks: list[SavedRows] = []

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(chunk.rows.height for chunk in self.chunks)

    def add(self, part: SavedRows) -> None:
        """Keep rows."""
        if part.rows.height:
            self.chunks.append(part)

    def of(self, keys: pl.DataFrame, on: Sequence[str] = _KEY) -> pl.DataFrame:
        """Rows with these keys."""
        found = [chunk.rows.join(keys, on=on, how="semi") for chunk in self.chunks]
        return pl.concat([pl.DataFrame(schema=self._schema), *found])

    def tidy(self) -> None:
        """The smaller half becomes one, where there are many: a row is serialised again only a few times."""
        if len(self.chunks) > _MOST_CHUNKS:
            self.chunks.sort(key=lambda chunk: -chunk.rows.height)
            half = _MOST_CHUNKS // 2
            self.chunks[half:] = [SavedRows.together(self.chunks[half:])]

    def prune(self, may_leave: pl.Expr, staying: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        """Let go of rows.

        Args:
            may_leave: A chunk without such a row stays as it is.
            staying: What stays of a chunk's rows.
        """
        kept = []
        for chunk in self.chunks:
            rows = chunk.rows
            if rows.select(may_leave.any()).item():
                rows = staying(rows)
            kept.append(SavedRows(rows) if rows.height < chunk.rows.height else chunk)
        self.chunks = [chunk for chunk in kept if chunk.rows.height]

    def snapshot(self) -> list[bytes]:
        """Arrow IPC bytes."""
        return [chunk.bytes() for chunk in self.chunks]

    def restore(self, state: Sequence[bytes]) -> None:
        """Go on from a snapshot."""
        self.chunks = [SavedRows(from_bytes(data, self._schema), data) for data in state]


__all__ = ["KeptRows"]
