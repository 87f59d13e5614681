"""Arrays and records inside of a record, for thousands of records at once.

The first items of all records are read together, then the second ones: as many steps as the longest array has items.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from schemas.found import AnyFound, Found, FoundList, FoundRecord, joined
from schemas.plan import Node
from schemas.vectors import Flags, Ints, Page, either, flagged, numbers

#: A scan of one value: what was found, the positions behind it, the records that cannot be read.
Scan = Callable[[Page, Ints], tuple[AnyFound, Ints, Flags | None]]
#: Longer arrays are left to the record decoder: one such record would make a step per item for itself alone.
MOST_ITEMS = 64


def record(members: list[tuple[str, Scan, bool]], node: Node) -> Scan:
    """Fields one behind the other, each as name, scan, and whether the reader has it."""

    def read(page: Page, at: Ints) -> tuple[AnyFound, Ints, Flags | None]:
        fields: dict[str, AnyFound] = {}
        bad: Flags | None = None
        for name, scan, wanted in members:
            value, at, unread = scan(page, at)
            bad = either(bad, unread)
            if wanted:
                fields[name] = value
        return FoundRecord(fields, node.defaults), at, bad

    return read


def array(item: Scan) -> Scan:
    """Blocks of items, each with its count, behind a negative count its size, until a block of none."""
    return lambda page, at: _Arrays(page, item, at).read()


class _Arrays:
    """The arrays that begin at the positions `at`, while they are read."""

    def __init__(self, page: Page, item: Scan, at: Ints) -> None:
        self._page, self._item, self._at = page, item, at.copy()
        self._counts = np.zeros(len(at), np.int64)
        self._bad = np.zeros(len(at), np.bool_)
        self._parts: list[AnyFound] = []
        self._rows: list[Ints] = []

    def read(self) -> tuple[AnyFound, Ints, Flags | None]:
        rows = np.arange(len(self._at))
        while len(rows):
            announced = self._announced(rows)
            for number in range(announced.max(initial=0)):
                self._items(rows[announced > number])
            rows = rows[announced > 0]
        return FoundList(self._in_order(), self._counts), self._at, flagged(self._bad)

    def _announced(self, rows: Ints) -> Ints:
        """Items of the next block of each; none of a record that is given up, so that garbage ends too."""
        count, self._at[rows], unread = numbers(self._page, self._at[rows])
        sized = np.flatnonzero(count < 0)
        if len(sized):
            count[sized] = -count[sized]
            _, self._at[rows[sized]], unread_size = numbers(self._page, self._at[rows[sized]])
            if unread_size is not None:
                self._bad[rows[sized[unread_size]]] = True
        # The smallest number has no positive counterpart.
        self._bad[rows] |= (count < 0) | (count > MOST_ITEMS - self._counts[rows])
        if unread is not None:
            self._bad[rows] |= unread
        return np.where(self._bad[rows], 0, count)

    def _items(self, rows: Ints) -> None:
        value, behind, unread = self._item(self._page, self._at[rows])
        # An item of no bytes: five bytes could stand for millions of them.
        self._bad[rows] |= behind == self._at[rows]
        if unread is not None:
            self._bad[rows] |= unread
        self._at[rows] = behind
        self._counts[rows] += 1
        self._parts.append(value)
        self._rows.append(rows)

    def _in_order(self) -> AnyFound | None:
        """All items, record by record instead of step by step."""
        if not self._parts:
            return None
        items = joined(self._parts, [len(rows) for rows in self._rows])
        if len(self._parts) == 1:
            return items
        return items.only(np.argsort(np.concatenate(self._rows), kind="stable"))


def passed(scan: Scan) -> Scan:
    """A scan whose values nobody wants."""

    def read(page: Page, at: Ints) -> tuple[AnyFound, Ints, Flags | None]:
        _, behind, bad = scan(page, at)
        return Found(), behind, bad

    return read
