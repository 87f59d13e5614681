"""One record at a time: the reference for what is accepted, and what names the fault of a bad record.

The decoder is strict where Avro libraries are lenient, because a record that is nearly right books wrong
pieces: the body is consumed to its last byte, enum indices exist, text is UTF-8, booleans are 0 or 1,
decimals fit their precision, instants fit the years 1 to 9999, and no length or count exceeds the bytes that
are left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.errors import Rejected
from schemas.cursor import Cursor, Fault
from schemas.plan import Member, Node
from schemas.scalar_readers import SCALARS, Read, skipper


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
        return skipper(node)
    return SCALARS[node.kind](node)


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
