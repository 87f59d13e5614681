"""Whole batches at once: each field of thousands of records in a few numpy operations.

A scan walks the writer's fields in order and keeps one position per record, so that every boundary is
checked exactly. Records that it cannot read are left out and returned for the record decoder, which
decides on them: one bad record costs one record. `docs/adr/0002-columnar-avro-decoding.md` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from schemas import codec_nested
from schemas.codec_nested import Scan
from schemas.columns import column, constant
from schemas.found import AnyFound, Found, FoundRecord
from schemas.plan import Member, Node
from schemas.vectors import Flags, Ints, Page, big_endian, either, flagged, numbers, slices

#: Microseconds and days of the years 1 to 9999, counted from 1970.
INSTANTS = (-62_135_596_800_000_000, 253_402_300_799_999_999)
DAYS = (-719_162, 2_932_896)


class UnsupportedError(Exception):
    """The writer's schema has a type that only the record decoder reads (maps, wide unions)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One field of the writer: how to pass it, and the reader's column when it has one."""

    name: str
    scan: Scan
    wanted: bool


class BatchDecoder:
    """Decodes the records of one writer together.

    Args:
        plan: The resolved record.
        types: Polars types of the contract's columns.
        columns: Columns of the frame; the others are checked all the same.

    Raises:
        UnsupportedError: Only the record decoder can read this writer.
    """

    def __init__(self, plan: Node, types: Mapping[str, pl.DataType], columns: tuple[str, ...]) -> None:
        self._steps = [Step(each.name, _scan(each.node, each.wanted), each.wanted) for each in _flat(plan)]
        self._types, self._columns, self._defaults = types, columns, plan.defaults

    def decode(self, page: Page, begin: Ints, end: Ints) -> tuple[pl.DataFrame, Ints]:
        """Frame of the records that can be read, and their indices into `begin`.

        Args:
            page: The batch.
            begin: First byte of each body in the page.
            end: Byte behind each body.
        """
        rows = np.arange(len(begin))
        found, bad = self._scan(page, begin, end)
        while True:
            if bad is not None:
                rows, found = rows[~bad], {name: value.only(~bad) for name, value in found.items()}
            series, bad = self._series(page, found, len(rows))
            if bad is None:
                return self._frame(series, len(rows)), rows

    def _scan(self, page: Page, at: Ints, end: Ints) -> tuple[dict[str, AnyFound], Flags | None]:
        found: dict[str, AnyFound] = {}
        bad: Flags | None = None
        for step in self._steps:
            value, at, unread = step.scan(page, at)
            bad = either(bad, unread)
            if step.wanted:
                found[step.name] = value
        return found, either(bad, flagged(at != end))

    def _series(
        self, page: Page, found: Mapping[str, AnyFound], rows: int
    ) -> tuple[dict[str, pl.Series], Flags | None]:
        """Columns of all fields of the contract: text that is no UTF-8 shows here, asked for or not."""
        series: dict[str, pl.Series] = {}
        bad: Flags | None = None
        for name, value in found.items():
            if name in self._columns or value.is_text:
                series[name], wrong = column(page, name, value, self._types[name], rows)
                bad = either(bad, wrong)
        return series, bad

    def _frame(self, series: Mapping[str, pl.Series], rows: int) -> pl.DataFrame:
        return pl.DataFrame([series[name] if name in series else self._default(name, rows) for name in self._columns])

    def _default(self, name: str, rows: int) -> pl.Series:
        return constant(name, self._defaults[name], self._types[name], rows)


def _flat(node: Node) -> list[Member]:
    """Fields in the order of the wire; records inside that the reader lacks are passed field by field."""
    flat: list[Member] = []
    for member in node.members:
        if member.node.kind == "record" and not member.wanted:
            flat.extend(_flat(member.node))
        else:
            flat.append(member)
    return flat


def _scan(node: Node, wanted: bool) -> Scan:
    if node.kind == "union":
        return _nullable(node, wanted)
    if node.kind == "array" and node.items is not None:
        scan = codec_nested.array(_scan(node.items, wanted))
        return scan if wanted else codec_nested.passed(scan)
    if node.kind == "record":
        return codec_nested.record(
            [(each.name, _scan(each.node, each.wanted), each.wanted) for each in _flat(node)], node
        )
    build = _SCANS.get(node.kind) or (None if wanted else _SKIPS.get(node.kind))
    if build is None or node.target in {"float", "double"}:
        raise UnsupportedError(node.kind)
    return build(node)


def _nullable(node: Node, wanted: bool) -> Scan:
    """A union of null and one other type; everything else belongs to the record decoder."""
    kinds = [branch.kind for branch in node.branches]
    if len(kinds) != 2 or kinds.count("null") != 1:
        raise UnsupportedError("union")
    null = 2 * kinds.index("null")
    present = 2 - null
    if node.branches[present >> 1].kind == "record":
        raise UnsupportedError("a record that may be null")
    scan = _scan(node.branches[present >> 1], wanted)

    def read(page: Page, at: Ints) -> tuple[AnyFound, Ints, Flags | None]:
        branch = page.octets_at(at)
        behind = at + 1
        some = branch == present
        if some.all():
            return scan(page, behind)
        wrong = flagged(~some & (branch != null))
        rows = np.flatnonzero(some)
        if not len(rows):
            return Found(), behind, wrong
        value, behind[rows], unread = scan(page, behind[rows])
        if unread is not None:
            spoiled = np.zeros(len(at), np.bool_)
            spoiled[rows] = unread
            wrong = either(wrong, spoiled)
        if isinstance(value, FoundRecord):
            raise TypeError("a record that may be null")
        return value.spread(rows, some), behind, wrong

    return read


def _number(low: int, high: int) -> Callable[[Node], Scan]:
    def build(_: Node) -> Scan:
        def read(page: Page, at: Ints) -> tuple[Found, Ints, Flags | None]:
            values, behind, bad = numbers(page, at)
            if values.min(initial=0) < low or values.max(initial=0) > high:
                bad = either(bad, (values < low) | (values > high))
            return Found(values), behind, bad

        return read

    return build


def _long(_: Node) -> Scan:
    def read(page: Page, at: Ints) -> tuple[Found, Ints, Flags | None]:
        values, behind, bad = numbers(page, at)
        return Found(values), behind, bad

    return read


def _enum(node: Node) -> Scan:
    """Values are the reader's symbols; numbering them as the reader does is the column's work."""
    count = len(node.symbols)
    unknown = np.array([symbol is None for symbol in node.symbols])

    def read(page: Page, at: Ints) -> tuple[Found, Ints, Flags | None]:
        values, behind, bad = numbers(page, at)
        if values.min(initial=0) < 0 or values.max(initial=0) >= count:
            outside = (values < 0) | (values >= count)
            values[outside] = 0
            bad = either(bad, outside)
        if unknown.any():
            bad = either(bad, flagged(unknown[values]))
        return Found(values, symbols=node.symbols), behind, bad

    return read


def _boolean(_: Node) -> Scan:
    def read(page: Page, at: Ints) -> tuple[Found, Ints, Flags | None]:
        octets = page.octets_at(at)
        return Found(octets.astype(np.int64)), at + 1, flagged(octets > 1)

    return read


def _slice(is_text: bool) -> Callable[[Node], Scan]:
    def build(_: Node) -> Scan:
        def read(page: Page, at: Ints) -> tuple[Found, Ints, Flags | None]:
            begin, length, behind, bad = slices(page, at)
            return Found(begin, length, is_text=is_text), behind, bad

        return read

    return build


def _decimal(node: Node) -> Scan:
    limit = 10**node.precision
    if limit > np.iinfo(np.int64).max:
        raise UnsupportedError("decimal of more than 18 digits")

    def read(page: Page, at: Ints) -> tuple[Found, Ints, Flags | None]:
        begin, length, behind, bad = slices(page, at)
        values, wrong = big_endian(page, begin, length)
        bad = either(bad, wrong)
        if values.min(initial=0) <= -limit or values.max(initial=0) >= limit:
            bad = either(bad, (values <= -limit) | (values >= limit))
        return Found(values), behind, bad

    return read


def _skip(size: int) -> Callable[[Node], Scan]:
    """Contracts hold no binary floats and no fixed; a foreign writer's are passed over."""

    def build(node: Node) -> Scan:
        width = size or node.size
        return lambda _, at: (Found(), at + width, None)

    return build


_SCANS: dict[str, Callable[[Node], Scan]] = {
    "null": _skip(0),
    "boolean": _boolean,
    "int": _number(-(1 << 31), (1 << 31) - 1),
    "long": _long,
    "timestamp": _number(*INSTANTS),
    "date": _number(*DAYS),
    "enum": _enum,
    "string": _slice(True),
    "bytes": _slice(False),
    "decimal": _decimal,
}
_SKIPS: dict[str, Callable[[Node], Scan]] = {"float": _skip(4), "double": _skip(8), "fixed": _skip(0)}
