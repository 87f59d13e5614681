"""Orders, materials and calendars as they are now: from files, else from their compacted topics."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from dataflows import parts
from dataflows.flow_settings import FlowSettings
from millrace.errors import MillraceError, Misconfigured
from operators.shifts import Calendar, CalendarBook
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import SchemaSource
from schemas.types import polars_schema
from sources.file_reference import read_reference
from sources.kafka_reference import read_all


@dataclass(frozen=True, slots=True)
class MasterData:
    """Reference data of a finite run.

    Args:
        frames: Contract and records, in the order in which the flow gets them.
        calendar: Shifts per plant.
    """

    frames: Sequence[tuple[str, pl.DataFrame]]
    calendar: CalendarBook

    def print(self) -> str:
        """Fingerprint: equal for equal data, whatever its order."""
        digest = hashlib.sha256(repr(sorted(map(repr, self.calendar.records()))).encode())
        for name, frame in self.frames:
            rows = sorted(json.dumps(row, default=str, sort_keys=True) for row in frame.drop("event_time").to_dicts())
            digest.update(f"{name}{rows}".encode())
        return digest.hexdigest()[:16]

    def lasting(self) -> MasterData:
        """The same with orders that count for all events: none has ended before the last of them."""
        return MasterData([(name, _as_of_now(frame, name)) for name, frame in self.frames], self.calendar)


def _as_of_now(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    if name != "WorkOrder":
        return frame
    now: Any = datetime.now(UTC)
    return frame.with_columns(event_time=pl.lit(now).cast(frame.schema["event_time"]))


def reference_frame(
    settings: FlowSettings, schemas: SchemaSource, name: str, files: Sequence[str] = ()
) -> pl.DataFrame:
    """Records of a reference contract: of files where some are named, else of its topic; none without Kafka.

    Raises:
        Misconfigured: A file is wrong, or the topic is not there.
    """
    schema = polars_schema(contract(name))
    if files:
        return pl.concat([pl.DataFrame(schema=schema), *(read_reference(path, name) for path in files)])
    if settings.kafka is None:
        return pl.DataFrame(schema=schema)
    records = read_all(settings.kafka.client(), settings.topic(name), Codec(contract(name), schemas))
    return pl.DataFrame(records, schema=schema)


def calendar_book(settings: FlowSettings, schemas: SchemaSource, files: Sequence[str] = ()) -> CalendarBook:
    """Calendars of the settings (file or topic), and of files.

    Raises:
        Misconfigured: A calendar is wrong.
    """
    client = settings.kafka.client() if settings.kafka is not None else None
    book = parts.calendar_book(settings, schemas, client)
    for path in files:
        for record in read_reference(path, "ShiftCalendar").to_dicts():
            try:
                book.put(Calendar.from_record(record))
            except MillraceError as error:
                raise Misconfigured(f"{path}: plant {record['plant']}: {error}") from error
    return book


def master_data(
    settings: FlowSettings, schemas: SchemaSource, files: Mapping[str, Sequence[str]], calendars: Sequence[str] = ()
) -> MasterData:
    """All that a flow asks for; what comes last in its settings comes first, which spares totals a wait."""
    frames = [
        (name, reference_frame(settings, schemas, name, files.get(name, ()))) for name in reversed(settings.references)
    ]
    return MasterData(frames, calendar_book(settings, schemas, calendars))


__all__ = ["MasterData", "calendar_book", "master_data", "reference_frame"]
