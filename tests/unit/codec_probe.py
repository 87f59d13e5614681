"""A record with a field of each kind, its bytes, and a codec that reads it."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np

from millrace.errors import Retriable
from schemas import wire
from schemas.batch import DecodedBatch, Header, RawBatch
from schemas.codec import Codec
from schemas.contracts import Schema, from_schema
from schemas.registry import UnknownSchema, schema_guid

DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 6}
PROBE: Schema = {
    "type": "record",
    "name": "Probe",
    "topic": "probe",
    "key": "text",
    "owner": "test",
    "tier": 3,
    "compacted": False,
    "fields": [
        {"name": "text", "type": "string"},
        {"name": "count", "type": "int"},
        {"name": "total", "type": ["null", "long"]},
        {"name": "flag", "type": "boolean"},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
        {"name": "amount", "type": DECIMAL},
        {"name": "share", "type": ["null", DECIMAL]},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "raw", "type": "bytes"},
    ],
}
GOOD = {
    "text": b"\x04ok",
    "count": b"\x02",
    "total": b"\x02\x04",
    "flag": b"\x01",
    "kind": b"\x02",
    "amount": b"\x02\x05",
    "share": b"\x00",
    "day": b"\x02",
    "at": b"\x02",
    "raw": b"\x02\xff",
}
VALUES = {
    "text": "ok",
    "count": 1,
    "total": 2,
    "flag": True,
    "kind": "B",
    "amount": Decimal("0.000005"),
    "share": None,
    "day": date(1970, 1, 2),
    "at": datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    "raw": b"\xff",
}


def number(value: int) -> bytes:
    """A whole number as Avro writes it."""
    value = (value << 1) ^ (value >> 63)
    octets = b""
    while value > 0x7F:
        octets, value = octets + bytes([value & 0x7F | 0x80]), value >> 7
    return octets + bytes([value])


def batch(values: list[bytes | None], headers: dict[int, list[Header]] | None = None) -> RawBatch:
    """One poll of the probe's topic."""
    zeros = np.zeros(len(values), np.int64)
    ask = None if headers is None else headers.get
    return RawBatch("probe", values, zeros.astype(np.int32), zeros, zeros, ask)


class Schemas:
    """Schemas under ids 1, 2 ... and their GUIDs; `down` makes it an outage."""

    def __init__(self, *known: Schema) -> None:
        self.known: dict[int | UUID, Schema] = dict(enumerate(known, 1))
        self.known.update({schema_guid(each): each for each in known})
        self.down = False

    def schema(self, key: int | UUID) -> Schema:
        if self.down:
            raise Retriable("down")
        if key not in self.known:
            raise UnknownSchema(key)
        return self.known[key]

    def id_for(self, subject: str, schema: Schema) -> int:
        del subject
        return next(key for key, each in self.known.items() if each == schema and isinstance(key, int))


def probe(in_batches: bool, *writers: Schema, **options: Any) -> Codec:
    """A codec of PROBE that knows PROBE as schema 1 and other writers from 2 on."""
    return Codec(from_schema(PROBE), Schemas(PROBE, *writers), in_batches=in_batches, **options)


def body(**fields: bytes) -> bytes:
    """GOOD as one record's bytes, with some fields replaced."""
    return b"".join({**GOOD, **fields}.values())


def between_good(codec: Codec, value: bytes) -> DecodedBatch:
    """A value decoded as the second of three, the others good."""
    good = wire.prefix(1) + body()
    return codec.decode(batch([good, value, good]))


def changed(**types: Any) -> Schema:
    """The probe's schema as another writer has it; None drops a field."""
    schema = copy.deepcopy(PROBE)
    schema["fields"] = [
        {**field, "type": types.get(field["name"], field["type"])}
        for field in schema["fields"]
        if types.get(field["name"], "") is not None
    ]
    return schema
