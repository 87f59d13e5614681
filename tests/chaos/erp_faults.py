"""What else goes wrong at the ERP while processes die: answers lost, locks, outages, expired sessions."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import httpx

#: Each with how often it comes at a time; the delays stay below the poster's `settle_seconds`.
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "lose_answer", "count": 2},
    {"kind": "half_answer", "count": 1},
    {"kind": "late", "count": 1, "seconds": 0.2},
    {"kind": "drop", "count": 2},
    {"kind": "down", "count": 5},
    {"kind": "lock", "count": 2},
    {"kind": "expire", "count": 1},
    {"kind": "stall", "count": 1, "seconds": 0.5},
)
GAP_S = (1.0, 3.0)


class ErpFaults:
    """Orders a fault every now and then.

    Args:
        url: The sandbox ERP.
        rng: Chooses.
        kinds: From these; all where none is named.
    """

    def __init__(self, url: str, rng: Random, kinds: Sequence[str] = ()) -> None:
        self._choice = [fault for fault in FAULTS if not kinds or fault["kind"] in kinds]
        self._client = httpx.Client(base_url=f"{url}/_control", trust_env=False, timeout=5)
        self._rng = rng
        self._next = time.monotonic()
        self.kinds: Counter[str] = Counter()

    @property
    def ordered(self) -> int:
        """Faults so far."""
        return self.kinds.total()

    def tick(self) -> None:
        """Order the next one when it is time and the ERP lives."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._rng.uniform(*GAP_S)
        try:
            if self._client.get("/faults").json():
                return  # else they would heap up while nobody posts
            fault = self._rng.choice(self._choice)
            self._client.post("/faults", json=fault).raise_for_status()
            self.kinds[fault["kind"]] += 1
        except httpx.TransportError:
            return  # it is dead just now

    def end(self) -> None:
        """Forget the faults that are left."""
        self._client.delete("/faults").raise_for_status()

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()
