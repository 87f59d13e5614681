"""Numbers for rows with equal keys, found for a whole frame at once.

A key is known by two 64-bit hashes. That two of a million keys share both has a probability of 1e-27, far below that
of a memory error, so keys themselves are not compared. The hashes never leave the process: a restored index hashes
its keys anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

Longs = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_ODD = np.uint64(0x9E3779B97F4A7C15)


class RowIndex:
    """Dense numbers, from 0, in the order in which keys were first seen; open addressing with linear probing.

    Args:
        columns: Columns that make a key; null is a value like any other.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._read = [pl.col(name).hash(seed).alias(f"{name}.{seed}") for seed in (0, 1) for name in columns]
        self._slots = np.full(64, -1, np.int64)
        self._one, self._two = np.zeros(32, np.uint64), np.zeros(32, np.uint64)
        self.count = 0

    def number(self, frame: pl.DataFrame) -> tuple[Longs, Longs]:
        """Number of each row's key, and the rows that brought a key never seen before, in the order of its numbers."""
        one, two = self._hashes(frame)
        numbers = self._find(one, two, np.arange(frame.height))
        missing = np.flatnonzero(numbers < 0)
        brought: list[Longs] = []
        while len(missing):
            rows = missing[pl.Series(one[missing]).is_first_distinct().to_numpy()]
            self._insert(one[rows], two[rows])
            brought.append(rows)
            numbers[missing] = self._find(one, two, missing)
            missing = missing[numbers[missing] < 0]  # only where two keys share the first hash
        return numbers, np.concatenate(brought) if brought else np.zeros(0, np.int64)

    def restore(self, frame: pl.DataFrame) -> None:
        """Take keys that differ from each other and from all others; each row gets the next number."""
        self._insert(*self._hashes(frame))

    def _hashes(self, frame: pl.DataFrame) -> tuple[Hashes, Hashes]:
        columns = frame.select_seq(self._read).get_columns()
        half = len(columns) // 2
        return _combined(columns[:half]), _combined(columns[half:])

    def _find(self, one: Hashes, two: Hashes, rows: Longs) -> Longs:
        mask = len(self._slots) - 1
        one, two = one[rows], two[rows]
        place = (one & np.uint64(mask)).astype(np.int64)
        found = self._slots[place]
        wrong = np.flatnonzero((found >= 0) & ((self._one[found] != one) | (self._two[found] != two)))
        while len(wrong):
            place[wrong] = (place[wrong] + 1) & mask
            again = self._slots[place[wrong]]
            found[wrong] = again
            wrong = wrong[(again >= 0) & ((self._one[again] != one[wrong]) | (self._two[again] != two[wrong]))]
        return found

    def _insert(self, one: Hashes, two: Hashes) -> None:
        start, self.count = self.count, self.count + len(one)
        grown = self.count > len(self._one)
        if grown:
            self._grow(start)
        self._one[start : self.count], self._two[start : self.count] = one, two
        self._place(0 if grown else start)

    def _grow(self, kept: int) -> None:
        room = 1 << (self.count * 2 - 1).bit_length()
        one, two = self._one, self._two
        self._one, self._two = np.zeros(room, np.uint64), np.zeros(room, np.uint64)
        self._one[:kept], self._two[:kept] = one[:kept], two[:kept]
        self._slots = np.full(room * 2, -1, np.int64)

    def _place(self, start: int) -> None:
        """Give slots to keys: to all at once, then to those that found theirs taken, one place further."""
        mask = len(self._slots) - 1
        pending = np.arange(start, self.count)
        place = (self._one[pending] & np.uint64(mask)).astype(np.int64)
        while len(pending):
            free = self._slots[place] < 0
            self._slots[place[free]] = pending[free]
            left = self._slots[place] != pending
            pending, place = pending[left], (place[left] + 1) & mask


def _combined(columns: Sequence[pl.Series]) -> Hashes:
    total = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        total *= _ODD
        total ^= column.to_numpy()
    return total
