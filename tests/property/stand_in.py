"""A plain stand-in for the engine: keyed state, epochs with consistent snapshots, crashes, no order of keys.

It drives lanes, clock, totals and documents as `operators.streaming` wires them.
"""

from __future__ import annotations

import pickle
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from operators.clock import Clock, Tick
from operators.documents import DocumentConfig, Documents, DocumentsOutput
from operators.lane import Lane, LaneConfig
from operators.layout import Layout
from operators.reference_lane import ReferenceLane, ReferenceOutput
from operators.screen import TimeLimits
from operators.shifts import CalendarBook, utc_calendar
from operators.totals import Closed, Totals
from operators.windows import Window
from schemas.batch import DecodedBatch, RawBatch
from schemas.contracts import contract
from schemas.types import polars_schema

START = 1_772_431_200_000_000  # 2026-03-02 06:00 UTC
SECOND = 1_000_000
HOUR = 3600 * SECOND
TOPICS = {"machine-cycle": "MachineCycle", "operation-report": "OperationReport"}
Record = dict[str, Any]
NOTHING = Decimal(0)


def cycle(source: str, number: int, at: int, **values: Any) -> Record:
    """A MachineCycle of one piece, `at` microseconds after START."""
    return {
        "event_id": f"{source}-{number}",
        "event_time": START + at,
        "plant": "P1",
        "source": source,
        "sequence": number,
        "work_center": f"WC-{source}",
        "order_id": "O1",
        "operation": "0010",
        "counting": "DELTA",
        "quantity_good": Decimal(1),
        "quantity_scrap": NOTHING,
        "quantity_rework": NOTHING,
        "unit": "C62",
        **values,
    }


def report(source: str, number: int, at: int, **values: Any) -> Record:
    """An OperationReport of one piece, `at` microseconds after START."""
    quantities = ("quantity_yield", "quantity_scrap", "quantity_rework")
    times = ("setup_time", "machine_time", "labour_time")
    same = {k: v for k, v in cycle(source, number, at).items() if k not in ("counting", "quantity_good")}
    zero = dict.fromkeys((*quantities, *times), NOTHING)
    return {**same, **zero, "quantity_yield": Decimal(1), "completed": False, **values}


def order(name: str, version: int = 1, **values: Any) -> Record:
    """A WorkOrder with one operation that the machine counts."""
    operation = {
        "operation": "0010",
        "work_center": "WC",
        "target_quantity": Decimal(1_000_000),
        "count_source": "MACHINE",
        "time_source": "OPERATOR",
        "auto_final": True,
    }
    head = {
        "event_id": f"{name}-{version}",
        "event_time": START,
        "plant": "P1",
        "source": "erp",
        "order_id": name,
        "version": version,
        "status": "RELEASED",
        "material": "M1",
        "quantity": Decimal(100),
        "unit": "C62",
        "over_tolerance": Decimal(10),
        "under_tolerance": NOTHING,
    }
    own = {name: value for name, value in values.items() if name in operation}
    rest = {name: value for name, value in values.items() if name not in operation}
    return {**head, "operations": [{**operation, **own}], **rest}


def frame(name: str, records: Sequence[Record]) -> pl.DataFrame:
    """Records as a codec decodes them; what is not named is null."""
    schema = polars_schema(contract(name))
    rows = [{**dict.fromkeys(schema), **record} for record in records]
    plain = {**schema, "event_time": pl.Int64()}
    return pl.DataFrame(rows, schema=plain).with_columns(pl.col("event_time").cast(schema["event_time"]))


class Stub:
    """Decodes values that are pickled records."""

    def __init__(self, name: str) -> None:
        self._name = name

    def decode(self, raw: RawBatch) -> DecodedBatch:
        return DecodedBatch(frame(self._name, [pickle.loads(value) for value in raw.values if value]))  # noqa: S301


def polled(topic: str, records: Sequence[Record], partition: int, offset: int) -> RawBatch:
    """Records as one poll of a partition, all logged long after they happened."""
    return RawBatch(
        topic,
        [pickle.dumps(record) for record in records],
        np.full(len(records), partition, np.int32),
        np.arange(offset, offset + len(records), dtype=np.int64),
        np.full(len(records), (START + 1000 * HOUR) // 1000, np.int64),
    )


@dataclass(frozen=True)
class Plan:
    """What a run reads and how it is set up.

    Args:
        log: Records by (topic, partition).
        references: Batches of WorkOrder records in the order of their topic.
        horizon: Correction horizon, microseconds.
        window: How time is cut.
        lanes: Lanes that the partitions are dealt out to.
        deduplicate: False in a negative control.
    """

    log: dict[tuple[str, int], list[Record]]
    references: list[list[Record]]
    horizon: int = 2 * HOUR
    window: str = "10m"
    lanes: int = 2
    deduplicate: bool = True

    def lane_of(self, partition: int) -> int:
        return partition % self.lanes


@dataclass
class Consumer:
    """Keeps the highest version per document, as the posting ledger does; survives every crash.

    Args:
        running: Negative control: versions are numbered by a counter in the memory of the process.
    """

    running: bool = False
    best: dict[str, Record] = field(default_factory=dict)
    given_up: list[Record] = field(default_factory=list)
    _count: int = 0

    def restart(self) -> None:
        self._count = 0

    def take(self, output: DocumentsOutput) -> None:
        self.given_up += output.given_up
        for document in [row for part in output.confirmations for row in part.to_dicts()]:
            self._count += 1
            if self.running:
                document["revision"] = self._count
            known = self.best.get(document["document_key"])
            version = (document["revision"], document["reference_version"])
            if known is None or (known["revision"], known["reference_version"]) < version:
                self.best[document["document_key"]] = document

    def totals(self, measure: str = "quantity_yield") -> dict[str, Decimal]:
        found: dict[str, Decimal] = defaultdict(Decimal)
        for document in self.best.values():
            found[document["order_id"]] += document[measure]
        return {name: amount for name, amount in found.items() if amount}

    def final(self) -> set[str]:
        return {document["order_id"] for document in self.best.values() if document["is_final"]}


class Life:
    """One life of the processes, from the last snapshot on."""

    def __init__(self, plan: Plan, consumer: Consumer, chance: random.Random, state: bytes | None) -> None:
        self._plan, self._consumer, self._chance = plan, consumer, chance
        saved = pickle.loads(state) if state else {}  # noqa: S301
        window, calendar = Window.parse(plan.window), CalendarBook([], utc_calendar())
        self._layout = Layout(window, calendar, shards=2, ring=4, work_center_shards=1)
        limits = TimeLimits(horizon=plan.horizon)
        config = LaneConfig(TOPICS, window, limits, deduplicate=plan.deduplicate)
        decoders = {topic: Stub(name) for topic, name in TOPICS.items()}
        names = [f"lane-{number}" for number in range(plan.lanes)]
        now = lambda: START / SECOND + 4e6  # noqa: E731
        self._lanes = [Lane(name, config, decoders, calendar, now=now) for name in names]
        for number, lane in enumerate(self._lanes):
            lane.expect(f"{topic}/{p}" for topic, p in plan.log if plan.lane_of(p) == number)
            lane.restore(saved["lanes"][number] if saved else None)
        self._reference = ReferenceLane({"work-order": "WorkOrder"}, {"work-order": Stub("WorkOrder")})
        self._reference.restore(saved.get("reference"))
        self._offsets: dict[Any, int] = dict(saved.get("offsets", {}))
        self._clock, self._sent = Clock(names, 30 * SECOND, plan.horizon), Tick(-(2**62), -(2**62))
        if saved:
            self._clock.restore(saved["clock"])
            self._sent = Tick(*saved["sent"])
        self._totals = {key: self._make_totals(part) for key, part in saved.get("totals", {}).items()}
        self._documents = {key: self._make_documents(part) for key, part in saved.get("documents", {}).items()}
        self._queues: dict[str, list[Any]] = defaultdict(list)
        self._new_epoch = True

    def _make_totals(self, state: Any = None) -> Totals:
        totals = Totals(self._layout.window, merge_at=3)
        if state is not None:
            totals.restore(state)
        return totals

    def _make_documents(self, state: Any = None) -> Documents:
        documents = Documents(DocumentConfig(self._layout.window, wait=10_000 * HOUR))
        if state is not None:
            documents.restore(state)
        return documents

    @property
    def done(self) -> bool:
        """Whether everything was read."""
        left = [place for place, records in self._plan.log.items() if self._offsets.get(place, 0) < len(records)]
        return not left and self._offsets.get("references", 0) >= len(self._plan.references)

    def poll(self) -> None:
        """Read some records of a partition, or some reference data."""
        if self._chance.random() < 0.2:
            self._poll_reference()
            return
        topic, partition = self._chance.choice(sorted(self._plan.log))
        at = self._offsets.get((topic, partition), 0)
        records = self._plan.log[topic, partition][at : at + self._chance.randint(1, 25)]
        lane = self._lanes[self._plan.lane_of(partition)]
        output = lane.process(polled(topic, records, partition, at)) if records else lane.heartbeat()
        self._offsets[topic, partition] = at + len(records)
        self._send([*self._layout.by_slot(output.partials), *self._layout.adjustments(output.late)])
        self._clock.heard(output)
        self._tick()

    def _poll_reference(self) -> None:
        at = self._offsets.get("references", 0)
        if at < len(self._plan.references):
            output = self._reference.process(polled("work-order", self._plan.references[at], 0, at))
            self._offsets["references"] = at + 1
            self._send([*self._layout.references(output), *self._layout.touches(output)])

    def _tick(self) -> None:
        tick = self._clock.tick()
        keys = self._layout.slots_due(self._sent.watermark, tick.watermark)
        keys += [key for key in self._layout.holders() if self._new_epoch and key[0] == "s"]
        if keys:
            self._sent, self._new_epoch = tick, False
        self._send([(key, tick) for key in keys])

    def _send(self, keyed: Sequence[tuple[str, Any]]) -> None:
        for key, item in keyed:
            self._queues[key].append(item)

    def work(self) -> None:
        """Process what one key has waiting; what different senders sent may overtake each other."""
        waiting = [key for key, items in self._queues.items() if items]
        if not waiting:
            return
        key = self._chance.choice(waiting)
        items, self._queues[key] = self._queues[key], []
        self._chance.shuffle(items)
        if key[0] == "s":
            self._document(key, items)
        else:
            self._total(key, items)

    def _total(self, key: str, items: list[Any]) -> None:
        totals = self._totals.setdefault(key, self._make_totals())
        shard = self._layout.shard_of(key)
        for item in items:
            if isinstance(item, Tick):
                self._send_closed(shard, totals.tick(item.watermark, item.frontier))
            elif isinstance(item, ReferenceOutput):
                self._send([(shard, item)])
                self._send_closed(shard, totals.touch(item.touched))
            else:
                totals.add(item)
        if self._chance.random() < 0.5:
            self._send_closed(shard, totals.revise())

    def _send_closed(self, shard: str, closed: Closed | None) -> None:
        if closed is not None:
            self._send([(shard, closed)])

    def _document(self, key: str, items: list[Any]) -> None:
        documents = self._documents.setdefault(key, self._make_documents())
        output = DocumentsOutput()
        documents.release(output)
        for item in items:
            if isinstance(item, ReferenceOutput):
                documents.reference(item, output)
            elif isinstance(item, Closed):
                documents.closed(item, output)
            elif isinstance(item, Tick):
                documents.tick(item.watermark, item.frontier, output)
            else:
                documents.late(item, output)
        self._consumer.take(output)

    def snapshot(self) -> bytes:
        """End of an epoch: everything in flight is processed, then all state is one snapshot."""
        while any(self._queues.values()):
            self.work()
        self._new_epoch = True
        state = {
            "lanes": [lane.snapshot() for lane in self._lanes],
            "reference": self._reference.snapshot(),
            "offsets": dict(self._offsets),
            "clock": self._clock.snapshot(),
            "sent": (self._sent.watermark, self._sent.frontier),
            "totals": {key: totals.snapshot() for key, totals in self._totals.items()},
            "documents": {key: documents.snapshot() for key, documents in self._documents.items()},
        }
        return pickle.dumps(state)

    def flush(self) -> None:
        """The end of a finite input."""
        self.snapshot()
        for key, totals in self._totals.items():
            self._send_closed(self._layout.shard_of(key), totals.flush())
        self.snapshot()
        for documents in self._documents.values():
            output = DocumentsOutput()
            documents.flush(output)
            self._consumer.take(output)

    @property
    def windows(self) -> int:
        """Windows in the state."""
        return sum(len(totals.snapshot()["cells"]) for totals in self._totals.values())


def run(plan: Plan, seed: int, crashes: int, consumer: Consumer | None = None) -> tuple[Consumer, Life]:
    """Read everything, with some crashes at random moments between snapshots."""
    chance, state = random.Random(seed), None
    consumer = consumer or Consumer()
    left = crashes
    while True:
        life = Life(plan, consumer, chance, state)
        consumer.restart()
        crash_at = chance.randint(1, 250) if left else None
        for step in range(1_000_000):
            if step == crash_at:
                left -= 1
                break
            (life.poll if chance.random() < 0.5 else life.work)()
            if chance.random() < 0.08:
                state = life.snapshot()
            if life.done:
                life.flush()
                return consumer, life
