"""Duplicates by `event_id`, for sources that do not number their events: exact within a horizon.

Identities are kept as two independent 64-bit hashes per event, in buckets of event time, so that what has
left the horizon is dropped a bucket at a time. An event further behind the newest of its partition can't be
judged: it is accepted and counted as unverified. Verdicts follow from the order of the log, never from how it
was cut.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from operators.dedupe_sequence import DUPLICATE, NEW, UNVERIFIED

Longs = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
_Saved = tuple[bytes, bytes]

BUCKETS_PER_HORIZON = 12
_NOTHING_YET = -(2**62)


@dataclass(slots=True)
class IdTracker:
    """Event identities of one partition.

    Args:
        horizon: Microseconds of event time within which a repeated identity is recognised.
    """

    horizon: int
    newest: int = _NOTHING_YET
    buckets: dict[int, dict[int, int]] = field(default_factory=dict)
    _saved: dict[int, _Saved] = field(default_factory=dict)

    @property
    def _width(self) -> int:
        return max(1, self.horizon // BUCKETS_PER_HORIZON)

    def judge(self, first: Hashes, second: Hashes, times: Longs) -> npt.NDArray[np.uint8]:
        """NEW, DUPLICATE or UNVERIFIED per row, in log order.

        A re-send keeps its event time, so it meets its original in the same bucket.
        """
        before = np.maximum.accumulate(np.r_[self.newest, times])
        codes = np.where(times < before[:-1] - self.horizon, UNVERIFIED, NEW).astype(np.uint8)
        rows = np.flatnonzero(codes == NEW)
        identities = zip(
            rows.tolist(),
            (times[rows] // self._width).tolist(),
            first[rows].tolist(),
            second[rows].tolist(),
            strict=True,
        )
        for row, bucket, one, two in identities:
            if self._seen(bucket, one, two):
                codes[row] = DUPLICATE
        self.newest = int(before[-1])
        self._forget()
        return codes

    def _seen(self, bucket: int, one: int, two: int) -> bool:
        seen = self.buckets.setdefault(bucket, {})
        known = seen.get(one)
        if known is None:
            seen[one] = two
            self._saved.pop(bucket, None)
        return known == two

    def _forget(self) -> None:
        oldest = (self.newest - self.horizon) // self._width
        for bucket in [b for b in self.buckets if b < oldest]:
            del self.buckets[bucket]
            self._saved.pop(bucket, None)

    def snapshot(self) -> dict[str, Any]:
        """Buckets as two byte strings of uint64 each; one that did not change is not serialised again."""
        for bucket, seen in self.buckets.items():
            if bucket not in self._saved:
                self._saved[bucket] = (_packed(list(seen)), _packed(list(seen.values())))
        return {"newest": self.newest, "buckets": dict(self._saved)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self.newest, self._saved = state["newest"], dict(state["buckets"])
        self.buckets = {
            bucket: dict(zip(_unpacked(one), _unpacked(two), strict=True)) for bucket, (one, two) in self._saved.items()
        }


def _packed(hashes: list[int]) -> bytes:
    return np.array(hashes, np.uint64).tobytes()


def _unpacked(data: bytes) -> list[int]:
    hashes: list[int] = np.frombuffer(data, np.uint64).tolist()
    return hashes
