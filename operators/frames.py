"""Frames to bytes and back, for snapshots: Arrow IPC, readable by any later release."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Literal

import polars as pl
import pyarrow as pa

from schemas.vectors import INLINE

#: Level 1 of zstd takes two thirds of the time of Polars' own level 3 here, and makes no more bytes.
_DENSE = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=1))


def to_bytes(frame: pl.DataFrame, compression: Literal["lz4", "zstd"] = "lz4") -> bytes:
    """Arrow IPC stream of a frame; compressed, since writing the recovery store costs more than compressing.

    Args:
        frame: Rows.
        compression: `zstd` makes a third of the bytes of `lz4`, for what is written again and again.
    """
    sink = io.BytesIO()
    if compression == "lz4":
        frame.write_ipc_stream(sink, compression=compression, compat_level=pl.CompatLevel.newest())
        return sink.getvalue()
    table = pa.Table.from_arrays([_dense(column) for column in frame.get_columns()], names=frame.columns)
    with pa.ipc.new_stream(sink, table.schema, options=_DENSE) as stream:
        stream.write_table(table)
    return sink.getvalue()


def _dense(column: pl.Series) -> pa.Array:
    """Short text as views, which hold it; of longer text the bytes of these rows alone.

    Views of longer text say where in the text of a whole batch it stands, which all of its rows share, those of other
    shards too: with four shards that were twice the bytes and three times the time.
    """
    is_long = column.dtype == pl.String and column.str.len_bytes().sum() > INLINE * len(column)
    return column.to_arrow(compat_level=pl.CompatLevel.oldest() if is_long else pl.CompatLevel.newest())


def own_text(name: str) -> pl.Expr:
    """Text as a copy: else a few rows that are kept keep the text of all that they were chosen from, or read with."""
    return pl.concat_str(pl.col(name), pl.lit(""))


def from_bytes(data: bytes, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The frame of a snapshot with today's columns: those it did not have yet are null."""
    frame = pl.read_ipc_stream(io.BytesIO(data))
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in schema.items()
    )


#: Length of the plain bytes, and the bytes compressed.
Packed = tuple[int, bytes]


def packed(data: bytes) -> Packed:
    """Compressed bytes for a snapshot."""
    return len(data), pa.compress(data, codec="lz4_raw", asbytes=True)


def unpacked(data: Packed) -> bytes:
    """What `packed` was given."""
    size, compressed = data
    return bytes(pa.decompress(compressed, decompressed_size=size, codec="lz4_raw", asbytes=True))
