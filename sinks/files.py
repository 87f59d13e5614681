"""Documents, dead letters, alerts and state times of a finite run, kept until its end and written as Parquet.

Delivery: one run, one process; none of it is written before the run has ended, so there are no half results.
Of a document or state time only the highest revision is kept, as a consumer of the topics would.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from millrace.ledger.model import DeadLetter
from operators.confirmations import CONFIRMATION
from operators.timeline import STATE_TIMES
from schemas.contracts import contract
from schemas.types import polars_schema
from sinks.batches import Batch
from sinks.dead_letter import alert_record, letter_record
from sinks.ledger import document_records
from sinks.state_time import state_time_records

#: What a dead letter of a file also tells: where it stands, and the field at fault.
PLACE = {"file": pl.String(), "line": pl.Int64(), "field": pl.String()}
#: Field at fault where a rule of the flow, not the mapping, refused the row.
FIELDS = {
    "future_event_time": "event_time",
    "ancient_event_time": "event_time",
    "future_as_of": "as_of",
    "calendar_unknown": "plant",
    "sequence_reused": "sequence",
    "sequence_expired": "sequence",
    "order_unknown": "order_id",
    "no_active_job": "order_id",
    "unit_conversion_unknown": "unit",
    "negative_quantity": "quantity",
    "serialised_material": "material",
    "booked_elsewhere": "material",
}


@dataclass(slots=True)
class Collected:
    """Everything that the workers of a process announced.

    Args:
        documents: Rows of CONFIRMATION, all revisions.
        state_times: Rows of STATE_TIMES, all revisions.
        letters: Dead letters.
        alerts: Fields of Alert without its envelope.
        projections: Rows of SIGNAL.
    """

    documents: list[pl.DataFrame] = field(default_factory=list)
    state_times: list[pl.DataFrame] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    projections: list[pl.DataFrame] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, batches: Iterable[Batch]) -> None:
        """Take batches of one worker."""
        with self._lock:
            for batch in batches:
                self.documents += batch.documents
                self.state_times += batch.state_times
                self.letters += batch.letters
                self.alerts += batch.alerts
                self.projections += batch.projections

    def newest_documents(self) -> pl.DataFrame:
        """Rows of CONFIRMATION: the highest version of each document, by order, operation and window."""
        every = pl.concat([pl.DataFrame(schema=CONFIRMATION), *self.documents])
        newest = every.sort("revision", "reference_version").unique("document_key", keep="last")
        return newest.sort("plant", "order_id", "operation", "window_start", "document_key")

    def newest_state_times(self) -> pl.DataFrame:
        """Rows of STATE_TIMES: of each work centre and shift the highest revision."""
        key = ["plant", "work_center", "shift", "window_start"]
        every = pl.concat([pl.DataFrame(schema=STATE_TIMES), *self.state_times])
        return every.sort("revision").unique(key, keep="last").sort(key)


class CollectPartition(StatelessSinkPartition[Batch]):
    """Hands a worker's batches to what all workers share."""

    def __init__(self, collected: Collected) -> None:
        self._collected = collected

    def write_batch(self, items: list[Batch]) -> None:
        """Keep them."""
        self._collected.add(items)


class CollectSink(DynamicSink[Batch]):
    """Sink of a finite run; any number of worker threads of one process."""

    def __init__(self, collected: Collected) -> None:
        self._collected = collected

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> CollectPartition:
        """One per worker."""
        return CollectPartition(self._collected)


def letters_frame(
    letters: Sequence[DeadLetter], files: Sequence[str], fields: Mapping[tuple[int, int], str]
) -> pl.DataFrame:
    """Dead letters with the columns of the contract and of PLACE, in the order of files and lines.

    Args:
        letters: Dead letters; a total's topic is the contract of its first event.
        files: File by partition.
        fields: Field at fault of rows that the mapping refused, by partition and line.
    """
    records = [{**letter_record(letter), **_place(letter, files, fields)} for letter in letters]
    schema = {**polars_schema(contract("DeadLetter")), **PLACE}
    return pl.DataFrame(records, schema=schema).sort("kind", "partition", "offset", "event_id")


def _place(letter: DeadLetter, files: Sequence[str], fields: Mapping[tuple[int, int], str]) -> dict[str, Any]:
    named = letter.topic and letter.partition < len(files)
    field_at_fault = FIELDS.get(letter.reason) or fields.get((letter.partition, letter.offset), "")
    return {
        "file": files[letter.partition] if named else "",
        "line": letter.offset if named else None,
        "field": field_at_fault,
    }


def write(folder: Path, collected: Collected, letters: pl.DataFrame, flow: str) -> None:
    """Write documents, dead letters, alerts and state times; where there are none, the columns alone."""
    documents = document_records(collected.newest_documents(), flow)
    times = state_time_records(collected.newest_state_times(), flow)
    frames = {
        "documents/ProductionConfirmation": records_frame("ProductionConfirmation", documents),
        "dead_letters": letters,
        "alerts": alerts_frame(collected, flow),
        "state_times": records_frame("StateTime", times),
    }
    write_frames(folder, frames)


def write_frames(folder: Path, frames: Mapping[str, pl.DataFrame]) -> None:
    """Write each frame as `NAME.parquet` below a folder."""
    for name, frame in frames.items():
        path = folder / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(path, compression="zstd")


def alerts_frame(collected: Collected, flow: str) -> pl.DataFrame:
    """Records of Alert."""
    return records_frame("Alert", [alert_record(alert, flow) for alert in collected.alerts])


def records_frame(name: str, records: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Records with the columns of their contract."""
    return pl.DataFrame(list(records), schema=polars_schema(contract(name)))
