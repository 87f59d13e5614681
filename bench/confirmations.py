"""The product's confirmations flow on a topic of machine cycles, with recovery and de-duplication on.

The documents are counted and dropped, as in the other measurements. CPU is counted from the moment all orders are
loaded and a tenth of the events is read, until the last document has come out; per event that was read meanwhile.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from bench.meter import Counts, DrainLater, MeterSink
from bench.process import Result, cpu_seconds, peak_rss_mib
from dataflows.confirmations import build
from dataflows.run import run
from dataflows.settings import ConfirmationsSettings
from sinks.batches import Batch

#: The topics without records hold the watermark back by this much, which is part of the latency.
IDLE_S = 0.25
DRAIN_S = 3.0
LATENESS_S = 5.0


@dataclass
class Meter:
    """What came out so far, and what it cost."""

    orders: int
    events: int
    counts: Counts = field(default_factory=Counts)
    documents: int = 0
    pieces: Decimal = Decimal(0)
    begun: tuple[float, float, int] | None = None
    ended: tuple[float, float, int] | None = None
    delays: list[np.ndarray[Any, Any]] = field(default_factory=list)
    _drain: DrainLater = field(default_factory=lambda: DrainLater(DRAIN_S))

    def take(self, batch: Batch) -> None:
        """Count a batch of what the flow announced."""
        self.counts.take(batch)
        read = self.counts.sum("read:MachineCycle")
        now = (cpu_seconds(), time.perf_counter(), read)
        if self.begun is None and self.counts.sum("read:WorkOrder") >= self.orders and read >= self.events // 10:
            self.begun = now
        for frame in batch.documents:
            self.documents += frame.height
            self.pieces += Decimal(str(frame["quantity_yield"].sum()))
            self.ended = now
            ends = frame["window_end"].to_physical().to_numpy() / 1e6
            self.delays.append(time.time() - ends - LATENESS_S)
        if read >= self.events and self.ended is not None:
            self._drain()


def measure(options: argparse.Namespace) -> Result:
    """Run the flow over `options.count` records."""
    meter = Meter(options.orders, options.count)
    with tempfile.TemporaryDirectory() as folder:
        settings = ConfirmationsSettings(
            kafka={"bootstrap": options.bootstrap},
            topics={"MachineCycle": options.topic, "WorkOrder": f"{options.topic}-orders"},
            window=options.window,
            lateness_s=LATENESS_S,
            default_zone="UTC",
            epoch_s=options.epoch,
            idle_s=IDLE_S,
            age_days=4000,
            future_s=1e9,
            history=Path(folder) / "history" if options.history else None,
        )
        flow = build(settings, sinks={"meter": MeterSink(meter)})
        run(flow, Path(folder) / "recovery", layout=settings.layout())
    if meter.begun is None or meter.ended is None:
        raise ValueError(f"{options.topic}: the flow announced nothing")
    cpu, wall, read = (b - a for a, b in zip(meter.begun, meter.ended, strict=True))
    delays = np.concatenate(meter.delays)
    return {
        "records": meter.ended[2],
        "documents": meter.documents,
        "quantity_good": str(meter.pieces),
        "cpu_s": cpu,
        "wall_s": wall,
        "per_cpu_s": read / cpu,
        "per_wall_s": read / wall,
        "peak_rss_mib": peak_rss_mib(),
        "p50_latency_s": float(np.quantile(delays, 0.5)),
        "p99_latency_s": float(np.quantile(delays, 0.99)),
    }


def main() -> None:
    """Command line; prints the result as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--count", required=True, type=int)
    parser.add_argument("--orders", required=True, type=int)
    parser.add_argument("--window", default="10s")
    parser.add_argument("--epoch", default=1.0, type=float)
    parser.add_argument("--history", default=0, type=int)
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
