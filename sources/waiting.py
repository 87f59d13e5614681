"""Batches that wait while the schema registry is away, or a history has no room."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from millrace.errors import Retriable
from schemas.batch import RawBatch
from sources.kafka_reader import Place

T = TypeVar("T")


class Waiting:
    """What was polled and can't go on yet; a snapshot stands before it, so that nothing of it is lost.

    Attributes:
        why: What the first of it waits for; None where nothing waits.
    """

    def __init__(self) -> None:
        self._batches: list[RawBatch] = []
        self.why: Retriable | None = None

    def __bool__(self) -> bool:
        return bool(self._batches)

    def or_else(self, poll: Callable[[], Sequence[RawBatch]]) -> Sequence[RawBatch]:
        """What waits, else what a poll finds."""
        return self._batches or poll()

    def through(self, batches: Sequence[RawBatch], process: Callable[[RawBatch], T]) -> list[T]:
        """What a rule makes of batches, up to the first that can't go on; that and the rest waits."""
        self._batches, self.why = [], None
        made = []
        for number, batch in enumerate(batches):
            try:
                made.append(process(batch))
            except Retriable as error:
                self._batches, self.why = list(batches[number:]), error
                break
        return made

    def before(self, positions: Mapping[Place, int]) -> dict[Place, int]:
        """Positions as they stand before what waits."""
        firsts = {(batch.topic, p): offset for batch in reversed(self._batches) for p, offset in _firsts(batch)}
        return {**positions, **firsts}

    @property
    def places(self) -> set[Place]:
        """Partitions of which something waits."""
        return {(batch.topic, partition) for batch in self._batches for partition, _ in _firsts(batch)}


def _firsts(batch: RawBatch) -> list[tuple[int, int]]:
    """First offset per partition."""
    firsts: dict[int, int] = {}
    for partition, offset in zip(batch.partitions.tolist(), batch.offsets.tolist(), strict=True):
        firsts.setdefault(partition, offset)
    return list(firsts.items())
