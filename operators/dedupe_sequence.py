"""Duplicates and gaps by the numbers that a source gives its events: exact, and a few bytes per source.

A source's numbers seen so far are an interval with holes. The common case, every source going on with its
next number, is one vector comparison for a whole batch; only sources that skipped or repeated a number are
looked at one by one. State is kept per lane together with its offsets, since a re-send meets its original in
the same partition (producers key records by source).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from operators.numbering import Holes, SourceTable, sort_by_source

Longs = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

NEW, DUPLICATE, REUSED, EXPIRED, UNVERIFIED = range(5)


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of a source that were skipped: messages lost before they reached us, until they turn up."""

    source: str
    first: int
    last: int


@dataclass(slots=True)
class Verdicts:
    """What became of each numbered row.

    Args:
        codes: NEW, DUPLICATE, REUSED (the number was seen but the event is newer than all before: the source
            started its numbering again without a new scope) or EXPIRED (its hole had been given up);
            UNVERIFIED is said by ids only: accepted, but too old to be recognised as a repetition.
        gaps: Holes that this batch opened.
    """

    codes: Codes
    gaps: list[Gap] = field(default_factory=list)


@dataclass(slots=True)
class SequenceTracker:
    """Numbers seen per source.

    Args:
        modulus: Register width of a source's number, by name of the source; 0 where it does not wrap.
        most_holes: Holes kept per source; the oldest beyond that are given up.
    """

    modulus: Callable[[str], int] = lambda _source: 0
    most_holes: int = 1000
    table: SourceTable = field(default_factory=SourceTable)
    holes: dict[int, Holes] = field(default_factory=dict)

    def wrapping(self, hashes: npt.NDArray[np.uint64], names: Callable[[Longs], list[str]]) -> Bools:
        """Rows of sources whose numbers wrap."""
        return self.table.modulus[self.table.find(hashes, names, self.modulus)] > 0

    def judge(
        self,
        hashes: npt.NDArray[np.uint64],
        names: Callable[[Longs], list[str]],
        numbers: Longs,
        times: Longs,
    ) -> Verdicts:
        """Judge rows in log order.

        Args:
            hashes: uint64 identity of each row's numbering scope.
            names: Gives the scope names of some rows; asked only for scopes never seen before.
            numbers: int64 sequence numbers.
            times: int64 event times in microseconds.
        """
        if not len(numbers):
            return Verdicts(np.zeros(0, np.uint8))
        index = self.table.find(hashes, names, self.modulus)
        order = sort_by_source(index)
        sources, raw, when = index[order], numbers[order], times[order]
        starts = np.flatnonzero(np.r_[True, sources[1:] != sources[:-1]])
        steps = self._unwrapped(sources, raw, starts)
        expected = np.empty_like(steps)
        expected[1:] = steps[:-1] + 1
        next_numbers = self.table.next[sources[starts]]
        expected[starts] = np.where(next_numbers < 0, steps[starts], next_numbers)
        odd = steps != expected
        verdicts = Verdicts(np.zeros(len(numbers), np.uint8))
        ends = np.r_[starts[1:], len(steps)] - 1
        newest = np.maximum.reduceat(when, starts)
        if odd.any():
            strange = np.unique(sources[odd])
            for source in strange.tolist():
                low, high = np.searchsorted(sources, [source, source + 1]).tolist()
                rows = zip(order[low:high], raw[low:high].tolist(), when[low:high].tolist(), strict=True)
                self._judge_odd(source, rows, verdicts)
            plain = ~np.isin(sources[starts], strange)
            starts, ends, newest = starts[plain], ends[plain], newest[plain]
        self._advance(sources[starts], steps[starts], steps[ends], newest)
        return verdicts

    def _unwrapped(self, sources: Longs, raw: Longs, starts: Longs) -> Longs:
        """Numbers of wrapping sources, continued beyond their register from row to row.

        Right where each row goes on from the highest before it; `_judge_odd` sees to the sources where one
        does not.
        """
        moduli = self.table.modulus[sources]
        if not moduli.any():
            return raw
        wraps = moduli > 0
        known = self.table.next[sources[starts]] - 1
        before = np.empty_like(raw)
        before[1:] = raw[:-1]
        before[starts] = np.where(known < 0, raw[starts], known)
        modulus = np.where(wraps, moduli, 1)
        half = modulus // 2
        step = (raw - before + half) % modulus - half
        running = np.cumsum(step)
        base = np.where(known < 0, raw[starts], known)
        lengths = np.diff(np.r_[starts, len(raw)])
        offset = np.repeat(base - running[starts] + step[starts], lengths)
        return np.where(wraps, running + offset, raw)

    def _advance(self, sources: Longs, first: Longs, last: Longs, newest: Longs) -> None:
        """Move the sources whose rows all followed on."""
        table = self.table
        fresh = table.next[sources] < 0
        table.first[sources[fresh]] = first[fresh]
        table.next[sources] = last + 1
        table.newest[sources] = np.maximum(table.newest[sources], newest)

    def _judge_odd(self, source: int, rows: Iterable[tuple[Any, int, int]], verdicts: Verdicts) -> None:
        """Row by row (position, number, time) for a source that skipped or repeated a number."""
        holes = self.holes.setdefault(source, Holes())
        for position, raw, time in rows:
            number = self._continued(source, raw)
            verdicts.codes[position] = self._judge_one(source, holes, number, time, verdicts.gaps)
        holes.give_up(self.most_holes)
        if holes.empty:
            del self.holes[source]

    def _continued(self, source: int, raw: int) -> int:
        """A number as it lies nearest to the highest seen, which does not depend on how the log was cut."""
        modulus, highest = int(self.table.modulus[source]), int(self.table.next[source]) - 1
        if modulus == 0 or highest < 0:
            return raw
        half = modulus // 2
        return highest + (raw - highest + half) % modulus - half

    def _judge_one(self, source: int, holes: Holes, number: int, time: int, gaps: list[Gap]) -> int:
        table = self.table
        newest = int(table.newest[source])
        if table.next[source] < 0:
            table.first[source], table.next[source], table.newest[source] = number, number + 1, time
            return NEW
        if number >= table.next[source]:
            if number > table.next[source]:
                holes.open(int(table.next[source]), number)
                gaps.append(Gap(table.names[source], int(table.next[source]), number - 1))
            table.next[source] = number + 1
        elif number < table.first[source] and time <= newest:
            holes.open(number + 1, int(table.first[source]))
            table.first[source] = number
        elif holes.fill(number):
            pass
        elif holes.was_given_up(number):
            return EXPIRED
        else:
            return REUSED if time > newest else DUPLICATE
        table.newest[source] = max(newest, time)
        return NEW

    def missing(self) -> list[Gap]:
        """Numbers that were skipped and have not turned up since, by source."""
        return [
            Gap(self.table.names[source], start, end - 1)
            for source, holes in self.holes.items()
            for start, end in holes.snapshot()["holes"]
        ]

    def snapshot(self) -> dict[str, Any]:
        """Plain values that `restore` takes."""
        return {"table": self.table.snapshot(), "holes": {k: h.snapshot() for k, h in self.holes.items()}}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self.table.restore(state["table"], self.modulus)
        self.holes = {int(k): Holes.of(h) for k, h in state["holes"].items()}
