"""Typed columns as the texts that a mapping reads: exact digits, ISO 8601 times, dotted inner names."""

from __future__ import annotations

import json

import polars as pl


def as_texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Every column as text; structs are unnested, lists become JSON."""
    while structs := [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Struct)]:
        frame = frame.unnest(structs, separator=".")
    return frame.select(_text(frame[name]) for name in frame.columns)


def _text(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime):
        mark = "Z" if dtype.time_zone is not None else ""
        utc = column.dt.convert_time_zone("UTC") if dtype.time_zone is not None else column
        return utc.dt.cast_time_unit("us").dt.strftime(f"%Y-%m-%dT%H:%M:%S%.6f{mark}")
    if dtype == pl.Binary:
        decoded = [None if value is None else value.decode(errors="backslashreplace") for value in column.to_list()]
        return pl.Series(column.name, decoded, dtype=pl.String)
    if dtype.is_nested() or dtype == pl.Object:
        texts = [None if value is None else json.dumps(value, default=str) for value in column.to_list()]
        return pl.Series(column.name, texts, dtype=pl.String)
    return column.cast(pl.String)
