"""Reading one Avro value of thousands of records at once with numpy.

A page is the records of a batch in one run of bytes. Every function takes the positions at which the records
stand and returns values, the positions behind them, and which records it could not read. It may refuse more
than Avro does (the record decoder decides on those); it never reads a value that the record decoder would
read differently. Positions of a broken record may run past its end, even past the page: reads are clipped,
and since no step goes backwards such a record cannot end where it should.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.batch import MARGIN

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Octets = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

#: Longer values are left to the record decoder, which knows the cap of a record.
MAX_LENGTH = 1 << 20

_ONE = np.uint64(1)
_CONTINUES = np.uint64(0x8080808080808080)
_SEVENS = np.uint64(0x7F7F7F7F7F7F7F7F)
#: Squeezing the continuation bits out of eight bytes: keep, move, by how far.
_FOLDS = (
    (np.uint64(0x007F007F007F007F), np.uint64(0x7F007F007F007F00), np.uint64(1)),
    (np.uint64(0x00003FFF00003FFF), np.uint64(0x3FFF00003FFF0000), np.uint64(2)),
    (np.uint64(0x000000000FFFFFFF), np.uint64(0x0FFFFFFF00000000), np.uint64(4)),
)


class Page:
    """Records in one run of bytes, seen as bytes and as overlapping words.

    Args:
        data: The records, with `MARGIN` before the first and behind the last.
    """

    __slots__ = ("_pairs", "_words", "data", "last", "octets")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.octets: Octets = np.frombuffer(self.data, np.uint8)
        self.last = len(self.data) - 16
        shape = (self.last + 1,)
        self._words: Words = np.ndarray(shape, "<u8", self.data, strides=(1,))
        self._pairs: npt.NDArray[Any] = np.ndarray(shape, "V16", self.data, strides=(1,))

    @classmethod
    def of(cls, records: Sequence[bytes]) -> Page:
        """Records laid end to end."""
        return cls(b"".join([MARGIN, *records, MARGIN]))

    def octets_at(self, at: Ints) -> Octets:
        """One byte per position."""
        return self.octets.take(at, mode="clip")

    def words_at(self, at: Ints) -> Words:
        """Eight bytes per position, the first lowest."""
        words: Words = self._words[np.minimum(at, self.last)]
        return words

    def pairs_at(self, at: Ints) -> Words:
        """Sixteen bytes per position as rows of two words."""
        return self._pairs[np.minimum(at, self.last)].view(np.uint64).reshape(-1, 2)


def either(first: Flags | None, second: Flags | None) -> Flags | None:
    """Records flagged by one or the other; None means none."""
    if first is None:
        return second
    return first if second is None else first | second


def flagged(flags: Flags) -> Flags | None:
    """None where no record is flagged."""
    return flags if flags.any() else None


def numbers(page: Page, at: Ints) -> tuple[Ints, Ints, Flags | None]:
    """Zigzag numbers: values, positions behind, records whose number has more than eight bytes."""
    octets = page.octets_at(at)
    if np.bitwise_or.reduce(octets) < 0x80:
        small = (octets >> 1).view(np.int8) ^ -(octets & 1).view(np.int8)
        return small.astype(np.int64), at + 1, None
    words = page.words_at(at)
    ends = ~words
    ends &= _CONTINUES
    below = ends - _ONE
    below ^= ends  # every bit up to the one that ends the number; none ends it: all of them
    size = np.bitwise_count(below) >> 3
    below &= _SEVENS
    words &= below
    for keep, move, distance in _FOLDS:
        words = (words & keep) | ((words & move) >> distance)
    values = (words >> _ONE).view(np.int64) ^ -(words & _ONE).view(np.int64)
    return values, at + size, flagged(ends == 0)


def slices(page: Page, at: Ints) -> tuple[Ints, Ints, Ints, Flags | None]:
    """Length-prefixed bytes: first byte, length, positions behind, records with an impossible length."""
    octets = page.octets_at(at)
    if not np.bitwise_or.reduce(octets) & 0x81:
        begin = at + 1
        length = (octets >> 1).astype(np.int64)
        return begin, length, begin + length, None
    length, begin, bad = numbers(page, at)
    wrong = flagged((length < 0) | (length > MAX_LENGTH))
    if wrong is not None:
        length[wrong] = 0
    return begin, length, begin + length, either(bad, wrong)


def big_endian(page: Page, begin: Ints, length: Ints) -> tuple[Ints, Flags | None]:
    """Two's complement numbers of one to eight bytes, most significant first."""
    shift = 64 - (length << 3)
    wrong = flagged((shift < 0) | (shift > 56))
    if wrong is not None:
        shift[wrong] = 0
    words = page.words_at(begin)
    words.byteswap(inplace=True)
    return words.view(np.int64) >> shift, wrong


#: Bytes of a string that stand in its view.
INLINE = 12
#: For a string of 0 to 12 bytes: which bytes of its two view words belong to it.
_SHORT = np.array(
    [[(1 << 8 * (4 + min(n, 4))) - (1 << 32), (1 << 8 * max(n - 4, 0)) - 1] for n in range(13)],
    dtype=np.uint64,
)
_LOW, _HIGH = np.ascontiguousarray(_SHORT[:, 0]), np.ascontiguousarray(_SHORT[:, 1])
_NOT_ASCII = np.uint64(0x8080808000000000)


def views(page: Page, begin: Ints, length: Ints) -> tuple[Words, bool]:
    """Arrow's binary views (16 bytes each) of slices of the page, and whether all are certainly ASCII.

    Up to 12 bytes stand in the view itself; a longer one names its place in the page (buffer 0). See the
    Arrow columnar format, "Variable-size Binary View Layout".
    """
    pairs = page.pairs_at(begin - 4)
    longest = int(length.max(initial=0))
    clipped = length if longest <= 12 else np.minimum(length, 12)
    low, high = pairs[:, 0], pairs[:, 1]
    low &= _LOW.take(clipped)
    high &= _HIGH.take(clipped)
    ascii_only = longest <= 12 and not (
        np.bitwise_or.reduce(low) & _NOT_ASCII or np.bitwise_or.reduce(high) & _CONTINUES
    )
    low |= length.view(np.uint64)
    if longest > 12:
        long = length > 12
        high[long] = begin[long].view(np.uint64) << np.uint64(32)
    return pairs, ascii_only
