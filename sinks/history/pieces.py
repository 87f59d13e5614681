"""Parquet files of the history a row group at a time, so that memory does not grow with them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import zip_longest
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from millrace.errors import Misconfigured
from sinks.history.places import Place
from sinks.history.sorted_rows import frame_of
from sinks.history.store import arrow_source

_COMPARED_ROWS = 100_000
_WRITTEN = pl.CompatLevel.oldest()


def columns_in(path: Place) -> list[str]:
    """Names of the columns of a file.

    Raises:
        Misconfigured: It is no readable Parquet.
    """
    try:
        return list(pq.read_schema(**arrow_source(path)).names)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


def stored(path: Place, columns: Collection[str] | None = None) -> Iterator[pl.DataFrame]:
    """Rows of a file, a row group at a time; of some columns where they are named.

    Raises:
        Misconfigured: It is no readable Parquet.
    """
    source = arrow_source(path)
    wanted = None if columns is None else list(columns)
    try:
        with pq.ParquetFile(source["where"], filesystem=source["filesystem"]) as opened:
            for number in range(opened.num_row_groups):
                yield frame_of(opened.read_row_group(number, columns=wanted))
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


def write_like(target: Path, source: Path, frames: Iterator[pl.DataFrame]) -> None:
    """Write rows of the columns of another file, with what its footer says; each frame is a row group."""
    with pq.ParquetFile(source) as opened:
        schema, known = opened.schema_arrow, opened.metadata.metadata or {}
    said = {key: value for key, value in known.items() if not key.startswith(b"ARROW")}
    with pq.ParquetWriter(target, schema.with_metadata(said), compression="zstd", compression_level=1) as writer:
        for frame in frames:
            writer.write_table(frame.to_arrow(compat_level=_WRITTEN).cast(schema), row_group_size=frame.height)


def cut(frames: Iterator[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """The same rows in frames of so many each, whatever the frames' sizes; the last has the rest, none none."""
    rest: pl.DataFrame | None = None
    for frame in frames:
        rest = frame if rest is None else pl.concat([rest, frame])
        while rest.height >= rows:
            yield rest.head(rows)
            rest = rest.slice(rows)
    if rest is not None and rest.height:
        yield rest


def same_rows(one: Iterator[pl.DataFrame], other: Iterator[pl.DataFrame]) -> bool:
    """Whether both have the same rows in the same order, in frames of whatever sizes."""
    pairs = zip_longest(cut(one, _COMPARED_ROWS), cut(other, _COMPARED_ROWS))
    return all(left is not None and right is not None and left.equals(right) for left, right in pairs)


def _unreadable(path: Place, error: BaseException) -> Misconfigured:
    return Misconfigured(f"{path}: is no readable Parquet: {error}")


__all__ = ["columns_in", "cut", "same_rows", "stored", "write_like"]
