"""Arrays of a record: read for a whole batch at once, in the order in which they were written."""

from __future__ import annotations

import copy
import io
from typing import Any

import fastavro
import polars as pl
import pytest

from schemas import wire
from schemas.codec import Codec
from schemas.codec_nested import MOST_ITEMS
from schemas.codec_slow import RecordDecoder
from schemas.contracts import Schema, from_schema
from tests.unit.codec_probe import PROBE, Schemas, batch, body, number

STEP = {
    "type": "record",
    "name": "Step",
    "fields": [
        {"name": "name", "type": "string"},
        {"name": "tools", "type": {"type": "array", "items": "string"}},
        {"name": "after", "type": ["null", "int"]},
    ],
}
STEPS = {"type": "array", "items": STEP}
Steps = list[dict[str, Any]]


def step(name: str, *tools: str, after: int | None = None) -> dict[str, Any]:
    return {"name": name, "tools": list(tools), "after": after}


def listing(avro: object) -> Schema:
    schema = copy.deepcopy(PROBE)
    schema["fields"].insert(0, {"name": "steps", "type": avro})
    return schema


def written(steps: Steps | None, avro: object = STEPS) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(copy.deepcopy(avro)), steps)  # type: ignore[arg-type]
    return wire.prefix(1) + out.getvalue() + body()


def steps_of(values: list[bytes], in_batches: bool = True, avro: object = STEPS) -> pl.Series:
    schema = listing(avro)
    decoded = Codec(from_schema(schema), Schemas(schema), in_batches=in_batches).decode(batch(list(values)))
    assert not decoded.rejects
    return decoded.frame["steps"]


@pytest.fixture
def no_single_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a record by itself fails the test."""

    def refuse(_self: RecordDecoder, _body: bytes) -> dict[str, Any]:
        raise AssertionError("a record was read by itself")

    monkeypatch.setattr(RecordDecoder, "decode", refuse)


MIXED: list[Steps] = [
    [step("cut", "saw", "file", after=3), step("weld")],
    [],
    [step("paint", "brush")],
    [step("a", after=1), step("b", "x"), step("ü" * 9, "yy", "zzz" * 9, after=-7)],
]


@pytest.mark.usefixtures("no_single_record")
def test_lists_of_records_with_lists_are_read_together() -> None:
    assert steps_of([written(each) for each in MIXED]).to_list() == MIXED


@pytest.mark.usefixtures("no_single_record")
def test_lists_that_may_be_missing_are_read_together() -> None:
    optional = ["null", STEPS]
    given = [None, MIXED[0], None, [], MIXED[3]]
    assert steps_of([written(each, optional) for each in given], avro=optional).to_list() == given
    assert steps_of([written(None, optional)] * 2, avro=optional).to_list() == [None, None]


def test_a_list_in_several_blocks_is_one_list(in_batches: bool) -> None:
    """Blocks may tell their size behind a negative count."""
    items = [b"\x02a\x00\x00", b"\x02b\x00\x02\x04", b"\x02c\x00\x00"]
    sized = number(-2) + number(len(items[0] + items[1])) + items[0] + items[1]
    value = wire.prefix(1) + sized + number(1) + items[2] + b"\x00" + body()
    wanted = [step("a"), step("b", after=2), step("c")]
    assert steps_of([value, written(MIXED[1]), value], in_batches).to_list() == [wanted, [], wanted]


def test_a_very_long_list_is_read_as_well(in_batches: bool) -> None:
    """By itself, and the rest of the batch goes on together."""
    long = [step(f"s{each}", "t") for each in range(3 * MOST_ITEMS)]
    assert steps_of([written(long), written(MIXED[0])], in_batches).to_list() == [long, MIXED[0]]


def test_text_in_a_list_that_is_no_utf_8_spoils_its_record_alone(in_batches: bool) -> None:
    schema = listing(STEPS)
    good = written(MIXED[0])
    values = [good, good.replace(b"saw", b"s\xffw"), good]
    decoded = Codec(from_schema(schema), Schemas(schema), in_batches=in_batches).decode(batch(list(values)))
    assert [(each.row, each.reason) for each in decoded.rejects] == [(1, "bad_utf8")]
    assert "steps" in decoded.rejects[0].detail
    assert decoded.frame["steps"].to_list() == [MIXED[0]] * 2


@pytest.mark.parametrize("octets", [number(-(1 << 63)) + b"\x02\x00", number(1 << 62) + b"\x00", b"\x01\x02"])
def test_hostile_counts_are_refused_as_a_single_record_refuses_them(octets: bytes) -> None:
    schema = listing(STEPS)
    found = [
        Codec(from_schema(schema), Schemas(schema), in_batches=each).decode(
            batch([wire.prefix(1) + octets + body(), written(MIXED[2])])
        )
        for each in (True, False)
    ]
    assert found[0].rejects == found[1].rejects
    assert [each.row for each in found[0].rejects] == [0]
    assert found[0].frame["steps"].to_list() == [MIXED[2]]
