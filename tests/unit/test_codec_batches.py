"""What the codec makes of whole batches, and what it encodes."""

from __future__ import annotations

import gc
import sys
from decimal import Decimal

import polars as pl
import pytest

from millrace.errors import Misconfigured, Rejected
from schemas import records, wire
from schemas.codec import Codec
from schemas.codec_fast import BatchDecoder
from schemas.contracts import contract, from_schema
from schemas.plan import resolve
from schemas.registry import FolderSchemas
from schemas.samples import sample
from schemas.types import polars_schema
from tests.unit.codec_probe import PROBE, batch, body, probe


def test_an_empty_batch_has_an_empty_frame_of_the_contracts_types(in_batches: bool) -> None:
    decoded = probe(in_batches).decode(batch([]))
    assert decoded.frame.is_empty()
    assert decoded.frame.schema["amount"] == pl.Decimal(18, 6)
    assert decoded.rows is None
    assert not decoded.rejects


def test_a_huge_batch_is_read_in_pages(in_batches: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_PAGE", 100)
    values: list[bytes | None] = [wire.prefix(1) + body(text=b"\x20" + b"%016d" % each) for each in range(50)]
    values[7] = None
    decoded = probe(in_batches).decode(batch(values))
    assert decoded.frame["text"].to_list() == [f"{each:016d}" for each in range(50) if each != 7]
    assert decoded.rows is not None
    assert decoded.rows.tolist() == [each for each in range(50) if each != 7]


def test_detached_rows_do_not_keep_their_batch_in_memory() -> None:
    value = wire.prefix(1) + body(text=b"\x20" + b"x" * 16)
    verdict = records.Verdict(batch([value]))
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


@pytest.mark.parametrize(("size", "keeps"), [(12, False), (13, True)])
def test_only_text_that_does_not_fit_its_view_keeps_the_batch(size: int, keeps: bool) -> None:
    """A flow keeps rows for hours whose names are short; a batch is many times as large."""
    value = wire.prefix(1) + body(text=bytes([2 * size]) + b"x" * size)
    verdict = records.Verdict(batch([value]))
    (laid,) = records.pages([value], verdict)
    types = polars_schema(from_schema(PROBE), ["text"])
    data = laid.page.data
    before = sys.getrefcount(data)
    frame, _ = BatchDecoder(resolve(PROBE, PROBE), polars_schema(from_schema(PROBE)), tuple(types)).decode(
        laid.page, laid.begin + wire.PREFIX_SIZE, laid.end
    )
    assert frame["text"].to_list() == ["x" * size]
    gc.collect()
    assert (sys.getrefcount(data) > before) == keeps


def test_a_column_that_is_no_field_is_refused_when_the_codec_is_built() -> None:
    with pytest.raises(Misconfigured, match="no field 'colour'"):
        Codec(contract("MachineCycle"), FolderSchemas(), ["colour"])


@pytest.mark.parametrize("name", ["WorkOrder", "ProductionConfirmation", "ShiftCalendar", "MachineCycle"])
def test_a_decoded_frame_encodes_to_the_bytes_it_came_from(name: str) -> None:
    codec = Codec(contract(name), FolderSchemas())
    values = codec.encode(sample(contract(name), 50))
    assert codec.encode_frame(codec.decode(batch(list(values))).frame) == values


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
