"""`make bench`: what the confirmations flow costs, side by side with the yardsticks, from one run on a real broker.

Everything reads the same topic on one core; ratios are of CPU time per event. Results: `bench/results/flow.json`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.orders import fill_orders
from bench.process import Result, run_pinned
from bench.topic import CycleTopic, fill, truth
from schemas.contracts import contract
from schemas.registry import schema_id
from tests.servers import Kafka

RESULTS = Path(__file__).parent / "results" / "flow.json"
PARTITIONS = 8
CORE = 0
#: Records per second that one core can write at their time beside the broker; the flow has the other core.
PACED_MOST = 200_000
console = Console()


class Bench:
    """One broker and the topics measured on it."""

    def __init__(self, kafka: Kafka, repeat: int) -> None:
        self._kafka, self._repeat = kafka, repeat
        for name in ("machine-state", "operation-report", "material", "shift-calendar"):
            kafka.create_topic(name, 1)

    def topic(self, name: str, spec: CycleTopic) -> dict[str, Any]:
        """Fill a topic and the one with its orders; options to measure it with."""
        console.print(f"filling {name}: {spec.records:,} records of {spec.machines:,} machines")
        self._kafka.create_topic(name, spec.partitions)
        self._kafka.create_topic(f"{name}-orders", 1)
        orders = fill_orders(self._kafka.bootstrap, f"{name}-orders", spec)
        fill(self._kafka.bootstrap, name, spec)
        return {"topic": name, "count": spec.records, "orders": orders}

    def run(self, module: str, **options: Any) -> Result:
        """The median of some runs by CPU per event."""
        runs = []
        for _ in range(self._repeat):
            runs.append(run_pinned(module, CORE, {"bootstrap": self._kafka.bootstrap, **options}))
            console.print(f"  {module} {options['topic']}: {runs[-1]['per_cpu_s'] / 1e6:.3f} M events/CPU s")
        return sorted(runs, key=lambda result: result["per_cpu_s"])[len(runs) // 2]

    def latency(self, rate: float, seconds: float) -> Result:
        """Documents of a topic that is written at `rate` while the flow reads it."""
        spec = CycleTopic(
            int(rate * seconds),
            seconds=seconds,
            schema_id=_schema(),
            start=datetime.now(UTC) + timedelta(seconds=12),
        )
        self._kafka.create_topic("paced", PARTITIONS)
        self._kafka.create_topic("paced-orders", 1)
        orders = fill_orders(self._kafka.bootstrap, "paced-orders", spec)
        writer = Thread(target=fill, args=(self._kafka.bootstrap, "paced", spec, True))
        writer.start()
        options = {"topic": "paced", "count": spec.records, "orders": orders, "epoch": 0.25}
        result = run_pinned("bench.confirmations", CORE, {"bootstrap": self._kafka.bootstrap, **options})
        writer.join()
        return result


def _schema() -> int:
    return schema_id(contract("MachineCycle").schema)


def _simple(options: dict[str, Any]) -> dict[str, Any]:
    return {key: options[key] for key in ("topic", "count")}


def measure(records: int, repeat: int) -> dict[str, Any]:
    """All measurements."""
    spec = CycleTopic(records, partitions=PARTITIONS, schema_id=_schema())
    with tempfile.TemporaryDirectory() as folder, Kafka(Path(folder), heap="1g") as kafka:
        bench = Bench(kafka, repeat)
        main = bench.topic("cycles", spec)
        runs = {
            "drain": bench.run("bench.drain", **_simple(main)),
            "decode": bench.run("bench.decode", **_simple(main)),
            "flow": bench.run("bench.confirmations", **main),
            "flow_with_history": bench.run("bench.confirmations", **main, history=1),
        }
        short = spec.shortened(max(100_000, records // 10))
        runs["per_event"] = bench.run("bench.per_event", **_simple(bench.topic("few", short)))
        for machines in (100, 100_000):
            name = f"machines_{machines}"
            options = bench.topic(name, replace(spec, machines=machines))
            runs[name] = bench.run("bench.confirmations", **options, window="10m")
        rate = min(runs["flow"]["per_wall_s"] / 2, PACED_MOST)
        console.print(f"latency at {rate:,.0f} events/s")
        runs["latency"] = {**bench.latency(rate, 60), "rate_per_s": rate}
    _check(spec, runs)
    return runs


def _check(spec: CycleTopic, runs: dict[str, Result]) -> None:
    """No figure without the right answer."""
    wanted = truth(spec)["quantity_good"].sum()
    for name in ("flow", "flow_with_history"):
        if float(runs[name]["quantity_good"]) != float(wanted):
            raise SystemExit(f"{name}: {runs[name]['quantity_good']} pieces, the topic holds {wanted}")


def summary(runs: dict[str, Result]) -> dict[str, Any]:
    """The figures that are kept."""
    cost = {name: 1e6 / result["per_cpu_s"] for name, result in runs.items()}
    names = ("decode", "flow", "flow_with_history", "per_event")
    return {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu_us_per_event": {name: round(value, 3) for name, value in cost.items()},
        "ratio_to_drain": {name: round(cost[name] / cost["drain"], 2) for name in names},
        "ratio_per_event_to_flow": round(cost["per_event"] / cost["flow"], 1),
        "ratio_100k_to_100_machines": round(cost["machines_100000"] / cost["machines_100"], 2),
        "p99_latency_s": round(runs["latency"]["p99_latency_s"], 3),
        "latency_at_per_s": round(runs["latency"]["rate_per_s"]),
        "peak_rss_mib": round(runs["flow"]["peak_rss_mib"], 1),
        "runs": runs,
    }


def show(result: dict[str, Any]) -> None:
    """The table."""
    table = Table(title="CPU time per event, one core, one run")
    for heading in ("", "us per event", "to drain", "M events per CPU s", "peak MiB"):
        table.add_column(heading, justify="left" if not heading else "right")
    drain = result["cpu_us_per_event"]["drain"]
    for name, cost in result["cpu_us_per_event"].items():
        peak = result["runs"][name]["peak_rss_mib"]
        table.add_row(name, f"{cost:.3f}", f"{cost / drain:.2f}", f"{1 / cost:.3f}", f"{peak:.0f}")
    console.print(table)
    console.print(
        f"per event to flow {result['ratio_per_event_to_flow']}, "
        f"100,000 to 100 machines {result['ratio_100k_to_100_machines']}, "
        f"p99 latency beyond window and lateness {result['p99_latency_s']} s at {result['latency_at_per_s']:,} events/s"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=4_000_000, help="records of the topic")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each measurement; the median counts")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    result = summary(measure(options.records, options.repeat))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if options.json:
        print(json.dumps(result))
    else:
        show(result)
        console.print(f"kept in {RESULTS.relative_to(Path.cwd()) if RESULTS.is_relative_to(Path.cwd()) else RESULTS}")


if __name__ == "__main__":
    main()
