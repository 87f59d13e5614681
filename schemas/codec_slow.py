"""One record at a time: the reference for what is accepted, and what names the fault of a bad record.

The decoder is strict where Avro libraries are lenient, because a record that is nearly right books wrong
pieces: the body is consumed to its last byte, enum indices exist, text is UTF-8, booleans are 0 or 1,
decimals fit their precision, instants fit the years 1 to 9999, and no length or count exceeds the bytes that
are left.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from millrace.errors import Rejected
from schemas.plan import EPOCH, Member, Node, date_value, decimal_value

Read = Callable[["Cursor"], Any]


class Fault(Exception):
    """What is wrong with a value; the path grows while it travels up to the record."""

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(what)
        self.reason, self.what, self.path = reason, what, list[str]()


class Cursor:
    """Position in one record's bytes."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.end = data, 0, len(data)

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if size < 0:
            raise Fault("decode", f"has the negative length {size}")
        begin, self.at = self.at, self.at + size
        if self.at > self.end:
            raise Fault("truncated", f"needs {size} bytes and {max(self.end - begin, 0)} are left")
        return self.data[begin : self.at]

    def varint(self) -> int:
        """The next zigzag number of at most 64 bits."""
        value = shift = 0
        while True:
            if self.at >= self.end:
                raise Fault("truncated", "ends inside a number")
            octet = self.data[self.at]
            self.at += 1
            value |= (octet & 0x7F) << shift
            shift += 7
            if octet < 0x80:
                break
            if shift >= 70:
                raise Fault("decode", "is a number of more than ten bytes")
        if value >> 64:
            raise Fault("decode", "is a number of more than 64 bits")
        return (value >> 1) ^ -(value & 1)


class RecordDecoder:
    """Decodes single records of one writer into values of the reader's contract.

    Args:
        plan: The resolved record.
    """

    def __init__(self, plan: Node) -> None:
        self._read = _reader(plan, True)

    def decode(self, body: bytes) -> dict[str, Any]:
        """Fields of the contract from a record's body, without any prefix.

        Raises:
            Rejected: reason is truncated, trailing_bytes, bad_utf8, bad_enum or decode; detail names the
            field.
        """
        cursor = Cursor(body)
        try:
            record: dict[str, Any] = self._read(cursor)
        except Fault as fault:
            field = ".".join(reversed(fault.path))
            raise Rejected(fault.reason, f"{field or 'record'} {fault.what}") from None
        if cursor.at < cursor.end:
            raise Rejected("trailing_bytes", f"{cursor.end - cursor.at} bytes follow the last field")
        return record


def _reader(node: Node, wanted: bool) -> Read:
    """Function that reads one value; what the reader does not have is measured, not interpreted."""
    if node.kind in _COMPOUND:
        return _COMPOUND[node.kind](node, wanted)
    if not wanted:
        return _skipper(node)
    return _SCALARS[node.kind](node)


def _record(node: Node, wanted: bool) -> Read:
    members = [(member.name, _reader(member.node, member.wanted), member.wanted) for member in node.members]
    defaults = node.defaults

    def read(cursor: Cursor) -> Any:
        values = dict(defaults)
        for name, member, kept in members:
            try:
                value = member(cursor)
            except Fault as fault:
                fault.path.append(name)
                raise
            if kept:
                values[name] = value
        return values if wanted else None

    return read


def _union(node: Node, wanted: bool) -> Read:
    branches = [_reader(branch, wanted) for branch in node.branches]

    def read(cursor: Cursor) -> Any:
        index = cursor.varint()
        if not 0 <= index < len(branches):
            raise Fault("decode", f"has the union branch {index}, which does not exist")
        return branches[index](cursor)

    return read


def _array(node: Node, wanted: bool) -> Read:
    return _blocks(_items(node), wanted)


def _map(node: Node, wanted: bool) -> Read:
    value = _items(node)
    return _blocks(Node("record", members=(Member("key", Node("bytes"), False), Member("value", value, False))), wanted)


def _items(node: Node) -> Node:
    if node.items is None:
        raise ValueError(f"{node.kind} without items")
    return node.items


def _blocks(item: Node, wanted: bool) -> Read:
    """Items in blocks; each must use bytes, or five bytes could stand for millions of items."""
    read_item = _reader(item, wanted)

    def read(cursor: Cursor) -> list[Any]:
        items: list[Any] = []
        while count := cursor.varint():
            if count < 0:
                cursor.varint()
                count = -count
            if count > cursor.end - cursor.at:
                raise Fault("truncated", f"announces {count} items and {cursor.end - cursor.at} bytes are left")
            for _ in range(count):
                before = cursor.at
                items.append(read_item(cursor))
                if cursor.at == before:
                    raise Fault("decode", "has items of no bytes")
        return items

    return read


_COMPOUND: dict[str, Callable[[Node, bool], Read]] = {
    "record": _record,
    "union": _union,
    "array": _array,
    "map": _map,
}


def _skipper(node: Node) -> Read:
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


_SCALARS: dict[str, Callable[[Node], Read]] = {
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
