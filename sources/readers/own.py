"""Files that hold records of one of our contracts already: Parquet, Avro containers, JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl

from millrace.errors import Misconfigured
from schemas.contracts import Contract, contract
from schemas.mapping import MappedBatch, RowReject
from schemas.mapping.contract_shape import contract_fields, frame_schema
from sources.readers import avro, own_json, parquet
from sources.readers.lines import BLANKS, Lines, read_lines

_MAX_ROWS = 1_000_000_000
Batches = Iterator[tuple[MappedBatch, int]]


def read_contract(path: Path, name: str, size: int, start: int = 1) -> Batches:
    """Batches of a contract's records, and the row (or line) at which to go on behind each.

    Args:
        path: Parquet (history), Avro container, or JSON Lines with times as ISO 8601 and quantities as
            numbers or texts.
        name: Name of the contract.
        size: Most rows a batch.
        start: Row to begin with.

    Raises:
        Misconfigured: The file is no such file, lacks a required column, or holds a type that is not the
            contract's.
    """
    with path.open("rb") as stream:
        head = stream.read(4)
    if head == b"PAR1":
        yield from _parquet(path, name, size, start)
    elif head == b"Obj\x01":
        yield from _avro(path, contract(name), size, start)
    else:
        yield from _json_lines(path, contract(name), size, start)


def _parquet(path: Path, name: str, size: int, start: int) -> Batches:
    fields = contract_fields(name)
    folders = _partitions(path)
    for first, frame in parquet.read_frames(path, _MAX_ROWS, size, start, list(fields)):
        absent = []
        for field in fields.values():
            if field.name in frame.columns:
                _refuse_other_type(path, field.name, frame.schema[field.name], field.dtype)
            elif field.kind == "text" and field.name in folders:
                absent.append(pl.lit(folders[field.name]).alias(field.name))
            elif not field.nullable:
                raise Misconfigured(f"{path}: has no column '{field.name}', which {name} requires")
            else:
                absent.append(pl.lit(None, dtype=field.dtype).alias(field.name))
        lines = pl.Series("_line", range(first, first + frame.height), dtype=pl.Int64)
        yield _checked(frame.with_columns(*absent, lines), name), first + frame.height


def _partitions(path: Path) -> dict[str, str]:
    """Columns that the history keeps in the names of its folders, such as `plant=1000`."""
    pairs = (part.partition("=") for part in path.parts[:-1])
    return {name: unquote(value) for name, equals, value in pairs if equals}


def _refuse_other_type(path: Path, name: str, found: pl.DataType, wanted: pl.DataType) -> None:
    """Widths may differ, kinds may not: a float is no quantity and a local time is no instant."""
    if found == pl.Null:  # every value is missing, which the rows will show where it matters
        return
    texts = (pl.String, pl.Categorical, pl.Enum)
    same = type(found) is type(wanted) or (isinstance(wanted, texts) and isinstance(found, texts))
    zoned = not isinstance(found, pl.Datetime) or found.time_zone is not None
    if not zoned or not (same or (found.is_integer() and (wanted.is_integer() or wanted.is_decimal()))):
        raise Misconfigured(f"{path}: the column '{name}' is {found}, the contract wants {wanted}")


def _checked(frame: pl.DataFrame, name: str) -> MappedBatch:
    """Bring columns to the contract's exact types; rows that do not fit are rejected."""
    typed = frame.select(pl.col(column).cast(dtype, strict=False) for column, dtype in frame_schema(name).items())
    faults = []
    for field in contract_fields(name).values():
        lost = typed[field.name].is_null() & (frame[field.name].is_not_null() if field.nullable else True)
        if lost.any():
            why = f"{field.name}: is missing or no {field.kind} of the contract"
            faults += [(line, field.name, why) for line in frame.filter(lost)["_line"]]
    first = {line: (column, why) for line, column, why in reversed(faults)}
    rejects = [RowReject(line, column, "contract", why, b"") for line, (column, why) in sorted(first.items())]
    kept = typed.filter(~pl.col("_line").is_in(list(first))) if first else typed
    return _batch(kept, name, rejects)


def _batch(frame: pl.DataFrame, name: str, rejects: list[RowReject]) -> MappedBatch:
    frames = {name: frame} if frame.height else {}
    return MappedBatch(frames, rejects, read=frame.height + len(rejects), mapped=frame.height)


def _avro(path: Path, found: Contract, size: int, start: int) -> Batches:
    for first, records, torn in avro.read_records(path, _MAX_ROWS, size, start, found.schema):
        frame = pl.DataFrame(records, schema=_record_schema(found), strict=False)
        lines = pl.Series("_line", range(first, first + len(records)), dtype=pl.Int64)
        mapped = _checked(frame.with_columns(lines), found.name)
        mapped.rejects += torn
        mapped.read += len(torn)
        yield mapped, first + len(records) + len(torn)


def _json_lines(path: Path, found: Contract, size: int, start: int) -> Batches:
    for lines in read_lines(path, "utf-8", size, start):
        records, numbers, rejects = _records(lines, found)
        frame = pl.DataFrame(records, schema=_record_schema(found)).with_columns(
            pl.Series("_line", numbers, dtype=pl.Int64)
        )
        yield _batch(frame, found.name, sorted(rejects, key=lambda r: r.line)), lines.first + len(lines.texts)


def _records(lines: Lines, found: Contract) -> tuple[list[dict[str, Any]], list[int], list[RowReject]]:
    records, numbers, rejects = [], [], list(lines.torn)
    for line, text in enumerate(lines.texts, start=lines.first):
        if text is None or not text.strip(BLANKS):
            continue
        try:
            record = own_json.record(json.loads(text, parse_float=Decimal), found.schema)
            repr(record).encode()  # half a surrogate pair fits in no column
        except own_json.NotOfContract as error:
            rejects.append(RowReject(line, error.field, "contract", str(error), text.encode()))
        except (ValueError, RecursionError) as error:
            rejects.append(RowReject(line, "", "not_an_object", f"the line is no JSON: {error}", text.encode()))
        else:
            records.append(record)
            numbers.append(line)
    return records, numbers, rejects


def _record_schema(found: Contract) -> dict[str, pl.DataType]:
    return {name: dtype for name, dtype in frame_schema(found.name).items() if name != "_line"}
