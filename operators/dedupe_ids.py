"""Duplicates by `event_id`, for sources that do not number their events: exact within a horizon of event time.

Identities are kept as two independent 64-bit hashes per event, in buckets of event time, so that what has left the
horizon is dropped a bucket at a time. An event older than the horizon can't be judged: it counts as new, and the
lane counts it as unverifiable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Longs = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

BUCKETS_PER_HORIZON = 12


@dataclass(slots=True)
class IdTracker:
    """Event identities seen.

    Args:
        horizon: Microseconds of event time within which a repeated identity is recognised.
    """

    horizon: int
    buckets: dict[int, dict[int, int]] = field(default_factory=dict)

    @property
    def _width(self) -> int:
        return max(1, self.horizon // BUCKETS_PER_HORIZON)

    def duplicates(self, first: Hashes, second: Hashes, times: Longs) -> npt.NDArray[np.bool_]:
        """Which rows, in log order, repeat an identity seen before in the same bucket of event time.

        A re-send keeps its event time, so it meets its original in the same bucket.
        """
        repeated = np.zeros(len(first), np.bool_)
        rows = zip((times // self._width).tolist(), first.tolist(), second.tolist(), strict=True)
        for position, (bucket, one, two) in enumerate(rows):
            seen = self.buckets.setdefault(bucket, {})
            known = seen.get(one)
            if known is None:
                seen[one] = two
            else:
                repeated[position] = known == two
        return repeated

    def forget(self, progress: int) -> None:
        """Drop what lies more than the horizon behind the partition's progress (microseconds)."""
        oldest = (progress - self.horizon) // self._width
        for bucket in [b for b in self.buckets if b < oldest]:
            del self.buckets[bucket]

    def snapshot(self) -> dict[int, tuple[bytes, bytes]]:
        """Buckets as two byte strings of uint64 each."""
        return {
            bucket: (np.array(list(seen), np.uint64).tobytes(), np.array(list(seen.values()), np.uint64).tobytes())
            for bucket, seen in self.buckets.items()
        }

    def restore(self, state: dict[int, tuple[bytes, bytes]]) -> None:
        """Go on from a snapshot."""
        self.buckets = {
            int(bucket): dict(
                zip(np.frombuffer(one, np.uint64).tolist(), np.frombuffer(two, np.uint64).tolist(), strict=True)
            )
            for bucket, (one, two) in state.items()
        }
