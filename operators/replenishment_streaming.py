"""The rules of stock and replenishment as Bytewax steps.

| step | unit of parallelism | delivery |
|---|---|---|
| clock | one key | exactly-once state |
| stock | shard of plant and material | exactly-once state; requests and alerts are released from durable state |

All records of a material in a plant meet in one shard: acknowledgements name no storage location.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import bytewax.operators as op
import polars as pl
from bytewax.dataflow import Stream

from operators.base_streaming import Emit, Logic, ticked
from operators.clock import Clock, Tick
from operators.hashing import shards
from operators.lane import LaneOutput
from operators.layout import Keyed, Layout, split
from operators.reference_lane import ReferenceOutput
from operators.replenishment import Announced, ReplenishmentConfig, Shard

_ROUTED_BY = ["plant", "material"]


class ShardLayout(Layout):
    """Every shard hears the time once an epoch, and nothing else is told."""

    def slots_due(self, before: int, now: int) -> list[str]:  # noqa: ARG002 - there are no slots
        """None."""
        return []

    def by_shard(self, output: LaneOutput) -> list[Keyed]:
        """Rows of a lane, a kind and a shard at a time."""
        keys = self.holders()
        keyed: list[Keyed] = []
        for name, frames in output.rows.items():
            rows = pl.concat(frames)
            keyed += [
                (keys[number], (name, part)) for number, part in split(rows, shards(rows, _ROUTED_BY, self.shards))
            ]
        return keyed

    def materials(self, output: ReferenceOutput) -> list[Keyed]:
        """Materials to every shard."""
        if not output.materials:
            return []
        return [(key, ReferenceOutput(materials=output.materials)) for key in self.holders()]


class ShardLogic(Logic):
    """Stock and requests of one shard."""

    def __init__(self, config: ReplenishmentConfig, state: dict[str, Any] | None) -> None:
        self._shard = Shard(config)
        if state is not None:
            self._shard.restore(state)

    def on_batch(self, values: list[Any]) -> Emit:
        """Rows are kept; a tick judges and releases: it stems from a source, so the last snapshot is durable."""
        for value in values:
            if isinstance(value, ReferenceOutput):
                self._shard.material(value.materials)
            elif not isinstance(value, Tick):
                self._shard.take(*value)
        ticks = [value for value in values if isinstance(value, Tick)]
        return _told([self._shard.tick(ticks[-1].watermark)] if ticks else []), False

    def flush(self) -> list[Any]:
        """Everything is judged and handed out."""
        return _told([self._shard.flush()])

    def snapshot(self) -> dict[str, Any]:
        """Versioned plain values."""
        return self._shard.snapshot()


def _told(outputs: Iterable[Announced]) -> list[Announced]:
    return [output for output in outputs if not output.empty]


@dataclass(frozen=True, slots=True)
class ReplenishmentStreams:
    """What comes out of the flow, each item one batch; `announced` is keyed by shard."""

    lanes: Stream[LaneOutput]
    announced: Stream[tuple[str, Announced]]


def replenishment_flow(
    lanes: Stream[LaneOutput],
    references: Stream[ReferenceOutput],
    layout: ShardLayout,
    clock: Clock,
    config: ReplenishmentConfig,
) -> ReplenishmentStreams:
    """From lanes and materials to requests, alerts and projections.

    Args:
        lanes: Batches as lanes made them.
        references: Materials.
        layout: Shards; part of the state.
        clock: A fresh clock; restored from the snapshot.
        config: How stock is judged.
    """
    due = ticked(lanes, clock, layout)
    rows = op.flat_map("rows", lanes, layout.by_shard)
    materials = op.flat_map("materials", references, layout.materials)
    announced = op.stateful_batch(
        "stock", op.merge("stock_input", materials, rows, due), lambda state: ShardLogic(config, state)
    )
    return ReplenishmentStreams(lanes, announced)
