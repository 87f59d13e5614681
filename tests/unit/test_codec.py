"""What the codec accepts, rejects and why: each case read in a batch and by itself."""

from __future__ import annotations

import copy
import gc
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
import pytest

from millrace.errors import Misconfigured, Rejected, Retriable
from schemas import records, wire
from schemas.batch import DecodedBatch, Header, RawBatch
from schemas.codec import Codec
from schemas.codec_fast import BatchDecoder
from schemas.contracts import Schema, contract, from_schema
from schemas.plan import resolve
from schemas.registry import FolderSchemas, UnknownSchema, schema_guid
from schemas.samples import sample
from schemas.types import polars_schema

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
MILLION = (10**18).to_bytes(8, "big")


def _number(value: int) -> bytes:
    value = (value << 1) ^ (value >> 63)
    octets = b""
    while value > 0x7F:
        octets, value = octets + bytes([value & 0x7F | 0x80]), value >> 7
    return octets + bytes([value])


def _batch(values: list[bytes | None], headers: dict[int, list[Header]] | None = None) -> RawBatch:
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


@pytest.fixture(params=[True, False], ids=["together", "singly"])
def in_batches(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def _probe(in_batches: bool, *writers: Schema, **options: Any) -> Codec:
    return Codec(from_schema(PROBE), Schemas(PROBE, *writers), in_batches=in_batches, **options)


def _body(**fields: bytes) -> bytes:
    return b"".join({**GOOD, **fields}.values())


def _between_good(codec: Codec, value: bytes) -> DecodedBatch:
    good = wire.prefix(1) + _body()
    return codec.decode(_batch([good, value, good]))


@pytest.mark.parametrize(
    ("field", "octets", "value"),
    [
        ("text", b"\x00", ""),
        ("text", b"\x18" + b"x" * 12, "x" * 12),
        ("text", b"\x1a" + b"y" * 13, "y" * 13),
        ("text", b"\x06" + "€".encode(), "€"),
        ("text", b"\x20" + "ä".encode() * 8, "ä" * 8),
        ("text", _number(70_000) + b"z" * 70_000, "z" * 70_000),
        ("count", _number(2**31 - 1), 2**31 - 1),
        ("count", _number(-(2**31)), -(2**31)),
        ("count", b"\x82\x00", 1),
        ("total", b"\x02" + _number(2**63 - 1), 2**63 - 1),
        ("total", b"\x02" + _number(-(2**63)), -(2**63)),
        ("total", b"\x82\x00\x04", 2),
        ("flag", b"\x00", False),
        ("amount", b"\x00", Decimal("0.000000")),
        ("amount", b"\x10" + (10**18 - 1).to_bytes(8, "big"), Decimal("999999999999.999999")),
        ("amount", b"\x10" + (1 - 10**18).to_bytes(8, "big", signed=True), Decimal("-999999999999.999999")),
        ("amount", b"\x20" + b"\xff" * 16, Decimal("-0.000001")),
        ("share", b"\x02\x02\x80", Decimal("-0.000128")),
        ("day", _number(-719_162), date(1, 1, 1)),
        ("day", _number(2_932_896), date(9999, 12, 31)),
        ("at", _number(253_402_300_799_999_999), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("raw", b"\x00", b""),
    ],
)
def test_a_value_at_its_limit_is_accepted(in_batches: bool, field: str, octets: bytes, value: object) -> None:
    decoded = _between_good(_probe(in_batches), wire.prefix(1) + _body(**{field: octets}))
    assert not decoded.rejects
    assert decoded.rows is None
    assert decoded.frame.to_dicts() == [VALUES, {**VALUES, field: value}, VALUES]


@pytest.mark.parametrize(
    ("field", "octets", "reason"),
    [
        ("text", b"\x01", "decode"),
        ("text", b"\x04\xc3\x28", "bad_utf8"),
        ("text", b"\x06\xed\xa0\x80", "bad_utf8"),
        ("text", b"\x1e" + b"a" * 13 + b"\xff\xff", "bad_utf8"),
        ("text", _number(2**40), "truncated"),
        ("text", _number(2**62) + b"x", "truncated"),
        ("text", _number(-(2**40)), "decode"),
        ("count", _number(2**31), "decode"),
        ("count", b"\x80" * 10 + b"\x00", "decode"),
        ("total", b"\x04\x04", "decode"),
        ("total", b"\x01\x04", "decode"),
        ("total", b"\x02" + b"\xff" * 9 + b"\x03", "decode"),
        ("flag", b"\x02", "decode"),
        ("kind", b"\x04", "bad_enum"),
        ("kind", b"\x01", "bad_enum"),
        ("kind", _number(2**40), "bad_enum"),
        ("amount", b"\x10" + MILLION, "decode"),
        ("amount", b"\x12\x01" + MILLION, "decode"),
        ("share", b"\x02\x10" + MILLION, "decode"),
        ("day", _number(2_932_897), "decode"),
        ("at", _number(253_402_300_800_000_000), "decode"),
        ("at", _number(-62_135_596_800_000_001), "decode"),
        ("raw", b"\x04\xff", "truncated"),
    ],
)
def test_a_bad_value_rejects_its_record_alone_and_names_the_field(
    in_batches: bool, field: str, octets: bytes, reason: str
) -> None:
    decoded = _between_good(_probe(in_batches), wire.prefix(1) + _body(**{field: octets}))
    assert decoded.frame.to_dicts() == [VALUES, VALUES]
    assert decoded.rows is not None
    assert decoded.rows.tolist() == [0, 2]
    assert [(each.row, each.reason) for each in decoded.rejects] == [(1, reason)]
    assert decoded.rejects[0].detail.startswith(field)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "no_prefix"),
        (b"\x00\x00\x00\x00", "no_prefix"),
        (b"\x01\x00\x00\x00\x01" + _body(), "no_prefix"),
        (wire.prefix(9) + _body(), "unknown_schema"),
        (wire.prefix(1), "truncated"),
        (wire.prefix(1) + _body()[:-1], "truncated"),
        (wire.prefix(1) + _body() + b"\x00", "trailing_bytes"),
        (wire.prefix(1) + _body() * 2, "trailing_bytes"),
        (wire.prefix(1) + bytes(records.MAX_RECORD), "oversize"),
        (None, "tombstone"),
    ],
)
def test_a_record_without_a_whole_body_is_rejected(in_batches: bool, value: bytes, reason: str) -> None:
    decoded = _between_good(_probe(in_batches), value)
    assert [(each.row, each.reason) for each in decoded.rejects] == [(1, reason)]
    assert decoded.frame.height == 2


def _changed(**types: Any) -> Schema:
    """The probe's schema as another writer has it; None drops a field."""
    schema = copy.deepcopy(PROBE)
    schema["fields"] = [
        {**field, "type": types.get(field["name"], field["type"])}
        for field in schema["fields"]
        if types.get(field["name"], "") is not None
    ]
    return schema


def test_several_writers_in_one_batch_are_read_in_the_batchs_order(in_batches: bool) -> None:
    reordered = _changed(kind={"type": "enum", "name": "Kind", "symbols": ["B", "C", "A"]}, total="int")
    reordered["fields"].reverse()
    other = b"".join(reversed(list({**GOOD, "kind": b"\x00", "total": b"\x04"}.values())))
    new_symbol = b"".join(reversed(list({**GOOD, "kind": b"\x02", "total": b"\x04"}.values())))
    codec = _probe(in_batches, reordered)
    values: list[bytes | None] = [
        wire.prefix(2) + other,
        wire.prefix(1) + _body(),
        wire.prefix(2) + new_symbol,
    ]
    decoded = codec.decode(_batch([*values, *values[:2]]))
    assert decoded.frame.to_dicts() == [VALUES] * 4
    assert decoded.rows is not None
    assert decoded.rows.tolist() == [0, 1, 3, 4]
    assert [(each.row, each.reason) for each in decoded.rejects] == [(2, "bad_enum")]


def test_fields_that_the_writer_lacks_take_their_defaults(in_batches: bool) -> None:
    reader = copy.deepcopy(PROBE)
    reader["fields"] += [
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "factor", "type": DECIMAL, "default": "\x10"},
        {"name": "labels", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "since", "type": {"type": "int", "logicalType": "date"}, "default": 1},
    ]
    codec = Codec(from_schema(reader), Schemas(PROBE), in_batches=in_batches)
    decoded = codec.decode(_batch([wire.prefix(1) + _body()]))
    added = {"note": None, "factor": Decimal("0.000016"), "labels": [], "since": date(1970, 1, 2)}
    assert decoded.frame.to_dicts() == [{**VALUES, **added}]


@pytest.mark.parametrize(
    ("writer", "named"),
    [
        (_changed(count=None), "count"),
        (_changed(count="string"), "count"),
        (_changed(amount={**DECIMAL, "scale": 3}), "amount"),
        (_changed(at={"type": "long", "logicalType": "timestamp-millis"}), "at"),
        ({**PROBE, "name": "Other"}, "Other"),
        (_changed(share=["null", {"type": "array", "items": "int"}]), ""),
        (_changed(text={"type": "nonsense"}), "text"),
    ],
    ids=[
        "lacks a field",
        "other type",
        "other scale",
        "other instant",
        "other record",
        "null only",
        "no type",
    ],
)
def test_a_writer_that_cannot_mean_the_same_is_refused(in_batches: bool, writer: Schema, named: str) -> None:
    decoded = _probe(in_batches, writer).decode(_batch([wire.prefix(2) + _body(share=b"\x02\x00")]))
    assert [each.reason for each in decoded.rejects] == ["decode"]
    assert named in decoded.rejects[0].detail


def test_a_writers_type_that_contains_itself_is_refused(in_batches: bool) -> None:
    node = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
    writer = copy.deepcopy(PROBE)
    writer["fields"].append({"name": "chain", "type": node})
    decoded = _probe(in_batches, writer).decode(_batch([wire.prefix(2) + _body() + b"\x02" * 50_000 + b"\x00"]))
    assert [each.reason for each in decoded.rejects] == ["decode"]
    assert "contains itself" in decoded.rejects[0].detail


@pytest.mark.parametrize(
    ("items", "octets", "reason"),
    [
        ("int", b"\x04\x02\x02\x00", None),
        ("int", b"\x03\x04\x02\x02\x00", None),
        ("int", _number(2**40) + b"\x00", "truncated"),
        ("null", b"\x04\x00", "decode"),
        ({"type": "record", "name": "Empty", "fields": []}, b"\x02\x00", "decode"),
    ],
)
def test_lists_of_a_foreign_writer_are_passed_and_hostile_counts_refused(
    in_batches: bool, items: object, octets: bytes, reason: str | None
) -> None:
    writer = copy.deepcopy(PROBE)
    writer["fields"].insert(0, {"name": "list", "type": {"type": "array", "items": items}})
    decoded = _probe(in_batches, writer).decode(_batch([wire.prefix(2) + octets + _body()]))
    assert [each.reason for each in decoded.rejects] == ([] if reason is None else [reason])


def test_the_schema_is_found_by_id_or_guid_in_the_header_where_there_is_no_prefix(in_batches: bool) -> None:
    by_id: list[Header] = [("other", b"x"), (wire.HEADER, b"\x00\x00\x00\x00\x01")]
    by_guid: list[Header] = [(wire.HEADER, b"\x01" + schema_guid(PROBE).bytes)]
    bare = _body(text=b"\x00", count=b"\x02")
    values: list[bytes | None] = [wire.prefix(1) + _body(), _body(), _body(), bare, bare]
    decoded = _probe(in_batches).decode(_batch(values, {1: by_id, 2: by_guid, 3: by_guid}))
    assert decoded.frame["text"].to_list() == ["ok", "ok", "ok", ""]
    assert [(each.row, each.reason) for each in decoded.rejects] == [(4, "unknown_schema")]


def test_framing_decides_whether_prefix_or_header_counts(in_batches: bool) -> None:
    headers: dict[int, list[Header]] = {0: [(wire.HEADER, wire.prefix(1))], 1: [(wire.HEADER, b"\x07")]}
    values: list[bytes | None] = [_body(), wire.prefix(1) + _body()]
    header = _probe(in_batches, framing="header").decode(_batch(values, headers))
    prefix = _probe(in_batches, framing="prefix").decode(_batch(values, headers))
    assert [(each.row, each.reason) for each in header.rejects] == [(1, "no_prefix")]
    assert [(each.row, each.reason) for each in prefix.rejects] == [(0, "no_prefix")]


def test_an_outage_of_the_schema_source_is_raised_and_decides_nothing(in_batches: bool) -> None:
    source = Schemas(PROBE)
    source.down = True
    codec = Codec(from_schema(PROBE), source, in_batches=in_batches)
    batch = _batch([wire.prefix(1) + _body(), None])
    with pytest.raises(Retriable):
        codec.decode(batch)
    source.down = False
    assert codec.decode(batch).frame.height == 1
    source.down = True
    assert codec.decode(batch).frame.height == 1


def test_optional_values_stand_where_they_were_written(in_batches: bool) -> None:
    kind = {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}
    day = {"type": "int", "logicalType": "date"}
    optional = _changed(kind=["null", kind], text=["string", "null"], day=["null", day], flag=["null", "boolean"])
    some = _body(text=b"\x00\x04ok", kind=b"\x02\x02", day=b"\x02\x02", flag=b"\x02\x01", share=b"\x02\x02\x05")
    none = _body(text=b"\x02", kind=b"\x00", day=b"\x00", flag=b"\x00", total=b"\x00")
    decoded = Codec(from_schema(optional), Schemas(optional), in_batches=in_batches).decode(
        _batch([wire.prefix(1) + body for body in (none, some, none, some)])
    )
    empty = {**VALUES, "text": None, "kind": None, "day": None, "flag": None, "total": None}
    full = {**VALUES, "share": Decimal("0.000005")}
    assert decoded.frame.to_dicts() == [empty, full, empty, full]


def test_an_empty_batch_has_an_empty_frame_of_the_contracts_types(in_batches: bool) -> None:
    decoded = _probe(in_batches).decode(_batch([]))
    assert decoded.frame.is_empty()
    assert decoded.frame.schema["amount"] == pl.Decimal(18, 6)
    assert decoded.rows is None
    assert not decoded.rejects


def test_a_huge_batch_is_read_in_pages(in_batches: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_PAGE", 100)
    values: list[bytes | None] = [wire.prefix(1) + _body(text=b"\x20" + b"%016d" % each) for each in range(50)]
    values[7] = None
    decoded = _probe(in_batches).decode(_batch(values))
    assert decoded.frame["text"].to_list() == [f"{each:016d}" for each in range(50) if each != 7]
    assert decoded.rows is not None
    assert decoded.rows.tolist() == [each for each in range(50) if each != 7]


def test_detached_rows_do_not_keep_their_batch_in_memory() -> None:
    value = wire.prefix(1) + _body(text=b"\x20" + b"x" * 16)
    verdict = records.Verdict(_batch([value]))
    (laid,) = records.pages([value], verdict)
    plan = resolve(PROBE, PROBE)
    types = polars_schema(from_schema(PROBE))
    frame, _ = BatchDecoder(plan, types, tuple(types)).decode(laid.page, laid.begin + wire.PREFIX_SIZE, laid.end)
    filtered, kept = frame.filter(pl.col("flag")), records.detached(frame)
    assert kept.equals(filtered)
    data, held = laid.page.data, []
    held.append(sys.getrefcount(data))
    del frame, filtered
    gc.collect()
    held.append(sys.getrefcount(data))
    del kept
    gc.collect()
    held.append(sys.getrefcount(data))
    assert held[0] > held[1] == held[2]


def test_a_column_that_is_no_field_is_refused_when_the_codec_is_built() -> None:
    with pytest.raises(Misconfigured, match="no field 'colour'"):
        Codec(contract("MachineCycle"), FolderSchemas(), ["colour"])


@pytest.mark.parametrize("name", ["WorkOrder", "ProductionConfirmation", "ShiftCalendar", "MachineCycle"])
def test_a_decoded_frame_encodes_to_the_bytes_it_came_from(name: str) -> None:
    codec = Codec(contract(name), FolderSchemas())
    values = codec.encode(sample(contract(name), 50))
    assert codec.encode_frame(codec.decode(_batch(list(values))).frame) == values


def test_a_record_that_breaks_the_contract_is_not_encoded() -> None:
    codec = Codec(contract("MachineCycle"), FolderSchemas())
    record = sample(contract("MachineCycle"), 1)[0]
    for wrong in (
        {"counting": "SOMETIMES"},
        {"quantity_good": Decimal("0.0000001")},
        {"unit": None},
        {"colour": 1},
    ):
        with pytest.raises(Rejected, match="encode"):
            codec.encode([{**record, **wrong}])
