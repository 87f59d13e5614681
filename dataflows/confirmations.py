"""The confirmations flow: machine cycles, states and operator reports become production confirmations.

Run it with `millrace run confirmations --config FILE`. Step ids are part of the recovery store: a golden test holds
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
from dataflows.settings import REFERENCES, ConfirmationsSettings
from millrace.errors import Misconfigured
from operators.lane import LaneOutput
from operators.reference_lane import ReferenceOutput
from operators.shifts import CalendarBook
from operators.streaming import confirmations_flow
from sinks.batches import Batch, of_documents, of_lane, of_reference, of_timeline
from sinks.metrics import observe, observe_lane, observe_reference
from sources.kafka import KafkaLanes, lane_names
from sources.kafka_reference import KafkaReference
from sources.pace import Pace
from sources.together import Together


def build(
    settings: ConfirmationsSettings, *, sinks: dict[str, Sink[Batch]] | None = None, deduplicate: bool = True
) -> Dataflow:
    """The flow on Kafka.

    Args:
        settings: All of its settings.
        sinks: Instead of those that the settings name.
        deduplicate: False only in negative controls.

    Raises:
        Misconfigured: No Kafka, no sink, or a broker or topic that is not there.
    """
    if settings.kafka is None:
        raise Misconfigured("kafka: needed to run on topics; use --input to run on files")
    client = settings.kafka.client()
    schemas = parts.schema_source(settings)
    topics = parts.event_topics(settings)
    calendar = parts.calendar_book(settings, schemas, client)
    decoders = parts.codecs(settings, schemas, tuple(topics), {})
    reader, pace = parts.reader_config(settings, client), Pace(settings.epoch_s)
    lanes = KafkaLanes(
        reader,
        [*topics.values(), *settings.mappings],
        settings.lanes,
        pace,
        parts.lane_builder(settings, decoders, calendar, topics, deduplicate),
    )
    references = KafkaReference(
        reader, [settings.topic(name) for name in REFERENCES], pace, lambda: parts.reference_lane(settings, schemas)
    )
    sinks = sinks or parts.sinks(settings, schemas, client)
    return wire(settings, lanes, references, calendar, sinks, lane_names(settings.lanes), hold=True)


def wire(
    settings: ConfirmationsSettings,
    lanes: FixedPartitionedSource[LaneOutput, Any],
    references: FixedPartitionedSource[ReferenceOutput, Any],
    calendar: CalendarBook,
    sinks: dict[str, Sink[Batch]],
    names: Sequence[str],
    hold: bool,
) -> Dataflow:
    """The flow over any source and sinks.

    Args:
        settings: Settings.
        lanes: Source of events.
        references: Source of orders and materials.
        calendar: Shifts per plant.
        sinks: Sinks by step id; each takes everything.
        names: Lanes that the clock waits for.
        hold: Announce what a crash could make untrue only from durable state; False without recovery.
    """
    flow = Dataflow(settings.flow)
    read = op.branch("read", op.input("events", flow, Together([lanes, references])), is_reference)
    events, orders = read.falses, read.trues
    streams = confirmations_flow(
        events,
        orders,
        parts.layout(settings, calendar, settings.work_center_shards),
        parts.clock(settings, names),
        parts.timeline_config(settings),
        parts.document_config(settings, hold),
        hold,
    )
    name, owner = settings.flow, settings.owner
    batches: Stream[Batch] = op.merge(
        "announced",
        op.map("of_documents", streams.documents, lambda item: of_documents(item, name, owner)),
        op.map("of_timeline", streams.timelines, lambda item: of_timeline(item, name, owner)),
        op.map("of_lane", streams.lanes, lambda item: of_lane(observe_lane(item, name), name, owner)),
        op.map("of_reference", orders, lambda item: of_reference(observe_reference(item, name), name, owner)),
    )
    observed = op.map("observed", batches, lambda batch: observe(batch, name))
    for step, sink in sinks.items():
        op.output(step, observed, sink)
    return flow


def is_reference(output: LaneOutput | ReferenceOutput) -> TypeGuard[ReferenceOutput]:
    """Whether a batch is reference data."""
    return isinstance(output, ReferenceOutput)
