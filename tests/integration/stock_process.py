"""The replenishment flow as a process on a real broker, with topics, ledger and history of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from confluent_kafka import Consumer, Producer, TopicPartition

from dataflows.replenishment_settings import ReplenishmentSettings
from millrace.ledger import Ledger, stock_standings
from sandbox.demo_process import Child
from schemas.batch import RawBatch
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas
from tests.flows.stock_records import START, Record
from tests.servers import Kafka

#: Begin of an hour that lies wholly in the past.
BEGIN = (datetime.now(UTC) - timedelta(hours=6)).replace(minute=0, second=0, microsecond=0)
PATIENCE_S = 90.0
READ = (*ReplenishmentSettings.events, "Material")
SENT = ReplenishmentSettings.outputs


def recent(record: Record) -> Record:
    """The same record, hours instead of months ago."""
    delta = BEGIN - START
    moved = {name: value + delta for name, value in record.items() if isinstance(value, date)}
    return {**record, **moved}


class StockProcess:
    """One flow: its topics, its settings, its process.

    Args:
        kafka: The broker.
        folder: Empty folder.
        name: Name of the flow, its group and the prefix of its topics.
        settings: What differs from the defaults here.
    """

    def __init__(self, kafka: Kafka, folder: Path, name: str, **settings: Any) -> None:
        self._kafka, self._folder, self.name = kafka, folder, name
        self.topics = {each: f"{name}.{contract(each).topic}" for each in (*READ, *SENT)}
        for topic in self.topics.values():
            kafka.create_topic(topic, 2)
        self.ledger_url = f"sqlite:///{folder / 'ledger.db'}"
        rule = {"reorder_point": 100, "order_up_to": 300}
        self.settings: dict[str, Any] = {
            "flow": name,
            "kafka": {"bootstrap": kafka.bootstrap},
            "topics": self.topics,
            "rules": [rule],
            "lateness_s": 1,
            "idle_s": 2,
            "shards": 2,
            "epoch_s": 0.3,
            "publish": True,
            "ledger": self.ledger_url,
            "history": str(folder / "history"),
            "recovery": str(folder / "recovery"),
            "recovery_partitions": 2,
            **settings,
        }
        self.config = folder / "flow.yaml"
        self.config.write_text(yaml.safe_dump(self.settings))
        self._child = Child("flow", ["-m", "millrace", "run", "replenishment", "--config", str(self.config)], folder)
        self._ledger = Ledger(self.ledger_url, who="test")

    def send(self, name: str, records: Sequence[Record]) -> None:
        """Send records by the key of their contract."""
        producer = Producer({"bootstrap.servers": self._kafka.bootstrap, "linger.ms": 5})
        known = contract(name)
        for record, value in zip(records, Codec(known, FolderSchemas()).encode(list(records)), strict=True):
            producer.produce(self.topics[name], value, key=str(record[known.key]))
        assert producer.flush(30) == 0

    def start(self) -> None:
        """Start it, or start it again."""
        self._child.start()

    def kill(self) -> None:
        """SIGKILL."""
        self._child.kill()
        while self._child.running:
            time.sleep(0.01)

    def drain(self) -> int:
        """SIGTERM; its exit status."""
        return self._child.stop(60)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something holds while the flow runs."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            self._child.expect()
            if time.monotonic() > deadline:
                raise self._child.failed(f"{what}: not within {PATIENCE_S:.0f} s")
            time.sleep(0.05)

    def read(self, name: str = "MaterialConsumption") -> int:
        """Records of a contract that the flow has counted."""
        return self._ledger.flow_totals(self.name).get(f"read:{name}", 0)

    def standing(self, material: str) -> dict[str, Any]:
        """How the material's place stands; empty before the flow told."""
        entries = self._ledger.ask(lambda connection: stock_standings.of_material(connection, material))
        found = (each["content"] for each in entries if each["name"].startswith("stock|"))
        return next(found, {})

    def sent(self, name: str) -> list[dict[str, Any]]:
        """All records of an output topic."""
        client = {"bootstrap.servers": self._kafka.bootstrap, "group.id": "look", "auto.offset.reset": "earliest"}
        consumer = Consumer(client)
        values: list[bytes] = []
        try:
            places = [TopicPartition(self.topics[name], number, 0) for number in range(2)]
            ends = [consumer.get_watermark_offsets(place, timeout=10)[1] for place in places]
            consumer.assign(places)
            while len(values) < sum(ends):
                values += [message.value() for message in consumer.consume(1000, 1.0) if message.error() is None]
        finally:
            consumer.close()
        zeros = pl.zeros(len(values), pl.Int64, eager=True).to_numpy()
        raw = RawBatch(self.topics[name], values, zeros.astype("int32"), zeros, zeros)
        decoded: list[dict[str, Any]] = Codec(contract(name), FolderSchemas()).decode(raw).frame.to_dicts()
        return decoded

    def history(self, name: str) -> pl.DataFrame:
        """Rows of a contract in the history."""
        files = sorted((self._folder / "history" / self.topics[name]).glob("*/*/*.parquet"))
        return pl.concat([pl.read_parquet(file, hive_partitioning=False) for file in files])

    def close(self) -> None:
        """No process is left."""
        self._child.kill()
        self._ledger.close()
