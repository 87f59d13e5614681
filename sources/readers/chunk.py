"""What a reader gives: a bounded number of rows as texts, and where to go on."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from schemas.mapping import RowReject


@dataclass(slots=True)
class Chunk:
    """Some rows of one file, in order.

    Args:
        rows: Text columns, `_line` (Int64) and, for text formats, `_raw`: the row as read.
        next_row: Line (or row) at which reading goes on; a reader that starts there repeats and skips
            nothing.
        torn: Rows that could not be read.
    """

    rows: pl.DataFrame
    next_row: int
    torn: list[RowReject] = field(default_factory=list)
