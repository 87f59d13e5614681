"""Which values the codec accepts and which it rejects: each read in a batch and by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from schemas import records, wire
from tests.unit.codec_probe import VALUES, between_good, body, number, probe

MILLION = (10**18).to_bytes(8, "big")


@pytest.mark.parametrize(
    ("field", "octets", "value"),
    [
        ("text", b"\x00", ""),
        ("text", b"\x18" + b"x" * 12, "x" * 12),
        ("text", b"\x1a" + b"y" * 13, "y" * 13),
        ("text", b"\x06" + "€".encode(), "€"),
        ("text", b"\x20" + "ä".encode() * 8, "ä" * 8),
        ("text", number(70_000) + b"z" * 70_000, "z" * 70_000),
        ("count", number(2**31 - 1), 2**31 - 1),
        ("count", number(-(2**31)), -(2**31)),
        ("count", b"\x82\x00", 1),
        ("total", b"\x02" + number(2**63 - 1), 2**63 - 1),
        ("total", b"\x02" + number(-(2**63)), -(2**63)),
        ("total", b"\x82\x00\x04", 2),
        ("flag", b"\x00", False),
        ("amount", b"\x00", Decimal("0.000000")),
        ("amount", b"\x10" + (10**18 - 1).to_bytes(8, "big"), Decimal("999999999999.999999")),
        ("amount", b"\x10" + (1 - 10**18).to_bytes(8, "big", signed=True), Decimal("-999999999999.999999")),
        ("amount", b"\x20" + b"\xff" * 16, Decimal("-0.000001")),
        ("share", b"\x02\x02\x80", Decimal("-0.000128")),
        ("day", number(-719_162), date(1, 1, 1)),
        ("day", number(2_932_896), date(9999, 12, 31)),
        ("at", number(253_402_300_799_999_999), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("raw", b"\x00", b""),
    ],
)
def test_a_value_at_its_limit_is_accepted(in_batches: bool, field: str, octets: bytes, value: object) -> None:
    decoded = between_good(probe(in_batches), wire.prefix(1) + body(**{field: octets}))
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
        ("text", number(2**40), "truncated"),
        ("text", number(2**62) + b"x", "truncated"),
        ("text", number(-(2**40)), "decode"),
        ("count", number(2**31), "decode"),
        ("count", b"\x80" * 10 + b"\x00", "decode"),
        ("total", b"\x04\x04", "decode"),
        ("total", b"\x01\x04", "decode"),
        ("total", b"\x02" + b"\xff" * 9 + b"\x03", "decode"),
        ("flag", b"\x02", "decode"),
        ("kind", b"\x04", "bad_enum"),
        ("kind", b"\x01", "bad_enum"),
        ("kind", number(2**40), "bad_enum"),
        ("amount", b"\x10" + MILLION, "decode"),
        ("amount", b"\x12\x01" + MILLION, "decode"),
        ("share", b"\x02\x10" + MILLION, "decode"),
        ("day", number(2_932_897), "decode"),
        ("at", number(253_402_300_800_000_000), "decode"),
        ("at", number(-62_135_596_800_000_001), "decode"),
        ("raw", b"\x04\xff", "truncated"),
    ],
)
def test_a_bad_value_rejects_its_record_alone_and_names_the_field(
    in_batches: bool, field: str, octets: bytes, reason: str
) -> None:
    decoded = between_good(probe(in_batches), wire.prefix(1) + body(**{field: octets}))
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
        (b"\x01\x00\x00\x00\x01" + body(), "no_prefix"),
        (wire.prefix(9) + body(), "unknown_schema"),
        (wire.prefix(1), "truncated"),
        (wire.prefix(1) + body()[:-1], "truncated"),
        (wire.prefix(1) + body() + b"\x00", "trailing_bytes"),
        (wire.prefix(1) + body() * 2, "trailing_bytes"),
        (wire.prefix(1) + bytes(records.MAX_RECORD), "oversize"),
        (None, "tombstone"),
    ],
)
def test_a_record_without_a_whole_body_is_rejected(in_batches: bool, value: bytes, reason: str) -> None:
    decoded = between_good(probe(in_batches), value)
    assert [(each.row, each.reason) for each in decoded.rejects] == [(1, reason)]
    assert decoded.frame.height == 2
