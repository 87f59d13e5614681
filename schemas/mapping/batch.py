"""What a mapping makes of a batch of foreign rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

#: Plain, picklable values that a mapping carries from batch to batch: dicts, lists, texts and integers only.
State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RowReject:
    """A row that cannot become what the mapping asks for.

    Args:
        line: Line of the file where the row starts (from 1), row of a Parquet or Avro file, or offset in a
            partition.
        field: Field of the contract or column at fault; empty where the whole row is.
        reason: Machine-readable reason, one of `schemas.mapping.reasons.SENTENCES`.
        detail: One sentence that names the field.
        raw: The row as read.
    """

    line: int
    field: str
    reason: str
    detail: str
    raw: bytes


@dataclass(slots=True)
class MappedBatch:
    """Records and rejects of a batch; `read == mapped + rejected + filtered` always holds.

    A row is taken whole or not at all: if one of its records cannot be made, none is. Rows that wait in
    `state` to be joined with later ones are counted by the batch in which they end.

    Args:
        frames: By contract, exactly the contract's columns and `_line`, in order of lines. Contracts
            without rows are left out.
        rejects: One per rejected row, in order of lines.
        read: Rows that ended in this batch.
        mapped: Rows that made at least one record.
        filtered: Rows left out on purpose: by the filter, as ignored keys or unmatched rows, or because
            they only carry context.
        state: What the next batch of the same file or partition needs.
    """

    frames: dict[str, pl.DataFrame] = field(default_factory=dict)
    rejects: list[RowReject] = field(default_factory=list)
    read: int = 0
    mapped: int = 0
    filtered: int = 0
    state: State = field(default_factory=dict)

    @property
    def rejected(self) -> int:
        """Rows rejected."""
        return len(self.rejects)
