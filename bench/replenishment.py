"""`make bench-replenishment`: what a record of consumption costs by the number of places whose stock is kept.

All runs read topics of one broker on one core; ratios are of CPU time per record, of the cheapest of four runs each,
taken in turn, since other users of a machine only add to it. What a record costs the flow is the difference of a run
over all records and one over a quarter of them, so what a start and the first balances cost is in neither. `counted` is
the run for memory: the ERP counts all places again and again, and the curve of resident memory shows whether it stays
once as much is kept as ever will be. A plant's balances every four hours would need a hundred million records to show
that; here all places are counted after every 300,000 records, which makes a balance for three records. Results:
`bench/results/replenishment.json`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.consumption import ConsumptionTopic, fill, truth
from bench.process import Result, run_pinned
from dataflows.replenishment_settings import ReplenishmentSettings
from tests.servers import Kafka

RESULTS = Path(__file__).parent / "results" / "replenishment.json"
CORE = 0
TRIES = 4
PLACES = (1_000, 100_000)
#: Topics that stay empty are not made at all.
READ = {"InventoryBalance", "MaterialConsumption"}
console = Console()


#: Records a second, time between balances, hours that movements are kept before the newest of them.
COUNTED_RATE, COUNTED_EVERY, COUNTED_KEEP_H = 500.0, timedelta(minutes=10), 1 / 6


def measure(records: int, places: tuple[int, ...]) -> dict[str, Result]:
    """Drain and flow, for each number of places."""
    runs: dict[str, Result] = {}
    with tempfile.TemporaryDirectory() as folder, Kafka(Path(folder), heap="1g") as kafka:
        for count in places:
            specs = {"less": ConsumptionTopic(records // 4, count), "flow": ConsumptionTopic(records, count)}
            for part, spec in specs.items():
                _fill(kafka, spec, f"{part}-{count}")
            base = {"bootstrap": kafka.bootstrap, "count": records, "topic": f"flow-{count}-consumption"}
            tries: dict[str, list[Result]] = {"less": [], "flow": [], "drain": []}
            for _ in range(TRIES):
                tries["drain"].append(run_pinned("bench.drain", CORE, base))
                for part, spec in specs.items():
                    tries[part].append(_flow(kafka, spec, f"{part}-{count}"))
            runs.update({f"{part}_{count}": _cheapest(found) for part, found in tries.items()})
    return runs


def counted(records: int, places: int) -> Result:
    """The run for memory."""
    with tempfile.TemporaryDirectory() as folder, Kafka(Path(folder), heap="1g") as kafka:
        spec = ConsumptionTopic(records, places, rate=COUNTED_RATE, counted_every=COUNTED_EVERY)
        _fill(kafka, spec, "counted")
        return _flow(kafka, spec, "counted", {"keep-h": COUNTED_KEEP_H})


def _cheapest(tries: list[Result]) -> Result:
    return {**min(tries, key=lambda each: float(each["cpu_s"])), "cpu_s_of_all": [each["cpu_s"] for each in tries]}


def _fill(kafka: Kafka, spec: ConsumptionTopic, name: str) -> None:
    console.print(f"filling {name}: {spec.records:,} records of {spec.places:,} places")
    for topic, partitions in (("consumption", 8), ("balances", 8), ("materials", 1)):
        kafka.create_topic(f"{name}-{topic}", partitions)
    fill(kafka.bootstrap, name, spec)


def _flow(kafka: Kafka, spec: ConsumptionTopic, name: str, more: dict[str, Any] | None = None) -> Result:
    """Run the flow, which has to show what plain addition gives."""
    options = {"bootstrap": kafka.bootstrap, "count": spec.records, "topic": name, "places": spec.places}
    options |= {
        "without": ",".join(each for each in ReplenishmentSettings().events if each not in READ),
        **(more or {}),
    }
    found = run_pinned("bench.stock", CORE, options)
    wanted = truth(spec, datetime.fromisoformat(found["judged_at"]))
    if float(found["on_hand"]) != float(wanted) or found["alerts"]:
        raise SystemExit(
            f"{name}: the flow shows {found['on_hand']} on hand and {found['alerts']} alerts, "
            f"plain addition gives {wanted} and none"
        )
    return found


def summary(runs: dict[str, Result], places: tuple[int, ...], measured: dict[str, str]) -> dict[str, Any]:
    """The figures that are kept.

    Args:
        runs: Each by its name.
        places: Numbers of places.
        measured: When, as `measured_at` and `counted_at`.
    """
    cost = {f"drain_{n}": 1e6 / runs[f"drain_{n}"]["per_cpu_s"] for n in places}
    for name, less, more in [(f"flow_{n}", runs[f"less_{n}"], runs[f"flow_{n}"]) for n in places]:
        cost[name] = 1e6 * (more["cpu_s"] - less["cpu_s"]) / (more["records"] - less["records"])
    cost["counted"] = 1e6 * runs["counted"]["cpu_s"] / runs["counted"]["records"]
    return {
        **measured,
        "cpu_us_per_record": {name: round(value, 3) for name, value in cost.items()},
        "ratio_to_drain": {str(n): round(cost[f"flow_{n}"] / cost[f"drain_{n}"], 2) for n in places},
        "ratio_most_to_fewest_places": round(cost[f"flow_{max(places)}"] / cost[f"flow_{min(places)}"], 2),
        "resident_mib_counted": {
            "first_third": _most(runs["counted"], 0, 1 / 3),
            "second_third": _most(runs["counted"], 1 / 3, 2 / 3),
            "last_third": _most(runs["counted"], 2 / 3, 1),
        },
        "runs": runs,
    }


def _most(run: Result, first: float, last: float) -> int:
    """Most memory in a part of a run."""
    curve: list[tuple[int, int]] = run["resident_mib"]
    count = curve[-1][0]
    return max(mib for read, mib in curve if first * count <= read <= last * count)


def show(result: dict[str, Any]) -> None:
    """The table."""
    table = Table(title="CPU time per record of consumption, one core, one run")
    for heading in ("", "us per record", "peak MiB", "recovery MiB"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, cost in result["cpu_us_per_record"].items():
        run = result["runs"][name]
        table.add_row(name, f"{cost:.3f}", f"{run['peak_rss_mib']:.0f}", str(run.get("recovery_mib", "")))
    console.print(table)
    ratios = ", ".join(f"{places} places {ratio}" for places, ratio in result["ratio_to_drain"].items())
    console.print(f"resident memory of counted by thirds, MiB: {result['resident_mib_counted']}")
    console.print(f"to drain: {ratios}; most to fewest places {result['ratio_most_to_fewest_places']}")


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=6_000_000, help="records of consumption")
    parser.add_argument("--places", type=int, nargs="+", default=list(PLACES), help="pairs of material and location")
    parser.add_argument("--only", choices=["counted"], help="renew the run for memory alone")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    places = tuple(options.places)
    if options.only:
        former = json.loads(RESULTS.read_text(encoding="utf-8"))
        runs, measured = former["runs"], {"measured_at": former["measured_at"]}
        places = tuple(map(int, former["ratio_to_drain"]))
    else:
        runs, measured = measure(options.records, places), {"measured_at": _now()}
    runs["counted"] = counted(options.records * 5 // 4, max(places))
    result = summary(runs, places, {**measured, "counted_at": _now()})
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if options.json:
        print(json.dumps(result))
    else:
        show(result)


if __name__ == "__main__":
    main()
