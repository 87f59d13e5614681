"""The flows that `millrace replay` knows: a further one is an entry in REPLAYABLE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
from bytewax.dataflow import Dataflow
from bytewax.outputs import Sink

from dataflows import confirmations, goods_movements
from dataflows.master_data import MasterData
from dataflows.replay import Replayable
from dataflows.replay_range import Linear
from millrace.errors import Misconfigured
from operators.consumption_route import consumption_route
from operators.lane_totals import total
from operators.movement_reference import MovementReference, MovementReferenceLane
from sinks.batches import Batch
from sources.file_reference import FileReference
from sources.history import HistoryLanes


def _goods_movements(
    settings: Any, lanes: HistoryLanes, master: MasterData, sinks: dict[str, Sink[Batch]], names: Sequence[str]
) -> Dataflow:
    frames = [(name, frame) for name, frame in master.frames if name in settings.referred()]
    references: Any = FileReference(frames, lambda: MovementReferenceLane({}, {}), MovementReference)
    return goods_movements.wire(settings, lanes, references, master.calendar, sinks, names)


_COUNTED = (
    pl.col("order_id").is_not_null()
    & pl.col("operation").is_not_null()
    & (pl.col("counting").cast(pl.String) == "DELTA")
)


def _confirmations(
    settings: Any, lanes: HistoryLanes, master: MasterData, sinks: dict[str, Sink[Batch]], names: Sequence[str]
) -> Dataflow:
    references = FileReference(master.frames)
    return confirmations.wire(settings, lanes, references, master.calendar, sinks, names, hold=False)


REPLAYABLE: dict[str, Replayable] = {
    "confirmations": Replayable(
        wire=_confirmations,
        route=lambda _settings: total,
        # As operators.routes.direct: increments of a named order, and whatever an operator reports.
        linear=Linear({"MachineCycle": _COUNTED, "OperationReport": pl.lit(value=True)}),
        kinds=("ProductionConfirmation",),
    ),
    "goods-movements": Replayable(
        wire=_goods_movements,
        route=lambda settings: consumption_route(settings.rules()),
        linear=Linear({"MaterialConsumption": pl.lit(value=True)}),
        kinds=("GoodsMovement",),
    ),
}


def replayable(name: str) -> Replayable:
    """How the flow of that name is replayed.

    Raises:
        Misconfigured: It can't be.
    """
    if name not in REPLAYABLE:
        raise Misconfigured(f"the flow {name!r} can't be replayed; there is: {', '.join(REPLAYABLE)}")
    return REPLAYABLE[name]
