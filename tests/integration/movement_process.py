"""The flow of goods movements as a process on a real broker."""

from __future__ import annotations

import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Producer
from sqlalchemy import select

from dataflows.movement_settings import GoodsMovementsSettings
from millrace.ledger import Ledger
from millrace.ledger.queries import dead_letters_by_reason
from millrace.ledger.tables import documents
from millrace.ledger.text import load_json, load_quantities
from sandbox.demo_process import Child
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas
from tests.flows.memory import START
from tests.integration.flow_process import BEGIN, PATIENCE_S
from tests.servers import Kafka

#: From the times of records in memory to an hour that lies in the past of the wall clock.
MOVED = BEGIN - START


class MovementProcess:
    """One flow: its topics, its settings, its process.

    Args:
        kafka: The broker.
        folder: Empty folder.
        settings: What differs from the defaults here.
    """

    def __init__(self, kafka: Kafka, folder: Path, **settings: Any) -> None:
        self._kafka, self._folder = kafka, folder
        known = (*GoodsMovementsSettings.events, *GoodsMovementsSettings.references, "ShiftCalendar")
        self.topics = {each: f"moves.{contract(each).topic}" for each in known}
        for topic in self.topics.values():
            kafka.create_topic(topic, 2)
        values: dict[str, Any] = {
            "flow": "moves",
            "kafka": {"bootstrap": kafka.bootstrap},
            "topics": self.topics,
            "default_zone": "UTC",
            "window": "10m",
            "lateness_s": 5,
            "idle_s": 0.5,
            "shards": 2,
            "ring": 8,
            "ledger": f"sqlite:///{folder / 'ledger.db'}",
            "history": str(folder / "history"),
            "recovery": str(folder / "recovery"),
            "recovery_partitions": 2,
            "epoch_s": 0.3,
            **settings,
        }
        config = folder / "moves.yaml"
        config.write_text(yaml.safe_dump(values))
        self._child = Child("moves", ["-m", "millrace", "run", "goods-movements", "--config", str(config)], folder)
        self._ledger = Ledger(values["ledger"], who="test")

    def send(self, name: str, records: list[dict[str, Any]]) -> None:
        """Send records keyed by what their contract says, at times of today."""
        producer = Producer({"bootstrap.servers": self._kafka.bootstrap})
        moved = [_moved(record) for record in records]
        for record, value in zip(moved, Codec(contract(name), FolderSchemas()).encode(moved), strict=True):
            producer.produce(self.topics[name], value, key=str(record[contract(name).key]))
        assert producer.flush(30) == 0

    def start(self) -> None:
        """Begin, or go on."""
        self._child.start()

    def kill(self) -> None:
        """SIGKILL."""
        self._child.kill()

    def drain(self) -> int:
        """SIGTERM; the exit status."""
        return self._child.stop(60)

    def close(self) -> None:
        """No process is left."""
        self._child.kill()
        self._ledger.close()

    def wait_for(self, totals: dict[tuple[str, str], Decimal]) -> None:
        """Wait until the ledger desires these totals."""
        deadline = time.monotonic() + PATIENCE_S
        while self.totals() != totals:
            self._child.expect()
            if time.monotonic() > deadline:
                raise self._child.failed(f"not within {PATIENCE_S:.0f} s; {self.totals()}")
            time.sleep(0.05)

    def totals(self) -> dict[tuple[str, str], Decimal]:
        """Quantity by movement and material, as the ledger desires them."""
        columns = (documents.c.kind, documents.c.attributes, documents.c.quantities)
        found: Counter[tuple[str, str]] = Counter()
        for kind, attributes, quantities in self._ledger.ask(lambda c: c.execute(select(*columns)).all()):
            assert kind == "GoodsMovement"
            told, amounts = load_json(attributes), load_quantities(quantities)
            found[told["movement"], told["material"]] += amounts.get("quantity", Decimal(0))  # type: ignore[assignment]
        return {key: Decimal(value) for key, value in found.items() if value}

    def dead_letters(self) -> dict[str, int]:
        """Dead letters by reason."""
        return self._ledger.ask(dead_letters_by_reason)


def _moved(record: dict[str, Any]) -> dict[str, Any]:
    names = ("event_time", "window_start", "window_end", "first_event_time", "last_event_time")
    return {**record, **{name: record[name] + MOVED for name in names if name in record}}
