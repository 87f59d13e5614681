"""Foreign JSON as text rows: numbers keep the digits that were written, inner objects get dotted names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import polars as pl

from schemas.mapping.batch import RowReject
from schemas.mapping.columns import possible_columns
from schemas.mapping.formats import JsonLines
from schemas.mapping.model import Mapping

_LARGEST = 1 << 20


@dataclass(slots=True)
class JsonRows:
    """Records as rows.

    Args:
        rows: Text columns that the mapping may need, `_line`, and `_raw` as bytes.
        rejects: Records that are no JSON object, or hold what a text column cannot.
    """

    rows: pl.DataFrame
    rejects: list[RowReject] = field(default_factory=list)


def read_json(values: Sequence[bytes | str | None], lines: Sequence[int], mapping: Mapping) -> JsonRows:
    """Read JSON records.

    Args:
        values: One record each; None (a tombstone) is rejected.
        lines: Line or offset of each record.
        mapping: Says which names matter and whether a list of items is spread over rows.
    """
    wanted = possible_columns(mapping)
    items = mapping.format.items if isinstance(mapping.format, JsonLines) else None
    columns: dict[str, list[str | None]] = {name: [] for name in wanted}
    kept, raws, rejects = [], [], []
    for value, line in zip(values, lines, strict=True):
        raw = value.encode(errors="replace") if isinstance(value, str) else value or b""
        try:
            for flat in _objects(raw, items):
                cells = [_text(flat.get(name)) for name in wanted]
                for name, cell in zip(wanted, cells, strict=True):
                    columns[name].append(cell)
                kept.append(line)
                raws.append(raw)
        except _Unreadable as error:
            rejects.append(RowReject(line, "", error.reason, str(error), raw[:_LARGEST]))
    series = [pl.Series(name, cells, dtype=pl.String) for name, cells in columns.items()]
    frame = pl.DataFrame([*series, pl.Series("_line", kept, dtype=pl.Int64), pl.Series("_raw", raws, dtype=pl.Binary)])
    return JsonRows(frame, rejects)


class _Unreadable(Exception):
    """A record that cannot become a row."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def _refuse_constant(name: str) -> NoReturn:
    raise _Unreadable("not_an_object", f"the record holds {name}, which is no JSON")


_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refuse_constant)


def _objects(raw: bytes, items: str | None) -> list[dict[str, Any]]:
    """The record as flat objects: one, or one per item."""
    if len(raw) > _LARGEST:
        raise _Unreadable("too_long", f"the record is longer than {_LARGEST} bytes")
    try:
        record = _DECODER.decode(raw.decode())
    except UnicodeDecodeError:
        raise _Unreadable("encoding", "the record is not utf-8") from None
    except (ValueError, RecursionError) as error:
        raise _Unreadable("not_an_object", f"the record is no JSON: {error}") from None
    if not isinstance(record, dict):
        raise _Unreadable("not_an_object", "the record is JSON but no object")
    risky = b"\\u" in raw
    flats = _spread(record, items) if items is not None else [dict(_flat(record, ""))]
    if risky:
        _refuse_what_text_cannot_hold(flats)
    return flats


def _spread(record: dict[str, Any], items: str) -> list[dict[str, Any]]:
    """One flat object per item, each with the names of the record around it."""
    around = dict(_flat(record, ""))
    found = around.pop(items, None)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found) or not found:
        raise _Unreadable("not_an_object", f"the record has no list of objects '{items}'")
    return [around | dict(_flat(item, f"{items}.")) for item in found]


def _flat(record: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)


def _refuse_what_text_cannot_hold(flats: list[dict[str, Any]]) -> None:
    """Escapes can write half a surrogate pair or a NUL, which no column and no database takes."""
    text = "".join(_text(value) or "" for flat in flats for value in flat.values())
    if "\0" in text or "\\u0000" in text:
        raise _Unreadable("control_character", "the record holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Unreadable("encoding", "the record holds half a surrogate pair") from None
