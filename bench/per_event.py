"""The usual way to write the flow with Bytewax: record by record, with the parts that it ships.

Its Kafka source, `fastavro` for each record, `EventClock` and `fold_window` over tumbling windows of 10 s
with 5 s of lateness per order, operation and work centre, four aggregates. No recovery store, no de-
duplication, the result only added up.
"""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import bytewax.operators as op
import fastavro
from bytewax.connectors.kafka import KafkaError, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, TumblingWindower, fold_window
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main
from confluent_kafka import OFFSET_BEGINNING

from bench.process import Result, command_line, cpu_seconds, peak_rss_mib

WINDOW = timedelta(seconds=10)
LATENESS = timedelta(seconds=5)
_WIRE_PREFIX = 5
_CONTRACT = Path(__file__).parents[1] / "schemas" / "avro" / "MachineCycle.avsc"
_SCHEMA = fastavro.parse_schema(json.loads(_CONTRACT.read_text()))

Event = dict[str, Any]
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class Totals:
    """The four aggregates of a window."""

    events: int = 0
    good: Decimal = Decimal(0)
    scrap: Decimal = Decimal(0)
    last: datetime = _NEVER

    def add(self, event: Event) -> Totals:
        """Fold one event in."""
        self.events += 1
        self.good += event["quantity_good"]
        self.scrap += event["quantity_scrap"]
        self.last = max(self.last, event["event_time"])
        return self

    def merge(self, other: Totals) -> Totals:
        """Fold another window in; tumbling windows never ask for it."""
        self.events += other.events
        self.good += other.good
        self.scrap += other.scrap
        self.last = max(self.last, other.last)
        return self


@dataclass
class Sum(DynamicSink[tuple[str, tuple[int, Totals]]]):
    """Adds up what leaves the windows, so that a wrong answer is seen."""

    windows: int = 0
    totals: Totals = field(default_factory=Totals)

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> SumPartition:
        """One partition; the benchmark has one worker."""
        return SumPartition(self)


class SumPartition(StatelessSinkPartition[tuple[str, tuple[int, Totals]]]):
    """The sink's only partition."""

    def __init__(self, total: Sum) -> None:
        self._total = total

    def write_batch(self, items: list[tuple[str, tuple[int, Totals]]]) -> None:
        """Add the closed windows."""
        self._total.windows += len(items)
        for _key, (_window, totals) in items:
            self._total.totals.merge(totals)


def measure(bootstrap: str, topic: str, n: int) -> Result:
    """Run the flow over a topic that holds exactly `n` records; start-up is not counted.

    Fill it with `CycleTopic.shortened`: a small topic with few events per window would cost more for each.

    Raises:
        ValueError: When the windows do not add up to `n` events.
    """
    total = Sum()
    flow = build(bootstrap, topic, total)
    cpu, wall = cpu_seconds(), time.perf_counter()
    run_main(flow)  # type: ignore[no-untyped-call]
    cpu, wall = cpu_seconds() - cpu, time.perf_counter() - wall
    if total.totals.events != n:
        raise ValueError(f"{total.totals.events} of {n} events in the windows of {topic}")
    return {
        "records": n,
        "windows": total.windows,
        "quantity_good": str(total.totals.good),
        "quantity_scrap": str(total.totals.scrap),
        "cpu_s": cpu,
        "wall_s": wall,
        "per_cpu_s": n / cpu,
        "peak_rss_mib": peak_rss_mib(),
    }


def build(bootstrap: str, topic: str, total: Sum) -> Dataflow:
    """The flow; it ends at the end of the topic."""
    flow = Dataflow("per_event")
    source = KafkaSource([bootstrap], [topic], tail=False, starting_offset=OFFSET_BEGINNING)
    events = op.map("decode", op.input("read", flow, source), _decode)
    keyed = op.key_on("key", events, _key)
    # Left to itself the clock adds the time that passes while other partitions are read, and an eighth of the
    # events come "late"; so system time stands still for it, which also spares it its wake-ups.
    clock = EventClock(_event_time, LATENESS, now_getter=lambda: _NEVER, to_system_utc=lambda _when: None)
    windower = TumblingWindower(length=WINDOW, align_to=datetime(2026, 1, 1, tzinfo=UTC))
    closed = fold_window("window", keyed, clock, windower, Totals, Totals.add, Totals.merge)
    op.output("sum", closed.down, total)
    return flow


def _decode(message: KafkaSourceMessage[bytes | None, bytes | None] | KafkaError[Any, Any]) -> Any:
    if isinstance(message, KafkaError) or message.value is None:
        raise ValueError(f"not a record: {message}")
    return fastavro.schemaless_reader(io.BytesIO(message.value[_WIRE_PREFIX:]), _SCHEMA, None)


def _key(event: Event) -> str:
    return f"{event['order_id']}|{event['operation']}|{event['work_center']}"


def _event_time(event: Event) -> datetime:
    when: datetime = event["event_time"]
    return when


if __name__ == "__main__":
    command_line(measure)
