"""Parts that flows are wired from: schema sources, codecs, lanes, calendars, sinks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from bytewax.outputs import Sink

from dataflows.flow_settings import SECOND, FlowSettings, RegistrySettings
from dataflows.settings import ConfirmationsSettings
from dataflows.state import state_id
from millrace.errors import Misconfigured
from operators.clock import Clock
from operators.documents import DocumentConfig
from operators.lane import Decoder, Lane, LaneConfig
from operators.lane_config import Route
from operators.lane_totals import total
from operators.layout import Layout
from operators.reference_lane import ReferenceLane
from operators.reject_guard import GuardedLane, RejectGuard
from operators.shifts import Calendar, CalendarBook, utc_calendar
from operators.timeline import TimelineConfig
from operators.windows import Window
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.mapping import MappedJson, load
from schemas.registry import FolderSchemas, RegistrySchemas, SchemaSource
from sinks.batches import Batch
from sinks.deprecated_fields import watched
from sinks.history.places import ObjectPath
from sinks.history.spool import Spool, SpoolLimit
from sinks.kafka import KafkaSink
from sinks.ledger import LedgerSink
from sinks.parquet import HistoryWriter
from sources.kafka_reader import ReaderConfig
from sources.kafka_reference import read_all


def schema_source(settings: FlowSettings) -> SchemaSource:
    """Registry if one is configured, else the folder of contracts."""
    return registry_or_folder(settings.registry)


def registry_or_folder(registry: RegistrySettings | None) -> SchemaSource:
    """The registry that settings name, or the folder of contracts."""
    if registry is None:
        return FolderSchemas()
    return RegistrySchemas(registry.url, auth=registry.auth(), ca=registry.ca)


def codecs(
    settings: FlowSettings,
    schemas: SchemaSource,
    names: Sequence[str],
    columns: Mapping[str, list[str]],
) -> dict[str, Decoder]:
    """Decoder by topic; it counts the use of deprecated fields."""
    return {settings.topic(name): watched(Codec(contract(name), schemas, columns.get(name))) for name in names}


def reader_config(settings: FlowSettings, client: Mapping[str, str]) -> ReaderConfig:
    """How lanes read."""
    return ReaderConfig(
        client=client,
        group=settings.flow,
        out_of_range=settings.kafka_out_of_range,
        batch=settings.batch,
        ahead=int(settings.ahead_s * SECOND),
        idle_after=settings.idle_s,
    )


def calendar_book(settings: FlowSettings, schemas: SchemaSource, client: Mapping[str, str] | None) -> CalendarBook:
    """Calendars of all plants, from a file or from the end of their compacted topic."""
    default = replace(utc_calendar(), zone=settings.default_zone) if settings.default_zone else None
    if settings.calendar is not None:
        records = _records(settings.calendar)
    elif client is not None:
        records = read_all(client, settings.topic("ShiftCalendar"), Codec(contract("ShiftCalendar"), schemas))
    else:
        records = []
    return CalendarBook([Calendar.from_record(record) for record in records], default)


def _records(path: Path) -> list[dict[str, Any]]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise Misconfigured(f"{path}: {error}") from error
    if not isinstance(found, list):
        raise Misconfigured(f"{path}:1: expected a list of ShiftCalendar records")
    return found


def lane_builder(
    settings: FlowSettings,
    decoders: Mapping[str, Decoder],
    calendar: CalendarBook,
    topics: Mapping[str, str],
    deduplicate: bool = True,
    route: Route = total,
) -> Callable[[str], Lane]:
    """Makes the rules of a lane by its name; each has a writer of its own. `route` takes the accepted rows."""
    config = LaneConfig(
        contracts={topic: name for name, topic in topics.items()},
        window=Window.parse(settings.window),
        limits=settings.limits(),
        numbering=settings.numbering_of_all(),
        deduplicate=deduplicate,
        route=route,
    )

    mapped = {topic: MappedJson(load(path)) for topic, path in settings.mappings.items()}
    room = SpoolLimit(settings.history_spool_mb * 1_000_000)

    def build(name: str) -> Lane:
        history = history_writer(settings, name, topics, room)
        guard = RejectGuard(settings.reject_window, settings.reject_share)
        return GuardedLane(name, config, decoders, calendar, history, mapped, guard=guard)

    return build


def history_writer(
    settings: FlowSettings, lane: str, topics: Mapping[str, str], room: SpoolLimit
) -> HistoryWriter | None:
    """The writer of a lane; before an object store it has a spool, which shares `room` with the other lanes."""
    place, identity = settings.history, partial(state_id, settings.recovery)
    if place is None:
        return None
    if not isinstance(place, ObjectPath):
        return HistoryWriter(place, settings.flow, lane, topics, identity)
    folder = Path(str(settings.history_spool))
    spool = Spool(folder, place, room, settings.flow, lane)
    return HistoryWriter(folder, settings.flow, lane, topics, identity, spool)


def event_topics(settings: FlowSettings) -> dict[str, str]:
    """Topic by contract of the events."""
    return {name: settings.topic(name) for name in settings.events}


def reference_lane(settings: FlowSettings, schemas: SchemaSource, names: Sequence[str] | None = None) -> ReferenceLane:
    """Rules of the reference lane, for all of the flow's reference contracts unless some are named."""
    wanted = settings.references if names is None else names
    return ReferenceLane({settings.topic(name): name for name in wanted}, codecs(settings, schemas, wanted, {}))


def output_topics(settings: FlowSettings) -> dict[str, str]:
    """Topic by contract of what the flow sends."""
    return {name: settings.topic(name) for name in settings.outputs}


def sinks(settings: FlowSettings, schemas: SchemaSource, client: Mapping[str, str]) -> dict[str, Sink[Batch]]:
    """Sinks by step id, as the settings name them.

    Raises:
        Misconfigured: They name none.
    """
    found: dict[str, Sink[Batch]] = {}
    if settings.ledger:
        found["ledger"] = LedgerSink(settings.ledger, settings.flow, settings.owner)
    if settings.publish:
        found["topics"] = KafkaSink(client, settings.flow, schemas, output_topics(settings))
    if not found:
        raise Misconfigured("ledger, publish: the flow would announce its documents nowhere")
    return found


def layout(settings: FlowSettings, calendar: CalendarBook, work_center_shards: int = 0) -> Layout:
    """Keys of the state; a flow without timelines has no shards of work centres."""
    return Layout(Window.parse(settings.window), calendar, settings.shards, settings.ring, work_center_shards)


def clock(settings: FlowSettings, lanes: Sequence[str]) -> Clock:
    """A fresh clock."""
    return Clock(lanes, int(settings.lateness_s * SECOND), int(settings.horizon_h * 3600 * SECOND))


def document_config(settings: ConfirmationsSettings, hold: bool) -> DocumentConfig:
    """How documents are made."""
    return DocumentConfig(
        window=Window.parse(settings.window),
        wait=int(settings.wait_s * SECOND),
        most_waiting=settings.most_waiting,
        hold=hold,
        mismatch_percent=settings.mismatch_percent,
    )


def timeline_config(settings: ConfirmationsSettings) -> TimelineConfig:
    """Policies of jobs, counters and states."""
    return TimelineConfig(
        window=Window.parse(settings.window),
        counters={rule.source: rule.policy for rule in settings.counters},
        micro_stop=timedelta(seconds=settings.micro_stop_s),
    )
