"""A batch's records on their way through the codec: where they lie, and what has been decided of them."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl

from schemas.batch import MARGIN, DecodedBatch, Header, PackedValues, RawBatch, Reject
from schemas.vectors import Flags, Ints, Page

#: Bytes of a record; a larger one is rejected as oversize.
MAX_RECORD = 1 << 20
#: Bytes of the records that are decoded together (Arrow's views hold 31-bit offsets).
MAX_PAGE = 1 << 28


@dataclass(frozen=True, slots=True)
class Records:
    """Some records of a page.

    Args:
        page: The page.
        rows: Their indices into the raw batch, rising.
        begin: First byte of each in the page.
        end: Byte behind each.
    """

    page: Page
    rows: Ints
    begin: Ints
    end: Ints

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, chosen: Ints | Flags) -> Records:
        """The chosen ones."""
        if len(chosen) == len(self.rows) and chosen.dtype != np.bool_:
            return self
        return Records(self.page, self.rows[chosen], self.begin[chosen], self.end[chosen])

    def without(self, read: Ints) -> Records:
        """All but those at the given indices."""
        left = np.ones(len(self.rows), np.bool_)
        left[read] = False
        return self.only(left)

    def behind(self, size: int) -> Records:
        """The same records without their first bytes."""
        return Records(self.page, self.rows, self.begin + size, self.end)


class Verdict:
    """What has been decided of a batch so far.

    Args:
        raw: The batch.
    """

    def __init__(self, raw: RawBatch) -> None:
        self.rejects: list[Reject] = []
        self._raw = raw
        self._frames: list[pl.DataFrame] = []
        self._rows: list[Ints] = []

    def headers(self, row: int) -> Sequence[Header] | None:
        """Headers of a record."""
        return None if self._raw.headers is None else self._raw.headers(row)

    def accept(self, frame: pl.DataFrame, rows: Ints) -> None:
        """Records that keep the contract."""
        if frame.height:
            self._frames.append(frame)
            self._rows.append(rows)

    def reject(self, rows: Ints, reason: str, detail: str) -> None:
        """Records that break it all in the same way."""
        self.rejects.extend(Reject(row, reason, detail) for row in rows.tolist())

    def result(self, types: dict[str, pl.DataType]) -> DecodedBatch:
        """Everything in the order of the batch."""
        self.rejects.sort(key=lambda reject: reject.row)
        if not self._frames:
            rows = np.empty(0, np.int64) if self._raw.values else None
            return DecodedBatch(pl.DataFrame(schema=types), rows, self.rejects)
        frame, rows = self._frames[0], self._rows[0]
        if len(self._frames) > 1:
            rows = np.concatenate(self._rows)
            order = np.argsort(rows)
            frame, rows = pl.concat(self._frames)[order], rows[order]
        return DecodedBatch(frame, None if len(rows) == len(self._raw.values) else rows, self.rejects)


def detached(frame: pl.DataFrame) -> pl.DataFrame:
    """A copy that does not keep its batch in memory, for rows that outlive the batch.

    Texts of more than 12 bytes refer to the bytes of their batch; filtering, gathering and concatenating keep
    the reference, writing does not.
    """
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    buffer.seek(0)
    return pl.read_ipc(buffer)


def pages(values: Sequence[bytes | None], verdict: Verdict) -> Iterator[Records]:
    """Lay the records end to end, unless they lie so; tombstones and oversized ones are rejected on the way."""
    if isinstance(values, PackedValues) and len(values.data) > MAX_PAGE:
        values = list(values)
    sizes = values.sizes if isinstance(values, PackedValues) else _sizes(values)
    rows = np.arange(len(sizes))
    if sizes.min(initial=0) < 0 or sizes.max(initial=0) > MAX_RECORD:
        verdict.reject(rows[sizes < 0], "tombstone", "the record has no value")
        verdict.reject(rows[sizes > MAX_RECORD], "oversize", f"the record has more than {MAX_RECORD} bytes")
        rows = rows[(sizes >= 0) & (sizes <= MAX_RECORD)]
        sizes = sizes[rows]
        values = values.only(rows) if isinstance(values, PackedValues) else [values[row] for row in rows.tolist()]
    if not isinstance(values, PackedValues):
        yield from _laid(values, rows, sizes)
    elif len(rows):
        yield Records(Page(values.data), rows, values.begin, values.begin + sizes)


def _laid(values: Sequence[bytes | None], rows: Ints, sizes: Ints) -> Iterator[Records]:
    ends = sizes.cumsum()
    for first, last in _cuts(ends):
        end = ends[first:last] + (len(MARGIN) - ends[first] + sizes[first])
        page = Page.of(cast("Sequence[bytes]", values if last - first == len(values) else values[first:last]))
        yield Records(page, rows[first:last], end - sizes[first:last], end)


def _cuts(ends: Ints) -> Iterator[tuple[int, int]]:
    """First and last record of each page: one page, unless a batch is huge."""
    if not len(ends):
        return
    starts = [0]
    if ends[-1] > MAX_PAGE:
        starts += (np.flatnonzero(np.diff(ends // MAX_PAGE)) + 1).tolist()
    yield from itertools.pairwise([*starts, len(ends)])


def _sizes(values: Sequence[bytes | None]) -> npt.NDArray[np.int64]:
    """Bytes of each value; -1 for a tombstone."""
    try:
        return np.fromiter(map(len, cast("Sequence[bytes]", values)), np.int64, len(values))
    except TypeError:
        return np.array([-1 if value is None else len(value) for value in values], np.int64)
