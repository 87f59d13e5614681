"""Avro containers: foreign records as texts, or records of our own contract."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import fastavro
import polars as pl

from millrace.errors import Misconfigured
from schemas.mapping import RowReject
from sources.readers.cells import as_texts
from sources.readers.chunk import Chunk

Record = dict[str, Any]
#: What fastavro raises on damaged bytes.
DAMAGE = (
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    StopIteration,
    TypeError,
    ValueError,
    OSError,
    MemoryError,
)


def read_avro(path: Path, max_rows: int, size: int, start: int = 1) -> Iterator[Chunk]:
    """Records of a foreign Avro container as texts; `_line` is the record from 1.

    Raises:
        Misconfigured: The file is no Avro container, its schema is unsafe, or it has more records than
            `max_rows`.
    """
    for first, records, torn in read_records(path, max_rows, size, start):
        flat = [_flat(record) for record in records]
        names = list(dict.fromkeys(name for each in flat for name in each))
        columns = [pl.Series(name, [each.get(name) for each in flat], dtype=pl.String) for name in names]
        lines = pl.Series("_line", range(first, first + len(records)), dtype=pl.Int64)
        yield Chunk(as_texts(pl.DataFrame(columns)).with_columns(lines), first + len(records) + len(torn), torn)


def read_records(
    path: Path, max_rows: int, size: int, start: int = 1, schema: Record | None = None
) -> Iterator[tuple[int, list[Record], list[RowReject]]]:
    """Records, `size` at a time, with the number of the first; damage ends the file with one reject."""
    with path.open("rb") as stream:
        try:
            reader = fastavro.reader(stream, schema)
            _refuse_unsafe(reader.writer_schema, ())
        except (*DAMAGE, fastavro.schema.SchemaParseException) as error:
            raise Misconfigured(f"{path}: is no readable Avro container: {error!r}") from error
        first = 1
        torn: list[RowReject] = []
        records: Iterator[Record] = iter(reader)  # type: ignore[arg-type]  # containers of records only
        while not torn:
            batch, torn = _some(records, size, first)
            if first + len(batch) - 1 > max_rows:
                raise Misconfigured(f"{path}: has more records than max_rows {max_rows}")
            if first + len(batch) + len(torn) > start:
                skipped = max(start - first, 0)
                yield first + skipped, batch[skipped:], torn
            first += len(batch)
            if len(batch) < size:
                return


def _some(records: Iterator[Record], size: int, first: int) -> tuple[list[Record], list[RowReject]]:
    batch: list[Record] = []
    try:
        batch.extend(islice(records, size))
    except DAMAGE as error:
        why = f"the container cannot be read beyond this record: {error!r}"
        return batch, [RowReject(first + len(batch), "", "torn", why, b"")]
    return batch, []


def _refuse_unsafe(schema: Any, around: tuple[str, ...]) -> None:
    """Refuse schemas that crash or swell the reader: recursion, and lists of items without a byte."""
    if isinstance(schema, list):
        for branch in schema:
            _refuse_unsafe(branch, around)
    elif isinstance(schema, str):
        if schema in around:
            raise ValueError(f"the schema contains itself: {schema}")
    elif isinstance(schema, dict):
        if schema["type"] in {"array", "map"}:
            items = schema.get("items", schema.get("values"))
            if items == "null" or (isinstance(items, dict) and items.get("size") == 0):
                raise ValueError("the schema has a list of items without a byte")
            _refuse_unsafe(items, around)
        for field in schema.get("fields", []):
            _refuse_unsafe(field["type"], (*around, schema["name"]))


def _flat(record: Record, prefix: str = "") -> dict[str, str | None]:
    out: dict[str, str | None] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            out |= _flat(value, f"{prefix}{name}.")
        else:
            out[f"{prefix}{name}"] = _text(value)
    return out


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if hasattr(value, "isoformat"):
        return str(value.isoformat()).replace("+00:00", "Z")
    return format(value, "f") if isinstance(value, Decimal) else str(value)
