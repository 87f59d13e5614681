"""The flow of goods movements: reported consumption and confirmed yields become movements of stock.

Run it with `millrace run goods-movements --config FILE`. Step ids are part of the recovery store: a golden test holds
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.inputs import FixedPartitionedSource
from bytewax.outputs import Sink

from dataflows import parts
from dataflows.movement_settings import GoodsMovementsSettings
from millrace.errors import Misconfigured
from operators.consumption_route import consumption_route
from operators.lane import LaneOutput
from operators.movement_reference import MovementReference, MovementReferenceLane
from operators.movement_streaming import movements_flow
from operators.shifts import CalendarBook
from schemas.registry import SchemaSource
from sinks.batches import Batch
from sinks.metrics import observe, observe_lane
from sinks.movement_batches import of_movement_lane, of_movement_reference, of_movements
from sources.kafka import KafkaLanes, lane_names
from sources.kafka_reference import KafkaReference
from sources.pace import Pace
from sources.together import Together


def build(
    settings: GoodsMovementsSettings, *, sinks: dict[str, Sink[Batch]] | None = None, deduplicate: bool = True
) -> Dataflow:
    """The flow on Kafka.

    Args:
        settings: All of its settings.
        sinks: Instead of those that the settings name.
        deduplicate: False only in negative controls.

    Raises:
        Misconfigured: No Kafka, no sink, a broker or topic that is not there, or a component that two sides book.
    """
    if settings.kafka is None:
        raise Misconfigured("kafka: needed to run on topics; use --input to run on files")
    client = settings.kafka.client()
    schemas = parts.schema_source(settings)
    topics = parts.event_topics(settings)
    calendar = parts.calendar_book(settings, schemas, client)
    decoders = parts.codecs(settings, schemas, tuple(topics), {})
    reader, pace = parts.reader_config(settings, client), Pace(settings.epoch_s)
    route = consumption_route(settings.rules())
    lanes = KafkaLanes(
        reader,
        [*topics.values(), *settings.mappings],
        settings.lanes,
        pace,
        parts.lane_builder(settings, decoders, calendar, topics, deduplicate, route),
    )
    referred = [settings.topic(name) for name in settings.referred()]
    references: Any = KafkaReference(reader, referred, pace, lambda: reference_lane(settings, schemas))
    sinks = sinks or parts.sinks(settings, schemas, client)
    return wire(settings, lanes, references, calendar, sinks, lane_names(settings.lanes))


def reference_lane(settings: GoodsMovementsSettings, schemas: SchemaSource) -> Any:
    """Rules of the reference lane."""
    names = settings.referred()
    return MovementReferenceLane(
        {settings.topic(name): name for name in names}, parts.codecs(settings, schemas, names, {})
    )


def wire(
    settings: GoodsMovementsSettings,
    lanes: FixedPartitionedSource[LaneOutput, Any],
    references: FixedPartitionedSource[MovementReference, Any],
    calendar: CalendarBook,
    sinks: dict[str, Sink[Batch]],
    names: Sequence[str],
) -> Dataflow:
    """The flow over any source and sinks.

    Args:
        settings: Settings.
        lanes: Source of consumption.
        references: Source of orders, materials and confirmations.
        calendar: Shifts per plant.
        sinks: Sinks by step id; each takes everything.
        names: Lanes that the clock waits for.
    """
    flow = Dataflow(settings.flow)
    read = op.branch("read", op.input("events", flow, Together([lanes, references])), is_reference)
    events, referred = read.falses, read.trues
    layout, clock = parts.layout(settings, calendar), parts.clock(settings, names)
    streams = movements_flow(events, referred, layout, clock, settings.movements())
    name, owner = settings.flow, settings.owner
    batches: Stream[Batch] = op.merge(
        "announced",
        op.map("of_movements", streams.movements, lambda item: of_movements(item, name, owner)),
        op.map("of_lane", streams.lanes, lambda item: of_movement_lane(observe_lane(item, name), name, owner)),
        op.map("of_reference", referred, lambda item: of_movement_reference(item, name, owner)),
    )
    observed = op.map("observed", batches, lambda batch: observe(batch, name))
    for step, sink in sinks.items():
        op.output(step, observed, sink)
    return flow


def is_reference(output: LaneOutput | MovementReference) -> TypeGuard[MovementReference]:
    """Whether a batch is reference data."""
    return isinstance(output, MovementReference)
