"""Which rows of a batch are new: by the source's own numbers where it numbers, else by event id.

A number that wraps is no identity by itself, since a re-send from long ago carries the number of another
event. So for such a source the id decides within the horizon, and the number beyond it; gaps always follow
the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from operators.dedupe_ids import IdTracker
from operators.dedupe_sequence import DUPLICATE, EXPIRED, NEW, REUSED, UNVERIFIED, Gap, SequenceTracker
from operators.hashing import hash_columns

__all__ = ["DUPLICATE", "EXPIRED", "NEW", "REUSED", "UNVERIFIED", "Deduplicator", "Gap", "Numbering"]

Longs = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]
Codes = npt.NDArray[np.uint8]
HOUR = 3_600_000_000
#: Separates the columns of a scope in its name.
SEPARATOR = "\x1f"
#: A number outside 0 to this is no number: its event is judged by id.
MOST = 2**62


@dataclass(frozen=True, slots=True)
class Numbering:
    """How sources number their events.

    Args:
        scope: Columns within which a number is unique.
        modulus: Register width by pattern of the source's name (`press-*`), for numbers that wrap; first
            match counts.
        id_horizon: Microseconds of event time within which an event without number is recognised by its id.
        across_partitions: A re-send may stand in any partition of the lane, as in overlapping exports; only
            where partitions are always read in the same order, as files are.
        most_holes: Gaps remembered per source; numbers of older ones can't be judged any more.
    """

    scope: Sequence[str] = ("plant", "source")
    modulus: tuple[tuple[str, int], ...] = ()
    id_horizon: int = HOUR
    across_partitions: bool = False
    most_holes: int = 1000

    def modulus_of(self, name: str) -> int:
        """Register width of a scope's numbers; 0 where they do not wrap."""
        if not self.modulus:
            return 0
        at = self.scope.index("source") if "source" in self.scope else -1
        source = name.split(SEPARATOR)[at]
        return next((width for pattern, width in self.modulus if fnmatchcase(source, pattern)), 0)

    def names(self, frame: pl.DataFrame) -> list[str]:
        """Name of each row's scope."""
        parts = [
            pl.col(column).cast(pl.String).fill_null("").str.replace_all(SEPARATOR, " ", literal=True)
            for column in self.scope
        ]
        return frame.select(pl.concat_str(parts, separator=SEPARATOR)).to_series().to_list()


@dataclass(slots=True)
class Deduplicator:
    """State of de-duplication for one lane and contract; exact for numbered sources."""

    numbering: Numbering = field(default_factory=Numbering)
    enabled: bool = True
    sequences: SequenceTracker = field(init=False)
    ids: dict[int, IdTracker] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Build the tracker that the numbering declares."""
        self.sequences = SequenceTracker(self.numbering.modulus_of, self.numbering.most_holes)

    def judge(self, frame: pl.DataFrame, times: Longs, partitions: Ints) -> tuple[Codes, list[Gap]]:
        """Code per row (NEW, DUPLICATE, REUSED, EXPIRED, UNVERIFIED) in log order, and the gaps that opened.

        Args:
            frame: Rows with the scope columns, `sequence` and `event_id`.
            times: Event time per row, microseconds; hugely negative for a row that may not move any clock.
            partitions: Partition per row.
        """
        codes = np.zeros(frame.height, np.uint8)
        if not self.enabled or not frame.height:
            return codes, []
        numbers = frame["sequence"]
        if numbers.null_count() == 0 and self._all_usable(numbers.to_numpy()):
            return self._by_number(frame, times, partitions)
        numbered = numbers.is_between(0, MOST, closed="left").fill_null(value=False).to_numpy()
        rows, others = np.flatnonzero(numbered), np.flatnonzero(~numbered)
        gaps: list[Gap] = []
        if len(rows):
            codes[rows], gaps = self._by_number(frame.filter(numbered), times[rows], partitions[rows])
        codes[others] = self._by_id(frame.filter(~numbered), times[others], partitions[others])
        return codes, gaps

    @staticmethod
    def _all_usable(numbers: Longs) -> bool:
        return bool(numbers.min() >= 0 and numbers.max() < MOST)

    def _by_number(self, frame: pl.DataFrame, times: Longs, partitions: Ints) -> tuple[Codes, list[Gap]]:
        def names(rows: Longs) -> list[str]:
            return self.numbering.names(frame[rows])

        hashes, numbers = hash_columns(frame, list(self.numbering.scope)), frame["sequence"].to_numpy()
        wraps = self.sequences.wrapping(hashes, names) if self.numbering.modulus else np.zeros(0, np.bool_)
        if not wraps.any():
            verdicts = self.sequences.judge(hashes, names, numbers, times)
            return verdicts.codes, verdicts.gaps
        codes = np.zeros(frame.height, np.uint8)
        rows = np.flatnonzero(wraps)
        codes[rows] = self._by_id(frame.filter(wraps), times[rows], partitions[rows])
        known = np.flatnonzero(codes != DUPLICATE)
        verdicts = self.sequences.judge(hashes[known], lambda at: names(known[at]), numbers[known], times[known])
        # Of a wrapping source the number has a say only in what the id can't tell.
        codes[known] = np.where(wraps[known] & (codes[known] == NEW), NEW, verdicts.codes)
        return codes, verdicts.gaps

    def _by_id(self, frame: pl.DataFrame, times: Longs, partitions: Ints) -> Codes:
        columns = [*self.numbering.scope, "event_id"]
        one, two = hash_columns(frame, columns), hash_columns(frame, columns, seed=1)
        codes = np.zeros(frame.height, np.uint8)
        if self.numbering.across_partitions:
            partitions = np.zeros_like(partitions)
        for partition in np.unique(partitions).tolist():
            tracker = self.ids.setdefault(partition, IdTracker(self.numbering.id_horizon))
            rows = np.flatnonzero(partitions == partition)
            codes[rows] = tracker.judge(one[rows], two[rows], times[rows])
        return codes

    def snapshot(self) -> dict[str, Any]:
        """Plain values."""
        ids = {partition: tracker.snapshot() for partition, tracker in self.ids.items()}
        return {"sequences": self.sequences.snapshot(), "ids": ids}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self.sequences.restore(state["sequences"])
        for partition, saved in state["ids"].items():
            self.ids[partition] = IdTracker(self.numbering.id_horizon)
            self.ids[partition].restore(saved)
