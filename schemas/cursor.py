"""One record's bytes and a position in them; what a value may be is decided by its reader."""

from __future__ import annotations


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
