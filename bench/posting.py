"""`make bench-posting`: cost of a posting by answer time and orders in parallel, in a full ledger; memory of a poster.

Poster and sandbox ERP have a core each. Results: `bench/results/posting.json`.
"""

from __future__ import annotations

import argparse
import json
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from bench.backlog import memory
from bench.full_ledger import cost, fill
from bench.process import ROOT, Result, run_pinned
from tests.servers import Postgres

RESULTS = Path(__file__).parent / "results" / "posting.json"
ANSWER_MS = (0, 20, 200)
PARALLEL = (1, 8, 64)
#: Documents that wait when a poster's memory is measured.
BACKLOG = 50_000
#: Seconds that one measurement should take, and postings per second that are taken for the most.
_SECONDS, _FASTEST = 6.0, 700.0
console = Console()


def by_answer_time(folder: Path, erp_core: int = 1) -> list[Result]:
    """Postings per second and CPU per posting for each answer time and number of orders in parallel."""
    found = []
    for milliseconds in ANSWER_MS:
        for parallel in PARALLEL:
            rate = min(_FASTEST, parallel / (milliseconds / 1000 + 0.004))
            count = int(min(4000, max(60, rate * _SECONDS)))
            name = f"{milliseconds}-{parallel}"
            with _erp(folder / f"erp-{name}.db", milliseconds, erp_core) as erp:
                url = f"sqlite:///{folder}/ledger-{name}.db"
                options = {"ledger": url, "erp": erp, "parallel": parallel, "count": count}
                result = {"answer_ms": milliseconds, "parallel": parallel, **run_pinned("bench.poster", 0, options)}
            console.print(f"  {milliseconds} ms, {parallel}: {result['per_s']:.0f}/s, {result['cpu_ms']:.2f} ms CPU")
            found.append(result)
    return found


@contextmanager
def _erp(state: Path, milliseconds: int, core: int) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["taskset", "-c", str(core), sys.executable, "-m", "sandbox.erp", "--port", str(port)]
    process = subprocess.Popen([*command, "--state", str(state)], cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url)
        if milliseconds:
            fault = {"kind": "latency", "count": None, "seconds": milliseconds / 1000}
            httpx.post(f"{url}/_control/faults", json=fault, trust_env=False).raise_for_status()
        yield url
    finally:
        process.kill()
        process.wait()


def _wait_for(url: str) -> None:
    for _ in range(600):
        try:
            httpx.get(f"{url}/_control/stats", trust_env=False)
        except httpx.ConnectError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the sandbox ERP does not start")


def full_ledger(empty: str, full: str, documents: int) -> Result:
    """Cost of a posting in a full ledger against an empty one, taken in turns."""
    began = time.monotonic()
    fill(full, documents)
    console.print(f"  filled in {time.monotonic() - began:.0f} s")
    turns = [
        (cost(empty, 2, 10_000_000 + turn * 1_000_000), cost(full, 2, 10_000_000 + turn * 1_000_000))
        for turn in range(3)
    ]
    best = [min((turn[which] for turn in turns), key=lambda result: result["ms"]) for which in (0, 1)]
    result = {"documents": documents, "empty": best[0], "full": best[1]}
    result["ratio"], result["cpu_ratio"] = (best[1][name] / best[0][name] for name in ("ms", "cpu_ms"))
    console.print(f"  empty {best[0]['ms']:.3f} ms, full {best[1]['ms']:.3f} ms a posting: {result['ratio']:.2f} times")
    return result


def main() -> None:
    """Measure all and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=5_000_000, help="booked documents of the full ledger")
    parser.add_argument(
        "--only", choices=["answers", "full", "memory"], help="a part; what is kept of the others stays"
    )
    parser.add_argument(
        "--millrace", default=f"{sys.executable} -m millrace", help="the command whose memory is measured"
    )
    options = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if options.only else {}
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name:
        folder = Path(name)
        if options.only in (None, "memory"):
            console.print(f"memory of a poster over {BACKLOG:,} documents")
            with _erp(folder / "erp-memory.db", 0, 1) as erp:
                results["memory"] = memory(folder, erp, BACKLOG, shlex.split(options.millrace))
        if options.only in (None, "answers"):
            console.print("postings by answer time and orders in parallel")
            results["answers"] = by_answer_time(folder)
        if options.only in (None, "full"):
            console.print(f"SQLite: a ledger with {options.documents:,} booked documents")
            sqlite = full_ledger(f"sqlite:///{folder}/empty.db", f"sqlite:///{folder}/full.db", options.documents)
            for path in folder.glob("full.db*"):
                path.unlink()
            console.print(f"PostgreSQL: a ledger with {options.documents:,} booked documents")
            with Postgres(["shared_buffers=512MB", "max_wal_size=8GB", "maintenance_work_mem=512MB"]) as server:
                postgres = full_ledger(server.create("empty"), server.create("full"), options.documents)
            results["full_ledger"] = {"sqlite": sqlite, "postgresql": postgres}
    _show(results)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _show(results: dict[str, Any]) -> None:
    table = Table("answer time", "orders in parallel", "postings/s", "CPU per posting")
    for row in results.get("answers", []):
        table.add_row(f"{row['answer_ms']} ms", str(row["parallel"]), f"{row['per_s']:.0f}", f"{row['cpu_ms']:.2f} ms")
    console.print(table)
    for name, row in results.get("full_ledger", {}).items():
        console.print(f"{name}: {row['documents']:,} booked documents cost {row['ratio']:.2f} times an empty ledger")
    if "memory" in results:
        row = results["memory"]
        told = f"{row['idle_rss_mib']:.0f} MiB idle, {row['peak_rss_mib']:.0f} MiB at most"
        console.print(f"memory: {told} over {row['documents']:,} documents")


if __name__ == "__main__":
    main()
