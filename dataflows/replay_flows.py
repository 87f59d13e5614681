"""The flows that `millrace replay` knows: a further one is an entry in REPLAYABLE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from bytewax.dataflow import Dataflow
from bytewax.outputs import Sink

from dataflows import confirmations, goods_movements, replenishment
from dataflows.master_data import MasterData, reference_frame
from dataflows.replay_compare import compare_with
from dataflows.replay_range import Linear
from dataflows.replay_requests import compare_requests
from dataflows.replayable import Replayable
from millrace.errors import Misconfigured
from operators.consumption_route import consumption_route
from operators.lane_totals import total
from operators.movement_reference import MovementReference, MovementReferenceLane
from operators.replenishment_request import CONTRACT as REQUEST
from operators.replenishment_rows import route
from operators.shifts import CalendarBook, utc_calendar
from schemas.registry import SchemaSource
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


def _replenishment(
    settings: Any, lanes: HistoryLanes, master: MasterData, sinks: dict[str, Sink[Batch]], names: Sequence[str]
) -> Dataflow:
    return replenishment.wire(settings, lanes, FileReference(master.frames), sinks, names, hold=False)


def _materials(
    settings: Any, schemas: SchemaSource, files: Mapping[str, Sequence[str]], _calendars: Sequence[str]
) -> MasterData:
    """Stock knows no shifts."""
    frame = reference_frame(settings, schemas, "Material", files.get("Material", ()))
    return MasterData([("Material", frame)], CalendarBook([], utc_calendar()))


REPLAYABLE: dict[str, Replayable] = {
    "confirmations": Replayable(
        wire=_confirmations,
        route=lambda _settings: total,
        # As operators.routes.direct: increments of a named order, and whatever an operator reports.
        linear=Linear({"MachineCycle": _COUNTED, "OperationReport": pl.lit(value=True)}),
        kinds=("ProductionConfirmation",),
        compare=compare_with,
    ),
    "goods-movements": Replayable(
        wire=_goods_movements,
        route=lambda settings: consumption_route(settings.rules()),
        linear=Linear({"MaterialConsumption": pl.lit(value=True)}),
        kinds=("GoodsMovement",),
        compare=compare_with,
    ),
    "replenishment": Replayable(
        wire=_replenishment,
        route=lambda settings: route(documents=settings.movements == "documents", learns=settings.book.learns),
        linear=Linear(),
        kinds=(REQUEST,),
        compare=compare_requests,
        reads=lambda settings: settings.reads(),
        known=_materials,
        decides=True,
        not_live=(
            "what procurement was asked for stands, so a replay puts no request; refuse one that waits for approval "
            "with `millrace post reject`, order more or cancel in the ERP, and restart the flow with the new settings"
        ),
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
