"""Parquet files: foreign columns as texts, or frames of our own contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from millrace.errors import Misconfigured
from sources.readers.cells import as_texts
from sources.readers.chunk import Chunk


def read_parquet(path: Path, max_rows: int, size: int, start: int = 1) -> Iterator[Chunk]:
    """Rows of a foreign Parquet file as texts; `_line` is the row from 1.

    Raises:
        Misconfigured: The file is no Parquet, or has more rows than `max_rows`.
    """
    for first, frame in read_frames(path, max_rows, size, start):
        lines = pl.Series("_line", range(first, first + frame.height), dtype=pl.Int64)
        yield Chunk(as_texts(frame).with_columns(lines), first + frame.height)


def read_frames(
    path: Path, max_rows: int, size: int, start: int = 1, columns: list[str] | None = None
) -> Iterator[tuple[int, pl.DataFrame]]:
    """Typed frames of a Parquet file with the row, from 1, at which each begins.

    The rows are counted before any is read: a file of 137 kB can hold 30 million.
    """
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            if file.metadata.num_rows > max_rows:
                raise Misconfigured(f"{path}: has {file.metadata.num_rows} rows, more than max_rows {max_rows}")
            present = None if columns is None else [c for c in columns if c in file.schema_arrow.names]
            first = 1
            for batch in file.iter_batches(batch_size=size, columns=present):
                if first + batch.num_rows > start:
                    skipped = max(start - first, 0)
                    yield first + skipped, _frame(batch).slice(skipped)
                first += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise Misconfigured(f"{path}: is no readable Parquet file: {error}") from error


def _frame(batch: pa.RecordBatch) -> pl.DataFrame:
    frame = pl.from_arrow(batch)
    return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()
