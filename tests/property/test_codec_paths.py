"""Whole batches and single records are decoded alike, whatever the bytes."""

from __future__ import annotations

import copy
import io
import random
from collections.abc import Callable
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import wire
from schemas.batch import DecodedBatch, RawBatch
from schemas.codec import REASONS, Codec
from schemas.contracts import Contract, contract, contracts
from schemas.registry import FolderSchemas, schema_id
from schemas.samples import sample
from schemas.strategies import records

NAMES = list(contracts())


def _batch(values: list[bytes | None]) -> RawBatch:
    zeros = np.zeros(len(values), np.int64)
    return RawBatch("t", values, zeros.astype(np.int32), zeros, zeros)


def _older(schema: dict[str, Any]) -> dict[str, Any]:
    """The contract before its optional fields were added and while a field now gone was still there."""
    old = copy.deepcopy(schema)
    old["fields"] = [each for each in old["fields"] if "default" not in each]
    old["fields"].insert(1, {"name": "legacy_tag", "type": ["string", "null"]})
    old["fields"].insert(3, {"name": "legacy_load", "type": "double"})
    return old


def _newer(schema: dict[str, Any]) -> dict[str, Any]:
    """The contract with fields to come, in another order, with narrower numbers and a symbol more."""
    new = copy.deepcopy(schema)
    nested = {"type": "record", "name": "Place", "fields": [{"name": "hall", "type": ["null", "string"]}]}
    new["fields"] = [{"name": "place", "type": nested}, *reversed(new["fields"])]
    for field in new["fields"]:
        if field["type"] == "long":
            field["type"] = "int"
        if isinstance(field["type"], dict) and field["type"]["type"] == "enum":
            field["type"]["symbols"] = ["TO_COME", *field["type"]["symbols"]]
    return new


def _with_list(schema: dict[str, Any]) -> dict[str, Any]:
    new = copy.deepcopy(schema)
    new["fields"].insert(2, {"name": "tags", "type": {"type": "array", "items": "string"}})
    return new


def _with_records(schema: dict[str, Any]) -> dict[str, Any]:
    """A list of records with lists that the reader does not have."""
    new = copy.deepcopy(schema)
    inner = {"name": "marks", "type": {"type": "array", "items": ["null", "string"]}}
    row = {"type": "record", "name": "Row", "fields": [{"name": "load", "type": "double"}, inner]}
    new["fields"].insert(1, {"name": "rows", "type": {"type": "array", "items": row}})
    return new


VERSIONS: list[Callable[[dict[str, Any]], dict[str, Any]]] = [copy.deepcopy, _older, _newer, _with_list, _with_records]
EXTRA: dict[str, Any] = {"legacy_tag": "x", "legacy_load": 1.5, "place": {"hall": None}, "tags": ["a", "b"]}
EXTRA["rows"] = [{"load": 0.5, "marks": [None, "m"]}, {"load": 1.0, "marks": []}]


def _wire(source: FolderSchemas, schema: dict[str, Any], record: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    narrowed = {n: v % 1000 if isinstance(v, int) and not isinstance(v, bool) else v for n, v in record.items()}
    fastavro.schemaless_writer(out, fastavro.parse_schema(copy.deepcopy(schema)), {**EXTRA, **narrowed})
    return wire.prefix(source.id_for("t", schema)) + out.getvalue()


def _flip(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


def _replace(data: bytes, chance: random.Random) -> bytes:
    """Hostile lengths, counts, indices and text at a random place."""
    at = chance.randrange(len(data))
    planted = chance.choice(
        [
            b"\x01",
            b"\x80\x00",
            b"\xff" * 9 + b"\x01",
            b"\xff" * 10,
            b"\xfe\xff\xff\xff\x0f",
            b"\xc3\x28",
            b"\x7f",
            b"\x03",
        ]
    )
    return data[:at] + planted + data[at + chance.choice([0, 1, len(planted)]) :]


CORRUPTIONS: list[Callable[[bytes, random.Random], bytes | None]] = [
    lambda data, chance: data[: chance.randrange(len(data))],
    _flip,
    lambda data, chance: _flip(_flip(data, chance), chance),
    _replace,
    lambda data, chance: data + chance.randbytes(chance.randrange(1, 4)),
    lambda data, _chance: data + data,
    lambda data, chance: wire.prefix(chance.randrange(1 << 32)) + data[5:],
    lambda data, chance: data[:5] + chance.randbytes(len(data) - 5),
    lambda _data, _chance: None,
    lambda _data, _chance: b"",
    lambda data, _chance: data + bytes(1 << 20),
]


def _same(together: DecodedBatch, singly: DecodedBatch, rows: int) -> None:
    """The same rows are accepted with the same values and rejected for the same reasons."""
    assert together.rejects == singly.rejects
    assert together.frame.schema == singly.frame.schema
    assert together.frame.equals(singly.frame)
    assert _rows(together, rows) == _rows(singly, rows)
    assert sorted(_rows(together, rows) + [each.row for each in together.rejects]) == list(range(rows))
    assert {each.reason for each in together.rejects} <= set(REASONS)


def _rows(decoded: DecodedBatch, rows: int) -> list[int]:
    return list(range(rows)) if decoded.rows is None else decoded.rows.tolist()


def _codecs(of: Contract, source: FolderSchemas) -> tuple[Codec, Codec]:
    return Codec(of, source), Codec(of, source, in_batches=False)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), share=st.sampled_from([0.0, 0.1, 1.0]))
def test_corrupted_batches_of_several_writers_are_decided_alike_on_both_paths(
    name: str, seed: int, share: float
) -> None:
    chance, source, of = random.Random(seed), FolderSchemas(), contract(name)
    values: list[bytes | None] = []
    for record in sample(of, 30, seed):
        data: bytes | None = _wire(source, chance.choice(VERSIONS)(of.schema), record)
        if data is not None and chance.random() < share:
            data = chance.choice(CORRUPTIONS)(data, chance)
        values.append(data)
    together, singly = (codec.decode(_batch(values)) for codec in _codecs(of, source))
    _same(together, singly, len(values))
    if not share:
        assert not together.rejects


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_records_at_the_limits_of_their_types_come_back_as_they_were(name: str, data: st.DataObject) -> None:
    of, source = contract(name), FolderSchemas()
    given_records = data.draw(st.lists(records(of), min_size=1, max_size=5))
    together, singly = _codecs(of, source)
    batch = _batch(list(together.encode(given_records)))
    decoded = together.decode(batch)
    _same(decoded, singly.decode(batch), len(given_records))
    assert decoded.frame.to_dicts() == given_records


@pytest.mark.parametrize("name", list(contracts()))
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_what_is_accepted_reads_the_same_with_fastavro(name: str, seed: int) -> None:
    chance, source, of = random.Random(seed), FolderSchemas(), contract(name)
    codec = Codec(of, source)
    values = [_flip(each, chance) if chance.random() < 0.5 else each for each in codec.encode(sample(of, 20, seed))]
    values = [wire.prefix(schema_id(of.schema)) + each[5:] for each in values]
    decoded = codec.decode(_batch(list(values)))
    parsed = fastavro.parse_schema(copy.deepcopy(of.schema))
    for row, record in zip(_rows(decoded, len(values)), decoded.frame.to_dicts(), strict=True):
        body = io.BytesIO(values[row][5:])
        assert record == fastavro.schemaless_reader(body, parsed, None)
        assert not body.read()


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    columns=st.lists(st.sampled_from(contract("MachineCycle").fields), unique=True),
)
def test_a_projection_changes_columns_and_never_what_is_accepted(seed: int, columns: list[str]) -> None:
    chance, source, of = random.Random(seed), FolderSchemas(), contract("MachineCycle")
    full = Codec(of, source)
    values = [_flip(each, chance) if chance.random() < 0.3 else each for each in full.encode(sample(of, 30, seed))]
    if not columns:
        columns = ["unit"]
    everything, projected = (
        full.decode(_batch(list(values))),
        Codec(of, source, columns).decode(_batch(list(values))),
    )
    assert projected.frame.equals(everything.frame.select(columns))
    assert projected.rejects == everything.rejects
