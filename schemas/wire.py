"""How a record names the schema it was written with: Confluent's 5-byte prefix, or a record header.

Prefix: byte 0, then the schema id as four bytes, most significant first. Header `__value_schema_id` (newer
serializers; the value is then the bare body): byte 0 and the four-byte id, or byte 1 and the sixteen bytes of
the schema's GUID.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import numpy as np

from schemas.batch import Header
from schemas.records import Records
from schemas.vectors import Ints

#: `prefix`: only the prefix counts. `header`: only the header counts. `auto`: the prefix, and the header for
#: records without a prefix or with one that names no known schema (a bare body may start with a zero byte,
#: too).
Framing = Literal["prefix", "header", "auto"]
SchemaKey = int | UUID

HEADER = "__value_schema_id"
PREFIX_SIZE = 5
_PREFIX = struct.Struct(">bI")
_PREFIX_MASK = np.uint64(0xFFFFFFFFFF)
#: Stands for "no prefix" among the prefixes; its first byte is not zero.
_NO_PREFIX = np.uint64(0xFF)


def prefix(schema_id: int) -> bytes:
    """The five bytes before a body."""
    return _PREFIX.pack(0, schema_id)


def header_key(headers: Sequence[Header] | None) -> SchemaKey | None:
    """Schema id or GUID in the record's headers; None where there is none that can be read."""
    for name, value in headers or ():
        if name == HEADER and value:
            if value[0] == 0 and len(value) == PREFIX_SIZE:
                return int.from_bytes(value[1:], "big")
            if value[0] == 1 and len(value) == 17:
                return UUID(bytes=value[1:])
    return None


def by_prefix(records: Records) -> dict[int | None, Ints]:
    """Indices of the records per schema id in their prefix; None holds those without a prefix."""
    words = records.page.words_at(records.begin) & _PREFIX_MASK
    words[records.end - records.begin < PREFIX_SIZE] = _NO_PREFIX
    if (words == words[0]).all():
        return {_schema_id(int(words[0])): np.arange(len(words))}
    groups: dict[int | None, list[Ints]] = {}
    for word in np.unique(words):
        groups.setdefault(_schema_id(int(word)), []).append(np.flatnonzero(words == word))
    return {key: np.sort(np.concatenate(rows)) for key, rows in groups.items()}


def _schema_id(word: int) -> int | None:
    """Id from the prefix as a little-endian number; None where the first byte is not zero."""
    octets = word.to_bytes(PREFIX_SIZE, "little")
    return None if octets[0] else int.from_bytes(octets[1:], "big")
