"""What the numbering of sources needs: a table of sources by hash, and the holes in a source's numbers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from operators.frames import Packed, packed, unpacked

Longs = npt.NDArray[np.int64]
_SIXTEEN_BITS = 0xFFFF
_UNSEEN = np.iinfo(np.int64).min
#: Columns of a snapshot.
_SAVED: dict[str, type[np.int64 | np.uint64]] = {
    "first": np.int64,
    "next": np.int64,
    "newest": np.int64,
    "_keys": np.uint64,
}


def sort_by_source(index: Longs) -> Longs:
    """Stable order of rows by a small index: radix sort by 16 bits, faster than a comparison sort."""
    order = np.argsort(index.astype(np.uint16), kind="stable")
    if len(index) and int(index.max()) > _SIXTEEN_BITS:
        high = (index >> 16).astype(np.uint16)
        order = order[np.argsort(high[order], kind="stable")]
    return order


class SourceTable:
    """Maps the hash of a source to a small dense index; open addressing, looked up for a whole batch at once.

    Per source: `first` and `next` number (next < 0: none seen yet), `newest` event time, `modulus`.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._packed: tuple[int, Packed, Packed] | None = None
        self.hashes = np.zeros(0, np.uint64)
        self._clear(1024)

    def _clear(self, capacity: int) -> None:
        self._slots = np.full(capacity, -1, np.int64)
        room = capacity // 2
        self.first, self.next = np.full(room, -1, np.int64), np.full(room, -1, np.int64)
        self.newest, self.modulus = np.full(room, _UNSEEN, np.int64), np.zeros(room, np.int64)
        self._keys = np.zeros(room, np.uint64)

    def find(
        self,
        hashes: npt.NDArray[np.uint64],
        names: Callable[[Longs], list[str]],
        modulus: Callable[[str], int],
    ) -> Longs:
        """Index of each hash; those never seen get the next free ones."""
        index = self._lookup(hashes)
        missing = np.flatnonzero(index < 0)
        if len(missing):
            fresh, rows = np.unique(hashes[missing], return_index=True)
            self._insert(fresh, names(missing[rows]), modulus)
            index[missing] = self._lookup(hashes[missing])
        return index

    def _lookup(self, hashes: npt.NDArray[np.uint64]) -> Longs:
        mask = np.uint64(len(self._slots) - 1)
        place = (hashes & mask).astype(np.int64)
        found = self._slots[place]
        wrong = np.flatnonzero((found >= 0) & (self._keys[found] != hashes))
        while len(wrong):
            place[wrong] = (place[wrong] + 1) & (len(self._slots) - 1)
            found[wrong] = self._slots[place[wrong]]
            again = found[wrong]
            wrong = wrong[(again >= 0) & (self._keys[again] != hashes[wrong])]
        return found

    def _insert(self, fresh: npt.NDArray[np.uint64], names: list[str], modulus: Callable[[str], int]) -> None:
        start, total = len(self.names), len(self.names) + len(fresh)
        if total * 2 > len(self._slots):
            self._grow(total)
        self.names.extend(name.replace("\n", " ") for name in names)
        self._keys[start:total] = fresh
        self.modulus[start:total] = [modulus(name) for name in names]
        self._place(start, total)

    def _place(self, start: int, total: int) -> None:
        """Give slots to new sources: all at once, then those that found theirs taken, one place further."""
        mask = len(self._slots) - 1
        pending = np.arange(start, total)
        place = (self._keys[start:total] & np.uint64(mask)).astype(np.int64)
        while len(pending):
            free = self._slots[place] < 0
            self._slots[place[free]] = pending[free]
            left = self._slots[place] != pending
            pending, place = pending[left], (place[left] + 1) & mask

    def _grow(self, total: int) -> None:
        keep = len(self.names)
        old = (self.first, self.next, self.newest, self.modulus, self._keys)
        capacity = len(self._slots)
        while total * 2 > capacity:
            capacity *= 4
        self._clear(capacity)
        for new, former in zip((self.first, self.next, self.newest, self.modulus, self._keys), old, strict=True):
            new[:keep] = former[:keep]
        self._place(0, keep)

    def snapshot(self) -> dict[str, Any]:
        """Plain values: names and columns as compressed bytes; what only grows is compressed when it has grown."""
        size = len(self.names)
        if self._packed is None or self._packed[0] != size:
            self._packed = (size, packed("\n".join(self.names).encode()), packed(self._keys[:size].tobytes()))
        columns = {name: packed(getattr(self, name)[:size].tobytes()) for name in _SAVED if name != "_keys"}
        return {"size": size, "names": self._packed[1], "_keys": self._packed[2], **columns}

    def restore(self, state: dict[str, Any], modulus: Callable[[str], int]) -> None:
        """Take over a snapshot; register widths are those declared now."""
        size = int(state["size"])
        capacity = 1024
        while size * 2 > capacity:
            capacity *= 4
        self._clear(capacity)
        self.names = unpacked(state["names"]).decode().split("\n") if size else []
        for column, kind in _SAVED.items():
            getattr(self, column)[:size] = np.frombuffer(unpacked(state[column]), kind)
        self.modulus[:size] = [modulus(name) for name in self.names]
        self._place(0, size)


class Holes:
    """Numbers missing between the first and the next of a source: half-open intervals, sorted."""

    def __init__(self) -> None:
        self._holes: list[tuple[int, int]] = []
        self._given_up: list[tuple[int, int]] = []

    @classmethod
    def of(cls, state: dict[str, list[tuple[int, int]]]) -> Holes:
        """From a snapshot."""
        holes = cls()
        holes._holes = [(a, b) for a, b in state["holes"]]
        holes._given_up = [(a, b) for a, b in state["given_up"]]
        return holes

    def snapshot(self) -> dict[str, list[tuple[int, int]]]:
        """Plain lists."""
        return {"holes": list(self._holes), "given_up": list(self._given_up)}

    @property
    def empty(self) -> bool:
        """Whether nothing is remembered."""
        return not self._holes and not self._given_up

    def open(self, start: int, end: int) -> None:
        """Numbers from start to end - 1 are missing."""
        if start < end:
            self._holes.append((start, end))
            self._holes.sort()

    def fill(self, number: int) -> bool:
        """Take a missing number out; whether it was missing."""
        at = bisect_right(self._holes, (number, _FAR)) - 1
        if at < 0 or not self._holes[at][0] <= number < self._holes[at][1]:
            return False
        start, end = self._holes.pop(at)
        self.open(start, number)
        self.open(number + 1, end)
        return True

    def was_given_up(self, number: int) -> bool:
        """Whether the number lay in a hole that is no longer tracked."""
        return any(start <= number < end for start, end in self._given_up)

    def give_up(self, most: int) -> None:
        """Keep the newest `most` holes; the rest becomes one span whose numbers can't be judged any more."""
        if len(self._holes) > most:
            lost, self._holes = self._holes[:-most], self._holes[-most:]
            spans = [*self._given_up, (lost[0][0], lost[-1][1])]
            self._given_up = [(min(s[0] for s in spans), max(s[1] for s in spans))]


_FAR = np.iinfo(np.int64).max
