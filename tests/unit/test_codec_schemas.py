"""How the codec finds the schema of a record: each read in a batch and by itself."""

from __future__ import annotations

import pytest

from millrace.errors import Retriable
from schemas import wire
from schemas.batch import Header
from schemas.codec import Codec
from schemas.contracts import from_schema
from schemas.registry import schema_guid
from tests.unit.codec_probe import PROBE, Schemas, batch, body, probe


def test_the_schema_is_found_by_id_or_guid_in_the_header_where_there_is_no_prefix(in_batches: bool) -> None:
    by_id: list[Header] = [("other", b"x"), (wire.HEADER, b"\x00\x00\x00\x00\x01")]
    by_guid: list[Header] = [(wire.HEADER, b"\x01" + schema_guid(PROBE).bytes)]
    bare = body(text=b"\x00", count=b"\x02")
    values: list[bytes | None] = [wire.prefix(1) + body(), body(), body(), bare, bare]
    decoded = probe(in_batches).decode(batch(values, {1: by_id, 2: by_guid, 3: by_guid}))
    assert decoded.frame["text"].to_list() == ["ok", "ok", "ok", ""]
    assert [(each.row, each.reason) for each in decoded.rejects] == [(4, "unknown_schema")]


def test_framing_decides_whether_prefix_or_header_counts(in_batches: bool) -> None:
    headers: dict[int, list[Header]] = {0: [(wire.HEADER, wire.prefix(1))], 1: [(wire.HEADER, b"\x07")]}
    values: list[bytes | None] = [body(), wire.prefix(1) + body()]
    header = probe(in_batches, framing="header").decode(batch(values, headers))
    prefix = probe(in_batches, framing="prefix").decode(batch(values, headers))
    assert [(each.row, each.reason) for each in header.rejects] == [(1, "no_prefix")]
    assert [(each.row, each.reason) for each in prefix.rejects] == [(0, "no_prefix")]


def test_an_outage_of_the_schema_source_is_raised_and_decides_nothing(in_batches: bool) -> None:
    source = Schemas(PROBE)
    source.down = True
    codec = Codec(from_schema(PROBE), source, in_batches=in_batches)
    polled = batch([wire.prefix(1) + body(), None])
    with pytest.raises(Retriable):
        codec.decode(polled)
    source.down = False
    assert codec.decode(polled).frame.height == 1
    source.down = True
    assert codec.decode(polled).frame.height == 1
