"""A partition whose turns are seen: by probes that ask whether the loop advances, and by metrics of its snapshots.

Delivery: that of the partition, which sees nothing of it. Costs two readings of the clock a poll, and nothing an event.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from bytewax.inputs import StatefulSourcePartition

from millrace.health import health
from millrace.metrics import flow as metrics

#: Seconds between two looks at how large a snapshot is: it has to be pickled for that.
WEIGH_EVERY_S = 60.0


@runtime_checkable
class Reading(Protocol):
    """A partition that knows how much it has not read yet."""

    @property
    def unread(self) -> int:
        """Records that the log holds and that are not read."""
        ...


class Watched(StatefulSourcePartition[Any, Any]):
    """Passes every call on and notes that it came.

    Args:
        inner: The partition.
        name: Name of the partition.
    """

    def __init__(self, inner: StatefulSourcePartition[Any, Any], name: str) -> None:
        self._inner, self._name = inner, name
        flow = health.name
        self._epoch, self._snapshot = metrics.EPOCH.labels(flow), metrics.SNAPSHOT_SECONDS.labels(flow)
        self._bytes, self._cpu = metrics.SNAPSHOT_BYTES.labels(flow, name), metrics.CPU.labels(flow)
        self._unread = metrics.UNREAD.labels(flow, name) if isinstance(inner, Reading) else None
        self._last_epoch: float | None = None
        self._weigh_at = time.monotonic() + 1
        health.opened(name)

    def next_batch(self) -> Iterable[Any]:
        """The partition's; its end is the end of the worker."""
        try:
            items = self._inner.next_batch()
        except StopIteration:
            health.ended(self._name)
            raise
        health.turned(self._name)
        if self._unread is not None and isinstance(self._inner, Reading):
            self._unread.set(self._inner.unread)
        return items

    def next_awake(self) -> datetime | None:
        """The partition's."""
        return self._inner.next_awake()

    def snapshot(self) -> Any:
        """The partition's, timed, and weighed once a minute."""
        begun = time.monotonic()
        state = self._inner.snapshot()
        now = time.monotonic()
        self._snapshot.observe(now - begun)
        if self._last_epoch is not None:
            self._epoch.observe(now - self._last_epoch)
        self._last_epoch = now
        self._cpu.inc(_spent())
        if now >= self._weigh_at:
            self._weigh_at = now + WEIGH_EVERY_S
            self._bytes.set(len(pickle.dumps(state)))
        return state

    def close(self) -> None:
        """The partition's."""
        health.ended(self._name)
        self._inner.close()


_told = 0.0


def _spent() -> float:
    """CPU seconds of the process since this was last asked, whichever of its threads asks."""
    global _told
    now = time.process_time()
    spent, _told = max(0.0, now - _told), now
    return spent
