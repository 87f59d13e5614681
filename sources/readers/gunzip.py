"""Gzip streams that give everything readable before a damaged or missing end, a bounded piece at a time."""

from __future__ import annotations

import zlib
from typing import IO

_PACKED = 1 << 16
_GZIP = 31


class Gunzip:
    """Reads a gzip stream of one or more members.

    The standard reader withholds a whole block when its end is missing; here only the end itself is lost.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._inflate = zlib.decompressobj(_GZIP)
        self._packed = b""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end.

        Raises:
            EOFError: The stream ends within a member.
            zlib.error: The stream is damaged.
        """
        while True:
            if self._inflate.eof:
                self._packed = (self._inflate.unused_data or self._stream.read(_PACKED)).lstrip(b"\0")
                if not self._packed:
                    return b""
                self._inflate = zlib.decompressobj(_GZIP)
            packed = self._packed or self._stream.read(_PACKED)
            if not packed:
                raise EOFError("the gzip stream ends early")
            found = self._inflate.decompress(packed, size)
            self._packed = self._inflate.unconsumed_tail
            if found:
                return found
