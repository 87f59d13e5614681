"""The replenishment flow: stock by status, safety stock, and requests with their way back.

Run it with `millrace run replenishment --config FILE`. Step ids are part of the recovery store: a golden test holds
them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeGuard

import bytewax.operators as op
import polars as pl
from bytewax.dataflow import Dataflow, Stream
from bytewax.inputs import FixedPartitionedSource
from bytewax.outputs import Sink

from dataflows import parts
from dataflows.replenishment_settings import ReplenishmentSettings
from millrace.errors import Misconfigured
from operators.lane import Decoder, Lane, LaneOutput
from operators.lane_output import History
from operators.reference_lane import ReferenceOutput
from operators.replenishment_config import Announced
from operators.replenishment_recall import Recall
from operators.replenishment_rows import route
from operators.replenishment_streaming import ShardLayout, replenishment_flow
from operators.shifts import CalendarBook, utc_calendar
from operators.windows import Window
from sinks.batches import Batch, of_lane, of_reference
from sinks.history.spool import SpoolLimit
from sinks.letter_recall import LetterRecall
from sinks.metrics import observe, observe_announced, observe_lane, observe_reference
from sinks.projections import CONTRACT as PROJECTION
from sinks.projections import ProjectionSink
from sinks.replenishment_batches import of_announced
from sources.kafka import KafkaLanes, lane_names
from sources.kafka_reference import KafkaReference
from sources.pace import Pace
from sources.together import Together


def build(
    settings: ReplenishmentSettings, *, sinks: dict[str, Sink[Batch]] | None = None, deduplicate: bool = True
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
    client, schemas = settings.kafka.client(), parts.schema_source(settings)
    topics = event_topics(settings)
    reader, pace = parts.reader_config(settings, client), Pace(settings.epoch_s)
    decoders = parts.codecs(settings, schemas, tuple(topics), {})
    read = [*topics.values(), *settings.mappings]
    lanes = KafkaLanes(reader, read, settings.lanes, pace, lane_builder(settings, decoders, deduplicate))
    references = KafkaReference(
        reader,
        [settings.topic(name) for name in settings.references],
        pace,
        lambda: parts.reference_lane(settings, schemas),
    )
    sinks = sinks or parts.sinks(settings, schemas, client)
    recall = LetterRecall(settings.ledger, settings.flow) if settings.ledger else None
    return wire(settings, lanes, references, sinks, lane_names(settings.lanes), hold=True, recall=recall)


def event_topics(settings: ReplenishmentSettings) -> dict[str, str]:
    """Topic by contract of what the flow reads."""
    return {name: settings.topic(name) for name in settings.reads()}


def lane_builder(
    settings: ReplenishmentSettings, decoders: dict[str, Decoder], deduplicate: bool = True
) -> Callable[[str], Lane]:
    """Makes the rules of a lane by its name; stock knows no shifts, so every plant may go without a calendar."""
    taken = route(documents=settings.movements == "documents", learns=settings.book.learns)
    return parts.lane_builder(settings, decoders, _calendar(), event_topics(settings), deduplicate, taken)


def _calendar() -> CalendarBook:
    return CalendarBook([], utc_calendar())


def wire(
    settings: ReplenishmentSettings,
    lanes: FixedPartitionedSource[LaneOutput, Any],
    references: FixedPartitionedSource[ReferenceOutput, Any],
    sinks: dict[str, Sink[Batch]],
    names: Sequence[str],
    hold: bool,
    recall: Recall | None = None,
) -> Dataflow:
    """The flow over any source and sinks.

    Args:
        settings: Settings.
        lanes: Source of movements, balances and papers.
        references: Source of materials.
        sinks: Sinks by step id; each takes everything.
        names: Lanes that the clock waits for.
        hold: Announce what a crash could make untrue only from durable state; False without recovery.
        recall: Reads letters of rows whose material has come.
    """
    flow = Dataflow(settings.flow)
    read = op.branch("read", op.input("events", flow, Together([lanes, references])), is_reference)
    events, materials = read.falses, read.trues
    layout = ShardLayout(Window.parse("day"), _calendar(), settings.shards, 1, 0)
    clock = parts.clock(settings, names)
    streams = replenishment_flow(events, materials, layout, clock, replace(settings.config(hold=hold), recall=recall))
    name, owner = settings.flow, settings.owner
    batches: Stream[Batch] = op.merge(
        "announced",
        op.map(
            "of_announced", streams.announced, lambda pair: of_announced(observe_announced(pair[1], name), owner, name)
        ),
        op.map("of_lane", streams.lanes, lambda item: of_lane(observe_lane(item, name), name, owner)),
        op.map("of_reference", materials, lambda item: of_reference(observe_reference(item, name), name, owner)),
    )
    observed = op.map("observed", batches, lambda batch: observe(batch, name))
    for step, sink in sinks.items():
        op.output(step, observed, sink)
    if settings.history is not None:
        frames = op.flat_map("of_projections", streams.announced, _projections)
        op.output("projections", frames, ProjectionSink(name, layout.holders(), _projection_writer(settings)))
    return flow


def _projections(keyed: tuple[str, Announced]) -> list[tuple[str, pl.DataFrame]]:
    return [(keyed[0], frame) for frame in keyed[1].projections]


def _projection_writer(settings: ReplenishmentSettings) -> Callable[[str], History]:
    room = SpoolLimit(settings.history_spool_mb * 1_000_000)
    topics = {PROJECTION: settings.topic(PROJECTION)}

    def make(name: str) -> History:
        writer = parts.history_writer(settings, name, topics, room)
        if writer is None:
            raise Misconfigured("history: needed to keep projections")
        return writer

    return make


def is_reference(output: LaneOutput | ReferenceOutput) -> TypeGuard[ReferenceOutput]:
    """Whether a batch is reference data."""
    return isinstance(output, ReferenceOutput)
