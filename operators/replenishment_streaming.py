"""The rules of stock and replenishment as Bytewax steps.

| step | unit of parallelism | delivery |
|---|---|---|
| clock | one key | exactly-once state |
| arrivals | shard of plant and material | exactly-once state |
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

from millrace.shutdown import draining
from operators.base_streaming import Emit, Logic, kept, ticked
from operators.clock import Clock, Tick
from operators.hashing import shards
from operators.lane import LaneOutput
from operators.layout import Keyed, Layout, split
from operators.reference_lane import ReferenceOutput
from operators.replenishment import Announced, ReplenishmentConfig, Shard
from operators.replenishment_arrivals import Arrivals, Arrived

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
        """Materials to their shard."""
        records, keys = output.materials, self.holders()
        if not records:
            return []
        rows = pl.DataFrame(
            {
                **{name: [record[name] for record in records] for name in _ROUTED_BY},
                "record": range(len(records)),
            }
        )
        return [
            (keys[number], ReferenceOutput(materials=[records[at] for at in part["record"]]))
            for number, part in split(rows, shards(rows, _ROUTED_BY, self.shards))
        ]


class ArrivalsLogic(Logic):
    """What has come to one shard, until stock has an instant to judge."""

    def __init__(self, step: int, state: dict[str, Any] | None) -> None:
        self._arrivals = Arrivals(step)
        if state is not None:
            self._arrivals.restore(state)

    def on_batch(self, values: list[Any]) -> Emit:
        """Rows are kept; a tick hands them on."""
        for value in values:
            if isinstance(value, ReferenceOutput):
                self._arrivals.material(value.materials)
            elif not isinstance(value, Tick):
                self._arrivals.take(*value)
        ticks = [value for value in values if isinstance(value, Tick)]
        return kept([self._arrivals.tick(ticks[-1].watermark) if ticks else None]), False

    def flush(self) -> list[Any]:
        """Everything is handed on."""
        return [self._arrivals.given()]

    def snapshot(self) -> dict[str, Any]:
        """Versioned plain values."""
        return self._arrivals.snapshot()


class ShardLogic(Logic):
    """Stock and requests of one shard."""

    def __init__(self, config: ReplenishmentConfig, state: dict[str, Any] | None) -> None:
        self._shard = Shard(config)
        if state is not None:
            self._shard.restore(state)

    def on_batch(self, values: list[Arrived]) -> Emit:
        """What arrived is judged and released: a tick stems from a source, so the last snapshot is durable.

        A flow that is drained stops between two instants: those of a backlog may take minutes.
        """
        for value in values:
            if value.materials:
                self._shard.material(value.materials)
            for name, rows in value.rows:
                self._shard.take(name, rows)
        return _told([self._shard.tick(values[-1].watermark, draining.is_set)]), False

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
    arrived = op.stateful_batch(
        "arrivals", op.merge("arrivals_input", materials, rows, due), lambda state: ArrivalsLogic(config.step, state)
    )
    announced = op.stateful_batch("stock", arrived, lambda state: ShardLogic(config, state))
    return ReplenishmentStreams(lanes, announced)
