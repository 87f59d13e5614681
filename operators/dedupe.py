"""Which rows of a batch are new: by the source's own numbers where it numbers, else by event id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from operators.dedupe_ids import IdTracker
from operators.dedupe_sequence import DUPLICATE, EXPIRED, NEW, REUSED, Gap, SequenceTracker
from operators.hashing import hash_columns

__all__ = ["DUPLICATE", "EXPIRED", "NEW", "REUSED", "Deduplicator", "Gap", "Numbering"]

Longs = npt.NDArray[np.int64]
HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Numbering:
    """How sources number their events.

    Args:
        scope: Columns within which a number is unique.
        modulus: Register width by pattern of the source's name (`press-*`), for numbers that wrap; first match counts.
        id_horizon: Microseconds of event time within which an event without number is recognised by its id.
    """

    scope: Sequence[str] = ("plant", "source")
    modulus: tuple[tuple[str, int], ...] = ()
    id_horizon: int = HOUR

    def modulus_of(self, name: str) -> int:
        """Register width of a scope's numbers; 0 where they do not wrap."""
        source = name.rsplit("\x1f", 1)[-1]
        return next((width for pattern, width in self.modulus if fnmatchcase(source, pattern)), 0)


@dataclass(slots=True)
class Deduplicator:
    """State of de-duplication for one lane and contract; exact for numbered sources."""

    numbering: Numbering = field(default_factory=Numbering)
    enabled: bool = True
    sequences: SequenceTracker = field(init=False)
    ids: IdTracker = field(init=False)

    def __post_init__(self) -> None:
        """Build the trackers that the numbering declares."""
        self.sequences = SequenceTracker(self.numbering.modulus_of)
        self.ids = IdTracker(self.numbering.id_horizon)

    def judge(self, frame: pl.DataFrame, times: Longs, progress: int) -> tuple[npt.NDArray[np.uint8], list[Gap]]:
        """Code per row (NEW, DUPLICATE, REUSED, EXPIRED) in log order, and the gaps that opened.

        Args:
            frame: Rows with the scope columns, `sequence` and `event_id`.
            times: Event time per row, microseconds; the lowest int64 for a row that may not move any clock.
            progress: Newest event time of the lane, microseconds.
        """
        codes = np.zeros(frame.height, np.uint8)
        if not self.enabled or not frame.height:
            return codes, []
        unnumbered = frame["sequence"].null_count()
        if unnumbered == 0:
            return self._by_number(frame, times)
        numbered = frame["sequence"].is_not_null().to_numpy()
        gaps: list[Gap] = []
        if unnumbered < frame.height:
            rows = np.flatnonzero(numbered)
            codes[rows], gaps = self._by_number(frame.filter(numbered), times[rows])
        rows = np.flatnonzero(~numbered)
        codes[rows] = self._by_id(frame.filter(~numbered), times[rows])
        self.ids.forget(progress)
        return codes, gaps

    def _by_number(self, frame: pl.DataFrame, times: Longs) -> tuple[npt.NDArray[np.uint8], list[Gap]]:
        scope = list(self.numbering.scope)

        def names(rows: Longs) -> list[str]:
            return frame[rows].select(pl.concat_str(scope, separator="\x1f", ignore_nulls=False)).to_series().to_list()

        hashes = hash_columns(frame, scope)
        verdicts = self.sequences.judge(hashes, names, frame["sequence"].to_numpy(), times)
        return verdicts.codes, verdicts.gaps

    def _by_id(self, frame: pl.DataFrame, times: Longs) -> npt.NDArray[np.uint8]:
        columns = [*self.numbering.scope, "event_id"]
        one, two = hash_columns(frame, columns), hash_columns(frame, columns, seed=1)
        return self.ids.duplicates(one, two, times).astype(np.uint8)

    def snapshot(self) -> dict[str, Any]:
        """Plain values."""
        return {"sequences": self.sequences.snapshot(), "ids": self.ids.snapshot()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self.sequences.restore(state["sequences"])
        self.ids.restore(state["ids"])
