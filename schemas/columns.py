"""From what a scan found to Polars columns, without touching single values."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from schemas.found import AnyFound, Found, FoundList, FoundRecord
from schemas.types import instance
from schemas.vectors import INLINE, Flags, Ints, Page, either, flagged, views

_NEWEST = pl.CompatLevel.newest()


def column(page: Page, name: str, found: AnyFound, dtype: pl.DataType, rows: int) -> tuple[pl.Series, Flags | None]:
    """Column of a field, and the records whose text is no UTF-8."""
    if isinstance(found, FoundList):
        return _list(page, name, found, dtype)
    if isinstance(found, FoundRecord):
        return _struct(page, name, found, dtype, rows)
    if found.values is None:
        return nothing(name, dtype, rows), None
    if found.length is not None:
        return _slices(page, name, found, found.values, found.length)
    return _numbers(name, found, found.values, dtype), None


def constant(name: str, value: Any, dtype: pl.DataType, rows: int) -> pl.Series:
    """A column of one value, as for a field that the writer lacks."""
    if value is None:
        return nothing(name, dtype, rows)
    return pl.Series(name, [value], dtype=dtype).new_from_index(0, rows)


def nothing(name: str, dtype: pl.DataType, rows: int) -> pl.Series:
    """A column of nulls; slices of a shared one, since most optional fields of a batch are empty."""
    return _nulls(dtype, max(1 << (rows - 1).bit_length(), 1 << 14)).head(rows).alias(name)


@cache
def _nulls(dtype: pl.DataType, rows: int) -> pl.Series:
    return pl.Series([None], dtype=dtype).new_from_index(0, rows)


def _list(page: Page, name: str, found: FoundList, dtype: pl.DataType) -> tuple[pl.Series, Flags | None]:
    rows = len(found.counts)
    if found.items is None and found.valid is None:
        return constant(name, [], dtype, rows), None
    inner = _inner(dtype)
    total = int(found.counts.sum())
    items, bad = (nothing("", inner, 0), None) if found.items is None else column(page, "", found.items, inner, total)
    offsets = np.zeros(rows + 1, np.int64)
    np.cumsum(found.counts, out=offsets[1:])
    if bad is not None:
        return nothing(name, dtype, rows), np.bincount(
            np.repeat(np.arange(rows), found.counts)[bad], minlength=rows
        ) > 0
    missing = None if found.valid is None else pa.array(~found.valid)
    lists = pa.LargeListArray.from_arrays(pa.array(offsets), items.to_arrow(compat_level=_NEWEST), mask=missing)
    return pl.Series(name, lists).cast(dtype), None


def _struct(page: Page, name: str, found: FoundRecord, dtype: pl.DataType, rows: int) -> tuple[pl.Series, Flags | None]:
    bad: Flags | None = None
    series = []
    for field, inner in _fields(dtype).items():
        if field not in found.fields:
            series.append(constant(field, found.defaults[field], inner, rows))
            continue
        each, wrong = column(page, field, found.fields[field], inner, rows)
        series.append(each)
        bad = either(bad, wrong)
    return pl.DataFrame(series).to_struct(name), bad


def _inner(dtype: pl.DataType) -> pl.DataType:
    if not isinstance(dtype, pl.List):
        raise TypeError(f"{dtype} for an array")
    return instance(dtype.inner)


def _fields(dtype: pl.DataType) -> dict[str, pl.DataType]:
    if not isinstance(dtype, pl.Struct):
        raise TypeError(f"{dtype} for a record")
    return {field.name: instance(field.dtype) for field in dtype.fields}


def _slices(page: Page, name: str, found: Found, begin: Ints, length: Ints) -> tuple[pl.Series, Flags | None]:
    pairs, is_ascii = views(page, begin, length)
    trusted = found.is_text and is_ascii
    dtype = pa.string_view() if trusted else pa.binary_view()
    # Short ones stand in their views: a few rows that are kept for hours shall not keep the batch that they came with.
    page_of = [pa.py_buffer(page.data)] if length.max(initial=0) > INLINE else []
    buffers = [_bits(found.valid), pa.py_buffer(pairs), *page_of]
    series = pl.Series(name, pa.Array.from_buffers(dtype, len(begin), buffers))
    return (series, None) if trusted or not found.is_text else _text(series)


def _text(series: pl.Series) -> tuple[pl.Series, Flags | None]:
    """Polars checks UTF-8 where it casts; values are looked at singly only when it refuses some."""
    try:
        return series.cast(pl.String), None
    except pl.exceptions.ComputeError:
        return series, flagged(np.array([value is not None and not _is_utf8(value) for value in series]))


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _numbers(name: str, found: Found, values: Ints, dtype: pl.DataType) -> pl.Series:
    if isinstance(dtype, pl.Enum):
        return _enum(name, found, values, dtype)
    if isinstance(dtype, pl.Decimal):
        wide = np.empty((len(values), 2), np.int64)
        wide[:, 0] = values
        np.right_shift(values, 63, out=wide[:, 1])
        return _fixed_width(name, pa.decimal128(dtype.precision or 38, dtype.scale), wide, found.valid)
    if isinstance(dtype, pl.Datetime):
        return _fixed_width(name, pa.timestamp(dtype.time_unit, dtype.time_zone), values, found.valid)
    if isinstance(dtype, pl.Boolean):
        bits = np.packbits(values != 0, bitorder="little")
        return _fixed_width(name, pa.bool_(), bits, found.valid, len(values))
    if isinstance(dtype, pl.Int64):
        return _fixed_width(name, pa.int64(), values, found.valid)
    narrow = pa.date32() if isinstance(dtype, pl.Date) else pa.int32()
    return _fixed_width(name, narrow, values.astype(np.int32), found.valid)


def _enum(name: str, found: Found, values: Ints, dtype: pl.Enum) -> pl.Series:
    """The writer's numbering of symbols becomes the reader's; a look-up is eight times faster than a cast."""
    symbols = [symbol if symbol is not None else dtype.categories[0] for symbol in found.symbols]
    indices = _fixed_width(name, pa.uint32(), values.astype(np.uint32), found.valid)
    return pl.Series(name, symbols, dtype=dtype)[indices].alias(name)


def _fixed_width(
    name: str, dtype: pa.DataType, values: npt.NDArray[Any], valid: Flags | None, rows: int | None = None
) -> pl.Series:
    buffers = [_bits(valid), pa.py_buffer(values)]
    return pl.Series(name, pa.Array.from_buffers(dtype, len(values) if rows is None else rows, buffers))


def _bits(valid: Flags | None) -> pa.Buffer | None:
    return None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
