"""Frames to bytes and back, for snapshots: Arrow IPC, readable by any later release."""

from __future__ import annotations

import io
from collections.abc import Mapping

import polars as pl


def to_bytes(frame: pl.DataFrame) -> bytes:
    """Arrow IPC stream of a frame."""
    sink = io.BytesIO()
    frame.write_ipc_stream(sink, compat_level=pl.CompatLevel.newest())
    return sink.getvalue()


def from_bytes(data: bytes, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The frame of a snapshot with today's columns: those it did not have yet are null."""
    frame = pl.read_ipc_stream(io.BytesIO(data))
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in schema.items()
    )
