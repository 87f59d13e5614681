"""One poster in a process of its own over a fresh ledger: postings per second and CPU per posting.

`python -m bench.poster --ledger URL --erp URL --parallel 64 --count 4000` prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from decimal import Decimal

from bench.process import Result, cpu_seconds
from millrace.ledger import DesiredDocument, Ledger
from sandbox.erp import SERVICE
from sinks.erp.poster import Counts
from sinks.erp.run import run_poster
from sinks.erp.settings import PosterSettings


def confirmation(number: int, order: str) -> DesiredDocument:
    """A total of one window, as the confirmations flow writes it."""
    return DesiredDocument(
        key=f"P1|{order}|0010|PRESS1|E|{number}",
        kind="ProductionConfirmation",
        plant="P1",
        order_id=order,
        sort_key=f"2026-03-02T05:00:00+00:00|0010|{number:06d}",
        tier=1,
        revision=12,
        reference_version=1,
        quantities={"yield": Decimal(10), "scrap:S1": Decimal(0), "machine_time": Decimal(300)},
        attributes={
            "operation": "0010",
            "work_center": "PRESS1",
            "material": "M-4711",
            "unit": "C62",
            "shift": "E",
            "posting_date": "2026-03-02",
            "window_start": "2026-03-02T05:00:00+00:00",
            "window_end": "2026-03-02T13:00:00+00:00",
            "first_event_time": "2026-03-02T06:00:00+00:00",
            "last_event_time": "2026-03-02T06:05:00+00:00",
            "event_count": 12,
        },
    )


def measure(ledger: str, erp: str, parallel: int, count: int) -> Result:
    """Post `count` orders; what the start costs is left out."""
    with Ledger(ledger) as filled:
        filled.put_desired(confirmation(1, f"{1_000_000 + number}") for number in range(count))
    system = {
        "name": "sap",
        "connector": "sap_confirmation",
        "base_url": erp + SERVICE,
        "concurrency": parallel,
    }
    settings = PosterSettings.model_validate({"ledger": ledger, "systems": [system]})
    return asyncio.run(_measured(settings, count, warm=max(parallel, count // 10)))


async def _measured(settings: PosterSettings, count: int, warm: int) -> Result:
    stop, counts = asyncio.Event(), asyncio.get_running_loop().create_future()
    posting = asyncio.create_task(run_poster(settings, stop, on_start=counts.set_result))
    of_system: Counts = (await counts)["sap"]
    await _until(of_system, warm, posting)
    first, began, cpu = of_system.booked, time.perf_counter(), cpu_seconds()
    await _until(of_system, count, posting)
    seconds, busy, posted = time.perf_counter() - began, cpu_seconds() - cpu, of_system.booked - first
    stop.set()
    await posting
    return {"postings": posted, "per_s": posted / seconds, "cpu_ms": 1000 * busy / posted}


async def _until(counts: Counts, booked: int, posting: asyncio.Task[dict[str, Counts]]) -> None:
    while counts.booked < booked and not posting.done():
        await asyncio.sleep(0.005)


def main() -> None:
    """Command line of one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--erp", required=True)
    parser.add_argument("--parallel", required=True, type=int)
    parser.add_argument("--count", required=True, type=int)
    options = parser.parse_args()
    print(json.dumps(measure(options.ledger, options.erp, options.parallel, options.count)))


if __name__ == "__main__":
    main()
