"""The rules of goods movements as Bytewax steps.

| step | unit of parallelism | delivery |
|---|---|---|
| clock | one key | exactly-once state |
| totals | order shard and window slot | exactly-once state, announced at least once |
| documents | order shard | as totals; revision and version make repeats harmless |
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import bytewax.operators as op
import polars as pl
from bytewax.dataflow import Stream

from operators.base_streaming import DocumentsLogic, SlotLogic, second, ticked
from operators.clock import Clock, Tick
from operators.consumption import ADJUSTED
from operators.hashing import shards
from operators.lane import LaneOutput
from operators.layout import Keyed, Layout
from operators.movement_documents import MovementConfig, MovementDocuments, MovementsOutput
from operators.movement_reference import MovementReference
from operators.movement_totals import MovementTotals


@dataclass(frozen=True, slots=True)
class MovementStreams:
    """What comes out of a flow of goods movements, each item one batch."""

    lanes: Stream[LaneOutput]
    movements: Stream[MovementsOutput]


class MovementTotalsLogic(SlotLogic[MovementTotals]):
    """Totals of one shard and slot."""

    def __init__(self, state: dict[str, Any] | None) -> None:
        super().__init__(MovementTotals(), state)

    def _take(self, value: Any) -> Iterable[Any]:
        if isinstance(value, Tick):
            return [self._totals.tick(value.watermark, value.frontier)]
        if isinstance(value, MovementReference):
            # What is referred to goes first: the rows are told by it.
            return [value, *(self._totals.touch(each) for each in _concerned(value))]
        self._totals.add(value)
        return []


def movements_flow(
    lanes: Stream[LaneOutput],
    references: Stream[MovementReference],
    layout: Layout,
    clock: Clock,
    config: MovementConfig,
) -> MovementStreams:
    """From lanes and reference data to goods movements.

    Args:
        lanes: Batches as lanes made them: partials are rows of CONSUMPTION, late ones rows of ADJUSTED.
        references: Orders, materials and confirmations.
        layout: Shards and slots; part of the state.
        clock: A fresh clock; restored from the snapshot.
        config: How movements are made.
    """
    ticks = ticked(lanes, clock, layout)
    partials = op.flat_map("partials", lanes, lambda o: layout.by_slot(o.partials))
    remeasured = op.flat_map("remeasured", references, lambda o: _to_slots(layout, o))
    totals = op.stateful_batch(
        "totals",
        op.merge("totals_input", partials, remeasured, op.filter("slot_ticks", ticks, layout.is_slot)),
        MovementTotalsLogic,
    )
    due = op.map("due", totals, lambda kv: (layout.shard_of(kv[0]), _adjusted(kv[1])))
    late = op.flat_map("late", lanes, lambda o: layout.adjustments(o.late))
    referred = op.flat_map("referred", references, lambda o: _to_shards(layout, o))
    made = op.stateful_batch(
        "documents",
        op.merge("documents_input", due, late, referred, op.filter("shard_ticks", ticks, layout.is_shard)),
        lambda s: DocumentsLogic(MovementDocuments(config), MovementsOutput, s),
    )
    return MovementStreams(lanes, op.map("made", made, second))


def _adjusted(value: pl.DataFrame | MovementReference) -> pl.DataFrame | MovementReference:
    """What windows hold is no adjustment."""
    if isinstance(value, MovementReference):
        return value
    return value.with_columns(pl.lit("").alias("adjustment")).select(list(ADJUSTED))


def _concerned(reference: MovementReference) -> Iterable[pl.DataFrame]:
    """What is to be announced again, see `MovementTotals.touch`."""
    if reference.remeasured:
        yield pl.DataFrame(reference.remeasured, schema=["plant", "material"], orient="row")
    if reference.orders.height:
        yield reference.orders.select("plant", "order_id").unique()


def _to_slots(layout: Layout, reference: MovementReference) -> list[Keyed]:
    """Materials whose units changed to every slot, orders to those of their shard.

    What was announced in the old units must be again, and so must what the order may leave to the ERP.
    """
    told = MovementReference(orders=reference.orders, bill=reference.bill)
    parts = {key[1:]: part for key, part in _to_shards(layout, told)}
    if reference.remeasured:
        for number in range(layout.shards):
            part = parts.setdefault(f"{number:03d}", MovementReference())
            part.materials, part.remeasured = reference.materials, reference.remeasured
    return [(f"{shard}:{slot:03d}", part) for shard, part in parts.items() for slot in range(layout.ring)]


def _to_shards(layout: Layout, reference: MovementReference) -> Iterable[Keyed]:
    """Orders, components and confirmations to the shard of their order, materials to every shard."""
    parts: dict[int, MovementReference] = {}
    for name in ("orders", "bill", "confirmed"):
        frame: pl.DataFrame = getattr(reference, name)
        if not frame.height:
            continue
        numbered = frame.with_columns(pl.Series("_shard", shards(frame, ["plant", "order_id"], layout.shards)))
        for (number,), rows in numbered.partition_by("_shard", as_dict=True).items():
            setattr(parts.setdefault(int(number), MovementReference()), name, rows.drop("_shard"))
    if reference.materials:
        for number in range(layout.shards):
            parts.setdefault(number, MovementReference()).materials = reference.materials
    return [(f"s{number:03d}", part) for number, part in parts.items()]
