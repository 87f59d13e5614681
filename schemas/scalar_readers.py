"""Readers of values that hold no others; each refuses what lenient Avro libraries accept."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from schemas.cursor import Cursor, Fault
from schemas.plan import EPOCH, Node, date_value, decimal_value

Read = Callable[[Cursor], Any]


def skipper(node: Node) -> Read:
    """Function that passes a value by its measure alone."""
    if node.kind in {"int", "long", "enum"}:
        return Cursor.varint
    if node.kind in {"bytes", "string"}:
        return lambda cursor: cursor.take(cursor.varint())
    size = {"null": 0, "boolean": 1, "float": 4, "double": 8, "fixed": node.size}[node.kind]
    return lambda cursor: cursor.take(size)


def _null(_: Node) -> Read:
    return lambda _cursor: None


def _boolean(_: Node) -> Read:
    def read(cursor: Cursor) -> bool:
        octet = cursor.take(1)[0]
        if octet > 1:
            raise Fault("decode", f"is a boolean of value {octet}")
        return octet == 1

    return read


def _number(node: Node) -> Read:
    bits = 32 if node.kind == "int" else 64
    convert: Callable[[int], Any] = float if node.target in {"float", "double"} else int

    def read(cursor: Cursor) -> Any:
        value = cursor.varint()
        if not -(1 << bits - 1) <= value < 1 << bits - 1:
            raise Fault("decode", f"is {value}, beyond {bits} bits")
        return convert(value)

    return read


def _floating(node: Node) -> Read:
    shape = struct.Struct("<f" if node.kind == "float" else "<d")
    return lambda cursor: shape.unpack(cursor.take(shape.size))[0]


def _bytes(_: Node) -> Read:
    return lambda cursor: cursor.take(cursor.varint())


def _string(_: Node) -> Read:
    def read(cursor: Cursor) -> str:
        try:
            return cursor.take(cursor.varint()).decode()
        except UnicodeDecodeError as error:
            raise Fault("bad_utf8", f"is no UTF-8: {error.reason}") from None

    return read


def _fixed(node: Node) -> Read:
    return lambda cursor: cursor.take(node.size)


def _enum(node: Node) -> Read:
    symbols = node.symbols

    def read(cursor: Cursor) -> str:
        index = cursor.varint()
        symbol = symbols[index] if 0 <= index < len(symbols) else None
        if symbol is None:
            raise Fault("bad_enum", f"has the enum index {index}, which the contract does not know")
        return symbol

    return read


def _decimal(node: Node) -> Read:
    limit, scale = 10**node.precision, node.scale

    def read(cursor: Cursor) -> Decimal:
        unscaled = int.from_bytes(cursor.take(cursor.varint()), "big", signed=True)
        if not -limit < unscaled < limit:
            raise Fault("decode", f"has more than {node.precision} digits")
        return decimal_value(unscaled, scale)

    return read


def _timestamp(_: Node) -> Read:
    def read(cursor: Cursor) -> Any:
        micros = cursor.varint()
        try:
            return EPOCH + timedelta(microseconds=micros)
        except OverflowError:
            raise Fault("decode", f"is the instant {micros} us, outside the years 1 to 9999") from None

    return read


def _date(_: Node) -> Read:
    def read(cursor: Cursor) -> Any:
        days = cursor.varint()
        try:
            return date_value(days)
        except OverflowError:
            raise Fault("decode", f"is the day {days}, outside the years 1 to 9999") from None

    return read


def _mismatch(_: Node) -> Read:
    def read(cursor: Cursor) -> Any:
        raise Fault("decode", f"has a union branch at byte {cursor.at} that the contract does not know")

    return read


#: Maker of the reader by kind of node.
SCALARS: dict[str, Callable[[Node], Read]] = {
    "null": _null,
    "boolean": _boolean,
    "int": _number,
    "long": _number,
    "float": _floating,
    "double": _floating,
    "bytes": _bytes,
    "string": _string,
    "fixed": _fixed,
    "enum": _enum,
    "decimal": _decimal,
    "timestamp": _timestamp,
    "date": _date,
    "mismatch": _mismatch,
}
