"""The demo's day under the eyes of a real Prometheus, with the replenishment flow beside it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Producer

from sandbox.demo_process import Child
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas
from tests.flows import stock_records
from tests.servers.process import free_port
from tests.servers.prometheus import Prometheus
from tools.dashboard_views import VIEWS
from tools.dashboards import Panel
from tools.prometheus_rules import RULES

SECONDS = 40
_STOCK = ("InventoryBalance", "MaterialConsumption", "PurchaseOrder", "OrderAcknowledgement", "Material")
_OTHERS = ("QualityEvent", "GoodsMovement", "GoodsReceipt", "ShipmentNotice", "PostingResult")
#: Of its own: the demo counts what is in the contracts' topics.
_TOPICS = {name: f"watched.{contract(name).topic}" for name in (*_STOCK, *_OTHERS)}


class WatchedDemo:
    """The demo, a small stock, and Prometheus.

    Args:
        folder: Empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._out = folder, folder / "demo"
        flow, poster, self._stock_port = free_port(), free_port(), free_port()
        env = {"MILLRACE_METRICS_PORT": str(flow), "MILLRACE_POST_METRICS_PORT": str(poster)}
        command = ["-m", "millrace", "demo", "--out", str(self._out), "--hours", "6", "--seconds", str(SECONDS)]
        self._demo = Child("demo", command, folder, env)
        jobs = {
            "millrace-confirmations": [f"127.0.0.1:{flow}"],
            "millrace-poster": [f"127.0.0.1:{poster}"],
            "millrace-replenishment": [f"127.0.0.1:{self._stock_port}"],
        }
        self.prometheus = Prometheus(folder, jobs, RULES)
        self._replenishment: Child | None = None
        self._items = itertools.count(1)
        self.begun = time.time()
        self._morning = datetime.now(UTC) - timedelta(hours=5)

    def start(self) -> None:
        """Begin the day."""
        self._demo.start()
        address = self._out / "broker.address"
        self._demo.wait_for(address.exists, "gave no broker")
        self._keep_stock(address.read_text())

    def _keep_stock(self, bootstrap: str) -> None:
        settings = {
            "kafka": {"bootstrap": bootstrap},
            "topics": _TOPICS,
            "recovery": str(self._folder / "recovery"),
            "ledger": f"sqlite:///{self._folder / 'stock.db'}",
            "lateness_s": 1,
            "idle_s": 1,
            "judge_s": 1,
            "metrics_port": self._stock_port,
        }
        config = self._folder / "replenishment.yaml"
        config.write_text(yaml.safe_dump(settings))
        self._producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
        for topic in _TOPICS.values():
            self._producer.list_topics(topic, timeout=10)
        self._send(_stock_day())
        command = ["-m", "millrace", "run", "replenishment", "--config", str(config)]
        self._replenishment = Child("replenishment", command, self._folder)
        self._replenishment.start()

    def _send(self, records: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Send the records of a day that began five hours before the demo."""
        begin = self._morning - stock_records.START
        for name, record in records:
            moved = {field: record[field] + begin for field in ("event_time", "as_of") if field in record}
            value = Codec(contract(name), FolderSchemas()).encode([{**record, **moved}])[0]
            self._producer.produce(_TOPICS[name], value, key="S")
        self._producer.flush(1)  # the broker ends with the day

    def order_and_answer(self) -> None:
        """Life goes on: one more item of a purchase order, the last one's acknowledgement, and a count of the stock.

        All at the time of the clock, as it is in a plant: partitions that have been idle stand there, and whatever
        was told of hours ago, a little more each second, would hold the flow's time back for just as long.
        """
        number = next(self._items)
        minutes = (datetime.now(UTC) - self._morning) / timedelta(minutes=1)
        self._send(
            [
                ("PurchaseOrder", stock_records.order(minutes, 10, str(1_000 + number))),
                ("OrderAcknowledgement", stock_records.answer(minutes, 10, str(999 + number))),
                ("InventoryBalance", stock_records.balance(minutes, 170)),
            ]
        )

    @property
    def over(self) -> bool:
        """Whether the day has ended."""
        return self._demo.exit_status is not None

    def close(self) -> None:
        """No process is left."""
        for child in (self._replenishment, self._demo):
            if child is not None:
                child.kill()
        self.prometheus.close()


def _stock_day() -> list[tuple[str, Mapping[str, Any]]]:
    """Two balances that agree, one that does not, and a supplier who answers after two hours."""
    return [
        ("Material", stock_records.material()),
        ("InventoryBalance", stock_records.balance(0, 300)),
        ("MaterialConsumption", stock_records.issue(1, 10, 100)),
        ("InventoryBalance", stock_records.balance(60, 200)),
        ("PurchaseOrder", stock_records.order(70, 500)),
        ("InventoryBalance", stock_records.balance(120, 170)),
        ("OrderAcknowledgement", stock_records.answer(190, 500)),
        ("InventoryBalance", stock_records.balance(240, 170)),
    ]


def queries() -> dict[str, str]:
    """Every query of every panel, by dashboard, panel and legend."""
    panels: list[tuple[str, Panel]] = [(view.title, panel) for view in VIEWS for panel in view.panels]
    named = [(f"{view} | {panel.title}", panel.queries) for view, panel in panels]
    return {f"{name} | {legend}": expr for name, found in named for legend, expr in found.items()}


def unseen(demo: WatchedDemo, patience_s: float = 240.0) -> list[str]:
    """Let the day go by; queries that never had an answer meanwhile."""
    left, until = queries(), time.monotonic() + patience_s
    while left and not demo.over and time.monotonic() < until:
        left = {name: expr for name, expr in left.items() if not _answered(demo.prometheus, expr)}
        demo.order_and_answer()
        time.sleep(1)
    return sorted(left)


def _answered(prometheus: Prometheus, expression: str) -> bool:
    values = [float(series["value"][1]) for series in prometheus.query(expression)]
    return any(value == value for value in values)  # noqa: PLR0124 - NaN is no answer
