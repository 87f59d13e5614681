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
from datetime import UTC, datetime
from typing import Any

import bytewax.operators as op
import polars as pl
from bytewax.dataflow import Stream

from operators.clock import Clock, Tick
from operators.consumption import ADJUSTED
from operators.hashing import shards
from operators.lane import LaneOutput
from operators.layout import Keyed, Layout
from operators.movement_documents import MovementConfig, MovementDocuments, MovementsOutput
from operators.movement_reference import MovementReference
from operators.movement_totals import MovementTotals
from operators.streaming import REVISE_AFTER, ClockLogic, Emit, Logic


@dataclass(frozen=True, slots=True)
class MovementStreams:
    """What comes out of a flow of goods movements, each item one batch."""

    lanes: Stream[LaneOutput]
    movements: Stream[MovementsOutput]


class MovementTotalsLogic(Logic):
    """Totals of one shard and slot."""

    def __init__(self, state: dict[str, Any] | None) -> None:
        self._totals = MovementTotals()
        self._revise_at: datetime | None = None
        if state is not None:
            self._totals.restore(state)
            self._later()

    def on_batch(self, values: list[Any]) -> Emit:
        """Rows are kept; ticks, orders and materials whose units changed announce."""
        out: list[Any] = []
        for value in values:
            if isinstance(value, Tick):
                out.append(self._totals.tick(value.watermark, value.frontier))
            elif isinstance(value, MovementReference):
                # What is referred to goes first: the rows are told by it.
                out += [value, *(self._totals.touch(each) for each in _concerned(value))]
            else:
                self._totals.add(value)
        self._later()
        return [each for each in out if each is not None], False

    def _later(self) -> None:
        """Late rows are announced together, a moment later."""
        if self._totals.dirty and self._revise_at is None:
            self._revise_at = datetime.now(UTC) + REVISE_AFTER

    def on_notify(self) -> Emit:
        """Announce revisions."""
        self._revise_at = None
        revised = self._totals.revise()
        return [] if revised is None else [revised], False

    def flush(self) -> list[Any]:
        """Every window closes."""
        rows = self._totals.flush()
        return [] if rows is None else [rows]

    def notify_at(self) -> datetime | None:
        """When revisions are due."""
        return self._revise_at

    def snapshot(self) -> dict[str, Any]:
        """Versioned plain values."""
        return self._totals.snapshot()


class MovementDocumentsLogic(Logic):
    """Documents of one shard of orders."""

    def __init__(self, config: MovementConfig, state: dict[str, Any] | None) -> None:
        self._documents = MovementDocuments(config)
        if state is not None:
            self._documents.restore(state)

    def on_batch(self, values: list[Any]) -> Emit:
        """All that came together is taken as one."""
        output = MovementsOutput()
        self._documents.batch(values, output)
        return [] if output.empty else [output], False

    def flush(self) -> list[Any]:
        """What is still open is given up."""
        output = MovementsOutput()
        self._documents.flush(output)
        return [] if output.empty else [output]

    def snapshot(self) -> dict[str, Any]:
        """Versioned plain values."""
        return self._documents.snapshot()


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
    heard = op.map("progress", lanes, lambda o: ("clock", LaneOutput(o.lane, progress=o.progress, idle=o.idle)))
    ticks = op.map("ticked", op.stateful_batch("clock", heard, lambda s: ClockLogic(clock, layout, s)), _second)
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
        lambda s: MovementDocumentsLogic(config, s),
    )
    return MovementStreams(lanes, op.map("made", made, _second))


def _second(pair: tuple[str, Any]) -> Any:
    return pair[1]


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
