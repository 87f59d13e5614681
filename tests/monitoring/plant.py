"""A plant of a few processes that can be watched and broken: broker, ERP, one flow, one poster."""

from __future__ import annotations

import itertools
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import yaml
from confluent_kafka import Producer

from sandbox.demo_process import Child
from sandbox.demo_watch import Erp
from sandbox.erp import SERVICE
from sandbox.plant_layout import ALL_TOPICS as TOPICS
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas
from tests.flows.memory import cycle, order
from tests.servers.process import free_port

PATIENCE_S = 120.0
ORDER = "4711"


class WatchedPlant:
    """The processes, on free ports, with metrics.

    Args:
        folder: Empty folder.
        flow: Settings of the flow that differ.
        poster: Settings of the poster that differ.
        system: Settings of its ERP system that differ.
    """

    def __init__(
        self,
        folder: Path,
        *,
        flow: Mapping[str, Any] | None = None,
        poster: Mapping[str, Any] | None = None,
        system: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = folder
        self.ledger_file = folder / "ledger.db"
        self.ledger = f"sqlite:///{self.ledger_file}"
        self.erp = Erp(f"http://127.0.0.1:{free_port()}")
        self.flow_port, self.poster_port = free_port(), free_port()
        self._flow, self._poster, self._system = dict(flow or {}), dict(poster or {}), dict(system or {})
        self._numbers = itertools.count(1)
        self._lost: list[dict[str, Any]] = []
        self._holder: sqlite3.Connection | None = None
        self._children: dict[str, Child] = {}

    @property
    def jobs(self) -> dict[str, list[str]]:
        """What Prometheus scrapes, by job."""
        return {
            "millrace-flow": [f"127.0.0.1:{self.flow_port}"],
            "millrace-poster": [f"127.0.0.1:{self.poster_port}"],
        }

    # -- processes

    def start_broker(self) -> None:
        """The embedded broker; what it held before is gone."""
        address = self.folder / "broker.address"
        address.unlink(missing_ok=True)
        topics = [word for topic in TOPICS.values() for word in ("--topic", topic)]
        broker = self.child("broker", "-m", "sandbox.broker", "--port-file", str(address), *topics)
        broker.start()
        broker.wait_for(address.exists, "gave no address")
        self.bootstrap = address.read_text()
        self._producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 1, "log_level": 0})

    def start_erp(self) -> None:
        """The sandbox ERP."""
        port, state = self.erp.url.rpartition(":")[2], str(self.folder / "erp.db")
        erp = self.child("erp", "-m", "sandbox.erp", "--port", port, "--state", state)
        erp.start()
        erp.wait_for(self.erp.ready, "did not answer")

    def start_flow(self, *, process: int = 0, addresses: str = "", failpoint: str = "", **settings: Any) -> Child:
        """The flow; returns at once."""
        self._flow.update(settings)
        config = self.flow_file()
        cluster = ["--process", str(process), "--addresses", addresses] if addresses else []
        command = ["-m", "millrace", "run", "confirmations", "--config", config, *cluster]
        child = self.child(f"flow-{process}", *command, MILLRACE_FAILPOINT=failpoint)
        child.start()
        return child

    def flow_file(self) -> str:
        """Path of the flow's settings."""
        return self._write("flow.yaml", {**self._flow_settings(), **self._flow})

    def start_poster(self, *, failpoint: str = "", system: Mapping[str, Any] | None = None, **settings: Any) -> Child:
        """The poster; returns at once."""
        self._poster.update(settings)
        self._system.update(system or {})
        config = self._write("post.yaml", {**self._poster_settings(), **self._poster})
        child = self.child("poster", "-m", "millrace", "post", "--config", config, MILLRACE_FAILPOINT=failpoint)
        child.start()
        return child

    def child(self, name: str, *arguments: str, **env: str) -> Child:
        """A process by name; the one that had the name before is gone."""
        if name in self._children:
            self._children[name].kill()
        self._children[name] = Child(name, arguments, self.folder, env)
        return self._children[name]

    def process(self, name: str) -> Child:
        """A process that was started."""
        return self._children[name]

    def _flow_settings(self) -> dict[str, Any]:
        return {
            "kafka": {"bootstrap": self.bootstrap},
            "default_zone": "Europe/Berlin",
            "lanes": 2,
            "window": "10m",
            "lateness_s": 1,
            "idle_s": 1,
            "shards": 2,
            "ring": 16,
            "work_center_shards": 2,
            "ledger": self.ledger,
            "history": str(self.folder / "history"),
            "recovery": str(self.folder / "recovery"),
            "recovery_partitions": 2,
            "epoch_s": 0.3,
            "metrics_port": self.flow_port,
            "reject_share": 1,
        }

    def _poster_settings(self) -> dict[str, Any]:
        tiers = {"tier1": {"sla_seconds": 1}, "tier2": {"sla_seconds": 10}, "tier3": {"sla_seconds": 60}}
        system = {
            "name": "sandbox-erp",
            "connector": "sap_confirmation",
            "base_url": f"{self.erp.url}{SERVICE}",
            "answer_timeout": 5,
            "settle_seconds": 0.5,
            "backoff_base": 0.1,
            "backoff_cap": 1.0,
            "breaker_threshold": 2,
            "breaker_cool_off": 0.25,
            "reject_share": 1,
            "tiers": tiers,
            **self._system,
        }
        return {"ledger": self.ledger, "systems": [system], "metrics_port": self.poster_port}

    def _write(self, name: str, settings: Mapping[str, Any]) -> str:
        path = self.folder / name
        path.write_text(yaml.safe_dump(dict(settings)))
        return str(path)

    # -- what goes on in it

    def send(self, name: str, *records: Mapping[str, Any]) -> None:
        """Send records of a contract."""
        values = Codec(contract(name), FolderSchemas()).encode([dict(record) for record in records])
        for record, value in zip(records, values, strict=True):
            self._producer.produce(TOPICS[name], value, key=str(record["source"]))
        assert self._producer.flush(30) == 0

    def garbage(self, count: int) -> None:
        """Records that no schema fits."""
        for _ in range(count):
            self._producer.produce(TOPICS["MachineCycle"], b"no prefix", key="PRESS")
        assert self._producer.flush(30) == 0

    def release(self, *names: str) -> None:
        """Orders, so that their pieces become documents."""
        self.erp.release({name: ["0010"] for name in names})
        self.send("WorkOrder", *({**order(name), "event_time": datetime.now(UTC)} for name in names))

    def piece(self, ago_s: float = 0.0, order_id: str = ORDER) -> None:
        """One good piece, so many seconds ago."""
        self.send("MachineCycle", self._cycle(next(self._numbers), ago_s, order_id))

    def pieces(self, count: int) -> None:
        """Many good pieces now."""
        self.send("MachineCycle", *(self._cycle(next(self._numbers)) for _ in range(count)))

    def _cycle(self, number: int, ago_s: float = 0.0, order_id: str = ORDER) -> dict[str, Any]:
        return cycle(number, "PRESS", 0, event_time=datetime.now(UTC) - timedelta(seconds=ago_s), order_id=order_id)

    def lose(self, count: int) -> None:
        """Pieces that are counted and not sent, as in a gateway that loses its network."""
        self._lost += [self._cycle(next(self._numbers)) for _ in range(count)]
        self.piece()

    def resend(self) -> None:
        """The gateway sends what it has kept."""
        self.send("MachineCycle", *self._lost)

    def hold_ledger(self) -> None:
        """Somebody holds the ledger's file, as a backup that hangs does."""
        self._holder = sqlite3.connect(self.ledger_file, isolation_level=None)
        self._holder.execute("BEGIN EXCLUSIVE")

    def release_ledger(self) -> None:
        """It is let go."""
        if self._holder is not None:
            self._holder.close()
            self._holder = None

    # -- how it is

    def probe(self, path: str, port: int | None = None) -> int:
        """Status of a probe; 0 where nobody answers."""
        try:
            return httpx.get(
                f"http://127.0.0.1:{port or self.flow_port}{path}", timeout=10, trust_env=False
            ).status_code
        except httpx.TransportError:
            return 0

    def _get(self, path: str, port: int | None) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{port or self.flow_port}{path}", timeout=10, trust_env=False)

    def metric(self, line: str, port: int | None = None) -> float:
        """Value of the series that is written like this; 0 where there is none."""
        found = [each for each in self._get("/metrics", port).text.splitlines() if each.startswith(f"{line} ")]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of the product, run to its end."""
        line = [sys.executable, "-m", "millrace", *arguments]
        return subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            refused = [child for child in self._children.values() if child.exit_status == 2]
            assert not refused, refused[0].failed("refuses to run")
            assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_S:.0f} s\n{self._logs()}"
            time.sleep(0.1)

    def wait_ready(self, port: int | None = None) -> None:
        """Wait until a process is at work."""
        self.wait(lambda: self.probe("/readyz", port) == 200, "not ready")

    def _logs(self) -> str:
        return "\n".join(str(child.failed("log")) for child in self._children.values())

    def close(self) -> None:
        """No process is left."""
        self.release_ledger()
        for child in self._children.values():
            child.kill()
        self.erp.close()
