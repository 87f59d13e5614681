"""A stockroom beside the watched plant: a flow keeps its stock, the ERP counts it, and a movement is lost."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from tests.flows import stock_records
from tests.monitoring.plant import WatchedPlant
from tests.servers.process import free_port

#: Storage locations of a count of the whole plant.
_PLACES = 1_000


class StockedPlant(WatchedPlant):
    """A plant with a stockroom."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        self._stock_port = free_port()
        self._morning = datetime.now(UTC) - timedelta(hours=1)
        self._numbers = itertools.count(1)

    @property
    def jobs(self) -> dict[str, list[str]]:
        """The stock's flow too."""
        return {**super().jobs, "millrace-replenishment": [f"127.0.0.1:{self._stock_port}"]}

    def start_erp(self) -> None:
        """And the flow that keeps the stock, which is told once, so that nothing is compared yet."""
        super().start_erp()
        settings = {
            "kafka": {"bootstrap": self.bootstrap},
            "without": ["GoodsMovement", "PostingResult"],
            "lateness_s": 0.5,
            "idle_s": 0.5,
            "judge_s": 2,
            "epoch_s": 0.3,
            "ledger": self.ledger,
            "recovery": str(self.folder / "recovery-stock"),
            "metrics_port": self._stock_port,
        }
        config = self.folder / "replenishment.yaml"
        config.write_text(yaml.safe_dump(settings))
        self.child("stock", "-m", "millrace", "run", "replenishment", "--config", str(config)).start()
        self.wait_ready(self._stock_port)
        self._tell("Material", stock_records.material())
        self._count(300)

    @property
    def _now(self) -> float:
        """Minutes since the records' day began."""
        return (datetime.now(UTC) - self._morning) / timedelta(minutes=1)

    def _tell(self, name: str, *records: stock_records.Record) -> None:
        begin = self._morning - stock_records.START
        told = ("event_time", "as_of")
        self.send(name, *({**each, **{n: each[n] + begin for n in told if n in each}} for each in records))

    def _count(self, on_hand: int) -> None:
        self._tell("InventoryBalance", stock_records.balance(self._now, on_hand))

    def lose_issue(self) -> None:
        """A hundred are taken, the ERP knows it, and nobody tells the flow."""
        self._taken = self._now
        self.count_again()

    def count_again(self) -> None:
        """The ERP's balance of the one place."""
        self._count(200)

    def send_issue(self) -> None:
        """The movement comes late; and the whole plant is counted, twice."""
        self._tell("MaterialConsumption", stock_records.issue(next(self._numbers), self._taken, 100))
        for minutes in (self._now, self._now + 0.01):
            places = [f"RM{number:04d}" for number in range(_PLACES)]
            counts = [stock_records.balance(minutes, 50, storage_location=place) for place in places]
            self._tell("InventoryBalance", *counts)
