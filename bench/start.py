"""`make bench-start`: seconds by the clock from the start of a flow's process to its first batch, by stage.

A flow that starts for the first time (it makes ledger and recovery store) and one that goes on from its state, on a
real broker that has records waiting. Results: `bench/results/start.json`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Producer
from rich.console import Console
from rich.table import Table

from bench.process import Result
from sandbox.plant_layout import TOPICS
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas
from tests.flows.memory import cycle, order
from tests.servers import Kafka
from tests.servers.process import free_port

RESULTS = Path(__file__).parent / "results" / "start.json"
#: In their order: Python and imports until settings are read, state opened, sources assigned, records read, CPU of all.
STAGES = ("port", "started", "ready", "first_batch", "cpu")
_RECORDS = 2_000
_PATIENCE_S = 60.0
_READ = ("millrace_records{", 'contract="MachineCycle"', 'outcome="read"')
_CPU = "process_cpu_seconds_total"
console = Console()


def measure(kafka: Kafka, folder: Path, command: list[str], repetitions: int) -> Result:
    """Median and worst of each stage, for a first start and for one that goes on."""
    found: dict[str, list[dict[str, float]]] = {"first": [], "again": []}
    sent = 0
    for number in range(repetitions):
        home = folder / str(number)
        for which, starts in found.items():
            home.mkdir(exist_ok=True)
            _send(kafka, sent)
            sent += _RECORDS
            starts.append(_start(kafka, home, command, sent - _RECORDS if which == "again" else 0, sent))
            told = ", ".join(f"{name} {seconds:.2f}" for name, seconds in starts[-1].items())
            console.print(f"  {which} start: {told}")
        shutil.rmtree(home)
    return {
        which: {name: _summary([each[name] for each in starts]) for name in STAGES} for which, starts in found.items()
    }


def _summary(values: list[float]) -> Result:
    return {"median": round(statistics.median(values), 3), "worst": round(max(values), 3)}


def _send(kafka: Kafka, sent: int) -> None:
    """Records that wait for the flow when it starts; each press goes on with its numbers."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    now = datetime.now(UTC)
    numbers = range(sent, sent + _RECORDS)
    cycles = [cycle(n // 100, f"PRESS-{n % 100}", 0, event_time=now, order_id="4711") for n in numbers]
    for name, records in (("MachineCycle", cycles), ("WorkOrder", [{**order("4711"), "event_time": now}])):
        values = Codec(contract(name), FolderSchemas()).encode(records)
        for record, value in zip(records, values, strict=True):
            producer.produce(TOPICS[name], value, str(record["source"]))
    producer.flush(30)


def _start(kafka: Kafka, home: Path, command: list[str], known: int, sent: int) -> dict[str, float]:
    port, config, log = free_port(), home / "flow.yaml", home / "flow.log"
    settings = {
        "kafka": {"bootstrap": kafka.bootstrap},
        "default_zone": "Europe/Berlin",
        "ledger": f"sqlite:///{home / 'ledger.db'}",
        "history": str(home / "history"),
        "recovery": str(home / "recovery"),
        "metrics_port": port,
    }
    config.write_text(yaml.safe_dump(settings))
    env = {**os.environ, "MILLRACE_LOG_FORMAT": "json"}
    with log.open("wb") as opened:
        begun, begun_at = time.monotonic(), time.time()
        line = [*command, "run", "confirmations", "--config", str(config)]
        process = subprocess.Popen(line, cwd=home, stdout=opened, stderr=opened, env=env)
    try:
        found = _watched(process, port, begun, known, sent)
        found["started"] = _logged(log, "flow_started") - begun_at
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_PATIENCE_S)
        if process.returncode:
            console.print(log.read_text()[-2000:])
    return {name: found[name] for name in STAGES}


def _watched(process: subprocess.Popen[bytes], port: int, begun: float, known: int, sent: int) -> dict[str, float]:
    """When the port answers, the flow is ready, and its first batch is read and counted; returns when all is read."""
    found: dict[str, float] = {}
    read = 0.0
    while read < sent:
        if process.poll() is not None or time.monotonic() - begun > _PATIENCE_S:
            raise SystemExit(f"{read:.0f} of {sent} records were read after {time.monotonic() - begun:.1f} s")
        time.sleep(0.01)
        answer = _get(port, "/readyz" if "ready" not in found else "/metrics")
        now = time.monotonic() - begun
        if answer is None:
            continue
        found.setdefault("port", now)
        status, text = answer
        if "ready" not in found:
            if status == http.client.OK:
                found["ready"] = now
            continue
        series = {name: float(value) for name, _, value in (each.rpartition(" ") for each in text if each[0] != "#")}
        read = sum(value for name, value in series.items() if all(part in name for part in _READ))
        if read > known and "first_batch" not in found:
            found["first_batch"], found["cpu"] = now, series[_CPU]
    return found


def _get(port: int, path: str) -> tuple[int, list[str]] | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode().splitlines()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _logged(log: Path, event: str) -> float:
    """When a line was written, by the clock of the wall."""
    for line in log.read_text().splitlines():
        told: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
        if told.get("event") == event:
            return datetime.fromisoformat(told["timestamp"]).timestamp()
    raise SystemExit(f"{log}: {event} was not logged")


def show(results: Result) -> None:
    """A table of the medians."""
    table = Table("start", *STAGES, title="seconds from the start of the process, median (worst)")
    for which in ("first", "again"):
        row = results[which]
        table.add_row(which, *(f"{row[name]['median']:.2f} ({row[name]['worst']:.2f})" for name in STAGES))
    console.print(table)


def main() -> None:
    """Measure and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument(
        "--millrace", default=f"{sys.executable} -m millrace", help="the command, such as one of another environment"
    )
    parser.add_argument("--real-time", action="store_true", help="before all others of this machine, where it is busy")
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="write the result")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name, Kafka(Path(name)) as kafka:
        for topic in TOPICS.values():
            kafka.create_topic(topic, 4)
        load = os.getloadavg()[0]
        command = [*(["chrt", "-f", "10"] if options.real_time else []), *shlex.split(options.millrace)]
        results = measure(kafka, Path(name), command, options.repetitions)
    about = {"repetitions": options.repetitions, "cores": os.cpu_count(), "load_before": round(load, 1)}
    results = {**about, "real_time": options.real_time, **results}
    show(results)
    if options.keep:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
