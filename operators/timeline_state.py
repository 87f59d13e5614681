"""Frames of a snapshot as bytes: Arrow IPC, readable by every later version of the libraries."""

from __future__ import annotations

from io import BytesIO

import polars as pl


def pack(frame: pl.DataFrame) -> bytes:
    """A frame as an Arrow IPC stream, compressed."""
    buffer = BytesIO()
    frame.write_ipc_stream(buffer, compression="lz4")
    return buffer.getvalue()


def unpack(data: bytes) -> pl.DataFrame:
    """What `pack` made."""
    return pl.read_ipc_stream(BytesIO(data))
