"""What a lane needs from outside, and what it gives out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

from operators.dedupe import Gap
from schemas.batch import DecodedBatch, RawBatch


class Decoder(Protocol):
    """Turns wire bytes of one topic into rows of its contract."""

    def decode(self, raw: RawBatch) -> DecodedBatch:
        """Every record ends in the frame or in the rejects; an outage of the registry raises Retriable."""
        ...


class History(Protocol):
    """Keeps accepted rows; `sync` makes durable what was written and returns what `restore` needs."""

    def write(self, contract: str, frame: pl.DataFrame) -> None:
        """Take accepted rows with their origin columns."""
        ...

    def sync(self) -> dict[str, Any]:
        """Make everything written durable."""
        ...

    def restore(self, state: dict[str, Any] | None) -> None:
        """Undo what was written after the snapshot; None starts a new generation that deletes nothing."""
        ...

    def admit(self) -> None:
        """Let the lane take a batch; Retriable while there is no room for it."""
        ...

    def notices(self) -> list[dict[str, str]]:
        """Alerts that are due, as fields of Alert."""
        ...


@dataclass(frozen=True, slots=True)
class Dead:
    """A record that was given up at a lane, with its origin."""

    contract: str
    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    payload: bytes


@dataclass(slots=True)
class LaneOutput:
    """What a lane made of a batch.

    Args:
        lane: Name of the lane.
        partials: Rows of PARTIAL.
        timeline: Rows of TIMELINE.
        rows: Accepted rows by contract that a flow's own steps take as they are.
        late: Linear rows beyond the correction horizon, one adjustment each: rows of PARTIAL with
            `adjustment`, the place of the record (topic, partition and offset).
        dead: Records given up.
        gaps: Numbers skipped by a source.
        progress: Newest event time by topic/partition, microseconds.
        idle: Partitions that had nothing for a while, with the time that their silence stands for,
            microseconds.
        counts: Running totals of this lane since its first start.
        notices: Alerts of the lane itself, as fields of Alert.
    """

    lane: str
    partials: list[pl.DataFrame] = field(default_factory=list)
    timeline: list[pl.DataFrame] = field(default_factory=list)
    rows: dict[str, list[pl.DataFrame]] = field(default_factory=dict)
    late: list[pl.DataFrame] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    progress: dict[str, int] = field(default_factory=dict)
    idle: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    notices: list[dict[str, str]] = field(default_factory=list)
