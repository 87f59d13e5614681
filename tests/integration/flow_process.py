"""The confirmations flow as processes on a real broker, with topics, ledger and history of its own."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from confluent_kafka import Producer
from sqlalchemy import select

from dataflows.settings import EVENTS, REFERENCES
from millrace.ledger import Ledger
from millrace.ledger.queries import dead_letters_by_reason
from millrace.ledger.tables import documents
from millrace.ledger.text import load_quantities
from sandbox.demo_process import Child
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas, SchemaSource
from tests.flows.memory import cycle, order
from tests.servers import Kafka
from tests.servers.process import free_port

#: Begin of an hour that lies wholly in the past.
BEGIN = (datetime.now(UTC) - timedelta(hours=4)).replace(minute=0, second=0, microsecond=0)
PATIENCE_S = 90.0


def cycles(machine: str, first: int, count: int, order_id: str = "O1", **values: Any) -> list[dict[str, Any]]:
    """Consecutive cycles of one good piece each, one every second from BEGIN on."""
    return [
        cycle(
            number,
            machine,
            0,
            **{"event_time": BEGIN + timedelta(seconds=number), "order_id": order_id, **values},
        )
        for number in range(first, first + count)
    ]


class FlowProcess:
    """One flow: its topics, its settings, its processes.

    Args:
        kafka: The broker.
        folder: Empty folder.
        name: Name of the flow, its group and the prefix of its topics.
        partitions: Of each topic.
        settings: What differs from the defaults here.
    """

    def __init__(self, kafka: Kafka, folder: Path, name: str, partitions: int = 4, **settings: Any) -> None:
        self._kafka, self._folder, self.name = kafka, folder, name
        names = (*EVENTS, *REFERENCES, "ShiftCalendar")
        self.topics = {each: f"{name}.{contract(each).topic}" for each in names}
        for topic in self.topics.values():
            kafka.create_topic(topic, partitions)
        self.settings: dict[str, Any] = {
            "flow": name,
            "kafka": {"bootstrap": kafka.bootstrap},
            "topics": self.topics,
            "default_zone": "Europe/Berlin",
            "lanes": 4,
            "window": "10m",
            "lateness_s": 5,
            "idle_s": 0.5,
            "shards": 2,
            "ring": 16,
            "work_center_shards": 2,
            "ledger": f"sqlite:///{folder / 'ledger.db'}",
            "history": str(folder / "history"),
            "recovery": str(folder / "recovery"),
            "recovery_partitions": 2,
            "epoch_s": 0.3,
            **settings,
        }
        self._children: list[Child] = []
        self._ledger = Ledger(self.settings["ledger"], who="test")

    def send(
        self,
        name: str,
        records: Sequence[Mapping[str, Any]],
        partition: int | None = None,
        schemas: SchemaSource | None = None,
    ) -> None:
        """Send records keyed by their source, or to one partition."""
        producer = Producer({"bootstrap.servers": self._kafka.bootstrap, "linger.ms": 5})
        values = Codec(contract(name), schemas or FolderSchemas()).encode([dict(record) for record in records])
        for number, (record, value) in enumerate(zip(records, values, strict=True)):
            where: dict[str, Any] = {} if partition is None else {"partition": partition}
            producer.produce(self.topics[name], value, key=str(record["source"]), **where)
            if number % 10_000 == 0:
                producer.poll(0)
        assert producer.flush(30) == 0

    def release(self, *names: str, schemas: SchemaSource | None = None) -> None:
        """Send orders."""
        self.send("WorkOrder", [{**order(name), "event_time": BEGIN} for name in names], schemas=schemas)

    def start(self, processes: int = 1, **settings: Any) -> None:
        """Start with settings that may differ from now on."""
        self.settings.update(settings)
        config = self._folder / "flow.yaml"
        config.write_text(yaml.safe_dump(self.settings))
        addresses = ";".join(f"127.0.0.1:{free_port()}" for _ in range(processes))
        self._children = []
        for number in range(processes):
            cluster = ["--process", str(number), "--addresses", addresses] if processes > 1 else []
            command = ["-m", "millrace", "run", "confirmations", "--config", str(config), *cluster]
            self._children.append(Child(f"flow-{number}", command, self._folder))
        for child in self._children:
            child.start()

    @property
    def log(self) -> str:
        """What the first process wrote."""
        return self._children[0].log.read_text()

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something holds while the flow runs."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            for child in self._children:
                child.expect()
            if time.monotonic() > deadline:
                raise self._children[0].failed(f"{what}: not within {PATIENCE_S:.0f} s; {self.totals()}")
            time.sleep(0.05)

    def wait_for_end(self) -> int:
        """Exit status of a flow that ends by itself."""
        deadline = time.monotonic() + PATIENCE_S
        while (status := self._children[0].exit_status) is None:
            if time.monotonic() > deadline:
                raise self._children[0].failed("did not end")
            time.sleep(0.05)
        return status

    def drain(self) -> list[int]:
        """SIGTERM to all processes; their exit statuses."""
        with ThreadPoolExecutor(len(self._children)) as pool:
            return list(pool.map(lambda child: child.stop(60), self._children))

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The processes do nothing for a while, as on a machine that hangs."""
        pids = [pid for child in self._children if (pid := child.pid) is not None]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        """No process is left."""
        for child in self._children:
            child.kill()
        self._ledger.close()

    # -- what came of it

    def totals(self) -> dict[str, Decimal]:
        """Good pieces by order, as the ledger desires them."""
        columns = (documents.c.order_id, documents.c.quantities)
        found: Counter[str] = Counter()
        for name, text in self._ledger.ask(lambda c: c.execute(select(*columns)).all()):
            found[name] += load_quantities(text).get("yield", Decimal(0))  # type: ignore[assignment]
        return dict(found)  # type: ignore[arg-type]

    def read(self, name: str = "MachineCycle") -> int:
        """Records of a contract that the flow has counted."""
        return self._ledger.flow_totals(self.name).get(f"read:{name}", 0)

    def dead_letters(self) -> dict[str, int]:
        """Dead letters by reason."""
        return self._ledger.ask(dead_letters_by_reason)

    def history(self) -> pl.DataFrame:
        """Rows of the cycles' history with the name of their file."""
        files = sorted((self._folder / "history" / self.topics["MachineCycle"]).glob("*/*/*.parquet"))
        return pl.concat(
            [pl.read_parquet(file, hive_partitioning=False).with_columns(file=pl.lit(file.name)) for file in files]
        )
