"""The unit that flows: one poll of a source, before and after decoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np
import numpy.typing as npt
import polars as pl

Header = tuple[str, bytes | None]
#: Room before the first and after the last record of a page, so that reads of 16 bytes need no special case.
MARGIN = bytes(32)


class PackedValues(Sequence["bytes | None"]):
    """Record values that lie in one run of bytes, with whatever stands between them; no object per value.

    Args:
        data: The bytes, with `MARGIN` before the first value and behind the last.
        begin: int64, first byte of each value.
        sizes: int64, bytes of each value; -1 is a tombstone.
    """

    __slots__ = ("begin", "data", "sizes")

    def __init__(self, data: bytes, begin: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]) -> None:
        self.data, self.begin, self.sizes = data, begin, sizes

    def __len__(self) -> int:
        return len(self.begin)

    @overload
    def __getitem__(self, row: int) -> bytes | None: ...
    @overload
    def __getitem__(self, row: slice) -> PackedValues: ...
    def __getitem__(self, row: int | slice) -> bytes | PackedValues | None:
        if isinstance(row, slice):
            return PackedValues(self.data, self.begin[row], self.sizes[row])
        first, size = int(self.begin[row]), int(self.sizes[row])
        return None if size < 0 else self.data[first : first + size]

    def only(self, rows: npt.NDArray[np.int64]) -> PackedValues:
        """The values of some rows."""
        return PackedValues(self.data, self.begin[rows], self.sizes[rows])


@dataclass(slots=True)
class RawBatch:
    """Records of one topic as polled, in offset order within each partition.

    Args:
        topic: Topic (or file) that was read.
        values: Record values; None is a tombstone.
        partitions: int32, one per value.
        offsets: int64, one per value.
        timestamps: int64 milliseconds since the epoch, one per value: the log's own time of the record.
        headers: Headers of the i-th record, asked for only where the value carries no schema prefix.
    """

    topic: str
    values: Sequence[bytes | None]
    partitions: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    timestamps: npt.NDArray[np.int64]
    headers: Callable[[int], Sequence[Header] | None] | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that cannot be accepted.

    Args:
        row: Index into the raw batch.
        reason: Machine-readable reason (bounded vocabulary).
        detail: One sentence that names the field.
    """

    row: int
    reason: str
    detail: str


@dataclass(slots=True)
class DecodedBatch:
    """What decoding made of a raw batch: every row is either in `frame` or in `rejects`.

    Args:
        frame: One row per accepted record, columns of the reader's contract (or the projection asked for).
        rows: int64 index into the raw batch per frame row; None when every record was accepted in order.
        rejects: The others.
    """

    frame: pl.DataFrame
    rows: npt.NDArray[np.int64] | None = None
    rejects: list[Reject] = field(default_factory=list)
