"""A flow over records in memory: lanes that can abort the engine, and a consumer that keeps the highest version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
from bytewax.dataflow import Dataflow
from bytewax.inputs import AbortExecution, FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from dataflows import parts
from dataflows.confirmations import wire
from dataflows.settings import EVENTS, ConfirmationsSettings
from millrace.shutdown import draining
from operators.reference_lane import ReferenceOutput
from operators.shifts import CalendarBook, utc_calendar
from schemas.batch import RawBatch
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
SCHEMAS = FolderSchemas()


def cycle(number: int, machine: str, at: float, **values: Any) -> dict[str, Any]:
    """A MachineCycle of one good piece, `at` seconds after START."""
    record = {
        "event_id": f"{machine}-{number}",
        "event_time": START + timedelta(seconds=at),
        "plant": "P1",
        "source": machine,
        "sequence": number,
        "correlation_id": None,
        "work_center": f"WC-{machine}",
        "order_id": "O1",
        "operation": "0010",
        "counting": "DELTA",
        "counter": None,
        "reading_event": None,
        "quantity_good": Decimal(1),
        "quantity_scrap": Decimal(0),
        "quantity_rework": Decimal(0),
        "scrap_reason": None,
        "unit": "C62",
    }
    return {**record, **values}


def order(name: str, version: int = 1, **values: Any) -> dict[str, Any]:
    """A WorkOrder with one operation that the machine counts."""
    operation = {
        "operation": "0010",
        "work_center": "WC",
        "target_quantity": Decimal(1_000_000),
        "count_source": "MACHINE",
        "time_source": "MACHINE",
        "auto_final": True,
    }
    head = {
        "event_id": f"{name}-{version}",
        "event_time": START,
        "plant": "P1",
        "source": "erp",
        "sequence": None,
        "correlation_id": None,
        "order_id": name,
        "version": version,
        "status": "RELEASED",
        "material": "M1",
        "quantity": Decimal(1_000_000),
        "unit": "C62",
        "over_tolerance": Decimal(10),
        "under_tolerance": Decimal(0),
    }
    return {**head, "operations": [{**operation, **values}]}


def batch(name: str, records: Sequence[Mapping[str, Any]], partition: int, offset: int) -> RawBatch:
    """Records as polled from one partition, logged a second after their event time."""
    values = Codec(contract(name), SCHEMAS).encode([dict(record) for record in records])
    logged = [int(record["event_time"].timestamp() * 1000) + 1000 for record in records]
    return RawBatch(
        contract(name).topic,
        values,
        np.full(len(values), partition, np.int32),
        np.arange(offset, offset + len(values), dtype=np.int64),
        np.array(logged, np.int64),
    )


@dataclass
class Script:
    """What the lanes read: batches per lane, and after how many batches in all the flow is aborted or drained."""

    lanes: list[list[RawBatch]]
    orders: list[RawBatch]
    abort_after: int | None = None
    drain_after: int | None = None
    read: int = 0


class _Lane(StatefulSourcePartition[Any, Any]):
    def __init__(self, script: Script, batches: list[RawBatch], lane: Any, state: Any) -> None:
        self._script, self._batches, self._lane = script, batches, lane
        self._at = state["at"] if state else 0
        lane.restore(state["lane"] if state else None)

    def next_batch(self) -> list[Any]:
        if self._script.abort_after is not None and self._script.read >= self._script.abort_after:
            raise AbortExecution
        if self._script.drain_after is not None and self._script.read >= self._script.drain_after:
            draining.set()
        if draining.is_set() or self._at >= len(self._batches):
            raise StopIteration
        self._script.read += 1
        output = self._lane.process(self._batches[self._at])
        self._at += 1
        return [output]

    def snapshot(self) -> Any:
        return {"at": self._at, "lane": self._lane.snapshot()}


class Lanes(FixedPartitionedSource[Any, Any]):
    """One lane per list of batches."""

    def __init__(self, script: Script, build: Any) -> None:
        self._script, self._build = script, build

    def list_parts(self) -> list[str]:
        return [f"lane-{number:02d}" for number in range(len(self._script.lanes))]

    def build_part(self, _step_id: str, for_part: str, resume_state: Any) -> _Lane:
        number = self.list_parts().index(for_part)
        return _Lane(self._script, self._script.lanes[number], self._build(for_part), resume_state)


class Orders(FixedPartitionedSource[ReferenceOutput, Any]):
    """The reference lane."""

    def __init__(self, script: Script, build: Any) -> None:
        self._script, self._build = script, build

    def list_parts(self) -> list[str]:
        return ["reference"]

    def build_part(self, _step_id: str, _for_part: str, resume_state: Any) -> _Lane:
        return _Lane(Script([], []), self._script.orders, self._build(), resume_state)


@dataclass
class Consumer:
    """Keeps what a flow announced, as the ledger does: of a key the highest version."""

    best: dict[str, dict[str, Any]] = field(default_factory=dict)
    letters: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    seen: int = 0
    running: bool = False

    def take(self, items: list[Any]) -> None:
        for item in items:
            for frame in item.documents:
                for record in frame.to_dicts():
                    self._document(record)
            self.letters.update({letter.event_id: letter for letter in item.letters})
            self.counts.update(item.counts)

    def _document(self, record: dict[str, Any]) -> None:
        self.seen += 1
        version = (self.seen,) if self.running else (record["revision"], record["reference_version"])
        known = self.best.get(record["document_key"])
        if known is None or known["version"] <= version:
            self.best[record["document_key"]] = {**record, "version": version}

    def restart(self) -> None:
        """A new process: a running number starts again."""
        self.seen = 0

    def total(self, measure: str = "quantity_yield") -> Decimal:
        """Sum over all documents."""
        return sum((record[measure] for record in self.best.values()), Decimal(0))

    def by_order(self) -> dict[str, Decimal]:
        """Yield by order."""
        out: dict[str, Decimal] = {}
        for record in self.best.values():
            out[record["order_id"]] = out.get(record["order_id"], Decimal(0)) + record["quantity_yield"]
        return {name: value for name, value in out.items() if value}


class Taker(Protocol):
    """Whoever takes what a flow announces."""

    def take(self, items: list[Any]) -> None: ...


class TakerSink(DynamicSink[Any]):
    """Hands every batch to one taker."""

    def __init__(self, taker: Taker) -> None:
        self._taker = taker

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> Any:
        taker = self._taker

        class Partition(StatelessSinkPartition[Any]):
            def write_batch(self, items: list[Any]) -> None:
                taker.take(items)

        return Partition()


def run_flow(flow: Dataflow, recovery: Path | None, workers: int = 1) -> None:
    """Run to the end of the input or its abort; a snapshot after every batch, in a store that is made where needed."""
    if recovery is not None and not list(recovery.glob("*.sqlite3")):
        recovery.mkdir(exist_ok=True)
        init_db_dir(recovery, 2)  # type: ignore[no-untyped-call]
    try:
        cli_main(  # type: ignore[no-untyped-call]
            flow,
            workers_per_process=workers,
            epoch_interval=timedelta(0),
            recovery_config=RecoveryConfig(str(recovery)) if recovery else None,  # type: ignore[no-untyped-call]
        )
    finally:
        draining.clear()


def run(
    settings: ConfirmationsSettings,
    script: Script,
    consumer: Consumer,
    recovery: Path | None = None,
    *,
    workers: int = 1,
    deduplicate: bool = True,
) -> None:
    """Run the flow to the end of the script, or to its abort; a snapshot after every batch."""
    script.read = 0
    topics = parts.event_topics(settings)
    calendar = CalendarBook([], utc_calendar())
    decoders = parts.codecs(settings, SCHEMAS, EVENTS, {})
    lanes = Lanes(script, parts.lane_builder(settings, decoders, calendar, topics, deduplicate))
    orders = Orders(script, lambda: parts.reference_lane(settings, SCHEMAS))
    flow = wire(
        settings, lanes, orders, calendar, {"sink": TakerSink(consumer)}, lanes.list_parts(), recovery is not None
    )
    run_flow(flow, recovery, workers)


def history_rows(folder: Path) -> pl.DataFrame:
    """Rows of the raw zone's machine cycles."""
    return pl.read_parquet(folder / "machine-cycle" / "**" / "*.parquet", hive_partitioning=True)
