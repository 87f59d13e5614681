"""A plant-day of many row groups, and what is held of it at a time."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sinks.history import day_file, sorted_rows
from sinks.history.compact import compact, only_one
from sinks.history.manifest import write_manifest

EVERY = 10**9


class Held:
    """Rows of the frames and Arrow tables that are alive, from files and what is made of them; and Arrow's bytes.

    Args:
        patch: Puts the hooks in place.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        gc.collect()
        self.rows = self.most_rows = self.seen = 0
        self._before = pa.total_allocated_bytes()
        self.most_bytes = 0
        for name in ("read_row_group", "read"):
            patch.setattr(pq.ParquetFile, name, self._told(getattr(pq.ParquetFile, name)))
        patch.setattr("sinks.history.pieces.frame_of", self._told(sorted_rows.frame_of))
        patch.setattr(pl, "read_parquet", self._told(pl.read_parquet))
        patch.setattr(pl.DataFrame, "with_columns", self._told(pl.DataFrame.with_columns))

    def _told(self, make: Any) -> Any:
        def made(*args: Any, **options: Any) -> Any:
            return self._watch(make(*args, **options))

        return made

    def _watch(self, made: Any) -> Any:
        self.seen += 1
        self.rows += len(made)
        self.most_rows = max(self.most_rows, self.rows)
        self.look()
        weakref.finalize(made, self._gone, len(made))
        return made

    def look(self) -> None:
        """Take note of what Arrow has allocated, whoever holds it."""
        self.most_bytes = max(self.most_bytes, pa.total_allocated_bytes() - self._before)

    def _gone(self, rows: int) -> None:
        self.rows -= rows


def a_day(root: Path, topic: str, patch: pytest.MonkeyPatch, group: int) -> Path:
    """Compact what is there into row groups of so many rows; returns the day's file."""
    patch.setattr(day_file, "ROW_GROUP", group)
    with only_one(root):
        compact(root, topic, date(2026, 4, 1), lambda _: EVERY)
        write_manifest(root, topic, None)
    (path,) = root.glob(f"_days/{topic}/plant=*/date=*/day.parquet")
    return path


def groups(path: Path) -> Iterator[int]:
    """Rows of each row group."""
    meta = pq.read_metadata(path)
    return (meta.row_group(number).num_rows for number in range(meta.num_row_groups))
