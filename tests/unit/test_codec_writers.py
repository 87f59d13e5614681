"""What other writers may have written: each read in a batch and by itself."""

from __future__ import annotations

import copy
from datetime import date
from decimal import Decimal

import pytest

from schemas import wire
from schemas.codec import Codec
from schemas.contracts import Schema, from_schema
from tests.unit.codec_probe import DECIMAL, GOOD, PROBE, VALUES, Schemas, batch, body, changed, number, probe


def test_several_writers_in_one_batch_are_read_in_the_batchs_order(in_batches: bool) -> None:
    reordered = changed(kind={"type": "enum", "name": "Kind", "symbols": ["B", "C", "A"]}, total="int")
    reordered["fields"].reverse()
    other = b"".join(reversed(list({**GOOD, "kind": b"\x00", "total": b"\x04"}.values())))
    new_symbol = b"".join(reversed(list({**GOOD, "kind": b"\x02", "total": b"\x04"}.values())))
    codec = probe(in_batches, reordered)
    values: list[bytes | None] = [
        wire.prefix(2) + other,
        wire.prefix(1) + body(),
        wire.prefix(2) + new_symbol,
    ]
    decoded = codec.decode(batch([*values, *values[:2]]))
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
    decoded = codec.decode(batch([wire.prefix(1) + body()]))
    added = {"note": None, "factor": Decimal("0.000016"), "labels": [], "since": date(1970, 1, 2)}
    assert decoded.frame.to_dicts() == [{**VALUES, **added}]


def test_optional_values_stand_where_they_were_written(in_batches: bool) -> None:
    kind = {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}
    day = {"type": "int", "logicalType": "date"}
    optional = changed(kind=["null", kind], text=["string", "null"], day=["null", day], flag=["null", "boolean"])
    some = body(text=b"\x00\x04ok", kind=b"\x02\x02", day=b"\x02\x02", flag=b"\x02\x01", share=b"\x02\x02\x05")
    none = body(text=b"\x02", kind=b"\x00", day=b"\x00", flag=b"\x00", total=b"\x00")
    decoded = Codec(from_schema(optional), Schemas(optional), in_batches=in_batches).decode(
        batch([wire.prefix(1) + each for each in (none, some, none, some)])
    )
    empty = {**VALUES, "text": None, "kind": None, "day": None, "flag": None, "total": None}
    full = {**VALUES, "share": Decimal("0.000005")}
    assert decoded.frame.to_dicts() == [empty, full, empty, full]


@pytest.mark.parametrize(
    ("writer", "named"),
    [
        (changed(count=None), "count"),
        (changed(count="string"), "count"),
        (changed(amount={**DECIMAL, "scale": 3}), "amount"),
        (changed(at={"type": "long", "logicalType": "timestamp-millis"}), "at"),
        ({**PROBE, "name": "Other"}, "Other"),
        (changed(share=["null", {"type": "array", "items": "int"}]), ""),
        (changed(text={"type": "nonsense"}), "text"),
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
    decoded = probe(in_batches, writer).decode(batch([wire.prefix(2) + body(share=b"\x02\x00")]))
    assert [each.reason for each in decoded.rejects] == ["decode"]
    assert named in decoded.rejects[0].detail


def test_a_writers_type_that_contains_itself_is_refused(in_batches: bool) -> None:
    node = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
    writer = copy.deepcopy(PROBE)
    writer["fields"].append({"name": "chain", "type": node})
    decoded = probe(in_batches, writer).decode(batch([wire.prefix(2) + body() + b"\x02" * 50_000 + b"\x00"]))
    assert [each.reason for each in decoded.rejects] == ["decode"]
    assert "contains itself" in decoded.rejects[0].detail


@pytest.mark.parametrize(
    ("items", "octets", "reason"),
    [
        ("int", b"\x04\x02\x02\x00", None),
        ("int", b"\x03\x04\x02\x02\x00", None),
        ("int", number(2**40) + b"\x00", "truncated"),
        ("null", b"\x04\x00", "decode"),
        ({"type": "record", "name": "Empty", "fields": []}, b"\x02\x00", "decode"),
    ],
)
def test_lists_of_a_foreign_writer_are_passed_and_hostile_counts_refused(
    in_batches: bool, items: object, octets: bytes, reason: str | None
) -> None:
    writer = copy.deepcopy(PROBE)
    writer["fields"].insert(0, {"name": "list", "type": {"type": "array", "items": items}})
    decoded = probe(in_batches, writer).decode(batch([wire.prefix(2) + octets + body()]))
    assert [each.reason for each in decoded.rejects] == ([] if reason is None else [reason])
