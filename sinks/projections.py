"""Projections of stock into the history, one writer per shard.

Delivery: exactly once over kills, as long as the recovery store is kept: the writer's position is snapshotted with the
flow, and what a life wrote after its last snapshot is removed by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from operators.lane_output import History
from operators.replenishment_crossings import SIGNAL

CONTRACT = "StockProjection"
_ROW_COLUMNS = {"sequence": pl.Int64(), "correlation_id": pl.String()}


class ProjectionPartition(StatefulSinkPartition[pl.DataFrame, Any]):
    """Writes one shard's projections."""

    def __init__(self, writer: History, flow: str, state: Any) -> None:
        self._writer, self._flow = writer, flow
        writer.restore(state)

    def write_batch(self, values: list[pl.DataFrame]) -> None:
        """Take rows of SIGNAL; they are durable after the epoch."""
        self._writer.write(CONTRACT, projection_rows(pl.concat(values), self._flow))

    def snapshot(self) -> Any:
        """Make durable what was written."""
        return self._writer.sync()

    def close(self) -> None:
        """The flow has ended; a finite one made no snapshot before."""
        self._writer.sync()


class ProjectionSink(FixedPartitionedSink[pl.DataFrame, Any]):
    """Sink of rows of SIGNAL, keyed by shard.

    Args:
        flow: Name of the flow.
        shards: Keys of the shards.
        make: Makes the writer of a shard by a name of its own.
    """

    def __init__(self, flow: str, shards: Sequence[str], make: Callable[[str], History]) -> None:
        self._flow, self._shards, self._make = flow, list(shards), make

    def list_parts(self) -> list[str]:
        """One partition per shard."""
        return self._shards

    def part_fn(self, item_key: str) -> int:
        """Partition of a shard."""
        return self._shards.index(item_key)

    def build_part(self, _step_id: str, for_part: str, resume_state: Any) -> ProjectionPartition:
        """Open a writer, fresh or from its snapshot."""
        return ProjectionPartition(self._make(f"stock-{for_part}"), self._flow, resume_state)


def projection_rows(signal: pl.DataFrame, flow: str) -> pl.DataFrame:
    """Rows of SIGNAL with the columns of the contract StockProjection, and with those that say where a row stands."""
    instant = pl.col("instant").to_physical()
    identity = pl.concat_str("plant", "material", "storage_location", instant.cast(pl.String), separator="|")
    rows = signal.with_columns(
        identity.alias("event_id"),
        pl.lit(flow).alias("source"),
        *(pl.lit(None, kind).alias(name) for name, kind in _ROW_COLUMNS.items()),
        pl.lit(0, pl.Int32).alias("origin"),
        instant.alias("offset"),
    ).rename({"instant": "event_time"})
    measures = [name for name in SIGNAL if name not in ("plant", "instant")]
    head = ["event_id", "event_time", "plant", "source", "sequence", "correlation_id"]
    return rows.select(*head, *measures, "origin", "offset")


__all__ = ["ProjectionSink", "projection_rows"]
