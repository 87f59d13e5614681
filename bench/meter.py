"""A flow's only sink in a measurement: hands every batch to a meter."""

from __future__ import annotations

import threading
from typing import Protocol

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from millrace.shutdown import draining
from sinks.batches import Batch


class Meter(Protocol):
    """Counts what comes out."""

    def take(self, batch: Batch) -> None:
        """Count a batch of what the flow announced."""
        ...


class _Partition(StatelessSinkPartition[Batch]):
    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def write_batch(self, items: list[Batch]) -> None:
        for batch in items:
            self._meter.take(batch)


class MeterSink(DynamicSink[Batch]):
    """Every worker's partition hands its batches to the same meter.

    Args:
        meter: Takes them.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> _Partition:
        """A worker's partition."""
        return _Partition(self._meter)


class Counts:
    """Counters of a flow by lane: each batch brings the newest of its own."""

    def __init__(self) -> None:
        self._by_lane: dict[str, dict[str, int]] = {}

    def take(self, batch: Batch) -> None:
        """Take the counters of a batch."""
        self._by_lane.update(batch.counts)

    def sum(self, name: str) -> int:
        """A counter over all lanes."""
        return sum(counts.get(name, 0) for counts in self._by_lane.values())


class DrainLater:
    """Ends a flow some seconds after it was first told to.

    Args:
        seconds: In which the flow still announces what it has read.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._is_told = seconds, False

    def __call__(self) -> None:
        """Start the seconds, once."""
        if not self._is_told:
            self._is_told = True
            threading.Timer(self._seconds, draining.set).start()
