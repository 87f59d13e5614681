"""The product's replenishment flow on a topic of consumption, with recovery and de-duplication on.

CPU is counted to when the last instant was judged: all that it takes to start, to count all places once, and to read,
keep and judge every record. What a record costs is the difference of two runs, one over more records than the other
(`bench.replenishment`): a backlog is read far ahead of what is judged, so no mark within one run parts the two.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import polars as pl

from bench.meter import Counts, DrainLater, MeterSink
from bench.process import Result, cpu_seconds, peak_rss_mib, rss_mib
from dataflows.replenishment import build
from dataflows.replenishment_settings import ReplenishmentSettings
from dataflows.run import run
from sinks.batches import Batch

DRAIN_S = 10.0
_PLACE = ["material", "storage_location"]
_MOST_SHOWN = 500_000


@dataclass
class Meter:
    """What came out so far, and what it cost."""

    events: int
    places: int
    counts: Counts = field(default_factory=Counts)
    shown: list[pl.DataFrame] = field(default_factory=list)
    judged: bool = False
    cpu: float = 0.0
    wall: float = 0.0
    resident: list[tuple[int, float]] = field(default_factory=list)
    alerts: int = 0
    _known: int = 0
    _drain: DrainLater = field(default_factory=lambda: DrainLater(DRAIN_S))

    def take(self, batch: Batch) -> None:
        """Count a batch of what the flow announced."""
        self.counts.take(batch)
        self.alerts += len(batch.alerts)
        read = self.counts.sum("read:MaterialConsumption")
        for frame in batch.projections:
            self._judge(frame.select(*_PLACE, "instant", "on_hand"))
        if not self.resident or read - self.resident[-1][0] >= self.events // 20:
            self.resident.append((read, rss_mib()))
        if read >= self.events:
            self._drain()

    def _judge(self, shown: pl.DataFrame) -> None:
        self.shown.append(shown)
        if not self.judged or sum(frame.height for frame in self.shown) > _MOST_SHOWN:
            self.shown = [self._newest()]  # of each place the last one, so that the curve shows the flow's memory
            self._known = self.shown[0].height
        self.judged = self._known >= self.places
        self.cpu, self.wall = cpu_seconds(), time.perf_counter()

    def _newest(self) -> pl.DataFrame:
        """The last row of each place: it has one shard, and a shard shows instants in their order."""
        return pl.concat(self.shown).unique(_PLACE, keep="last")

    def on_hand(self) -> tuple[Decimal, datetime]:
        """Stock of all places, as the flow showed it last, and the instant of that."""
        newest = self._newest()
        return Decimal(str(newest["on_hand"].sum())), newest["instant"].sort()[-1]


def measure(options: argparse.Namespace) -> Result:
    """Run the flow over `options.count` records of consumption."""
    meter, begun = Meter(options.count, options.places), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        settings = ReplenishmentSettings.model_validate(
            {
                "kafka": {"bootstrap": options.bootstrap},
                "topics": {
                    "MaterialConsumption": f"{options.topic}-consumption",
                    "InventoryBalance": f"{options.topic}-balances",
                    "Material": f"{options.topic}-materials",
                },
                "recovery": str(Path(folder) / "recovery"),
                "without": options.without.split(","),
                "rules": [{"reorder_point": 1000, "order_up_to": 5000}],
                "keep_h": options.keep_h,
                "lateness_s": 5,
                "idle_s": 0.5,
                "age_days": 4000,
                "future_s": 1e9,
            }
        )
        flow = build(settings, sinks={"meter": MeterSink(meter)})
        run(flow, Path(folder) / "recovery", layout=settings.layout())
        stored = sum(path.stat().st_size for path in (Path(folder) / "recovery").rglob("*") if path.is_file())
    if not meter.judged:
        raise ValueError(f"{options.topic}: the flow did not show all places")
    on_hand, instant = meter.on_hand()
    return {
        "records": options.count,
        "on_hand": str(on_hand),
        "judged_at": instant.isoformat(),
        "alerts": meter.alerts,
        "cpu_s": meter.cpu,
        "wall_s": meter.wall - begun,
        "peak_rss_mib": peak_rss_mib(),
        "resident_mib": [[read, round(mib)] for read, mib in meter.resident],
        "recovery_mib": round(stored / 2**20, 1),
    }


def main() -> None:
    """Command line; prints the result as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--count", required=True, type=int)
    parser.add_argument("--places", required=True, type=int)
    parser.add_argument("--keep-h", type=float, default=12)
    parser.add_argument("--without", default="")
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
