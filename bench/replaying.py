"""`millrace replay confirmations --dry-run` over the history of `bench.history`, as a user runs it."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from bench.history_rows import MACHINES, PLANT, START
from bench.orders import TARGET
from bench.process import ROOT, Result
from millrace.ledger import Ledger
from schemas.contracts import contract
from schemas.samples import sample
from schemas.types import polars_schema

#: Machines of one order, as `bench.history_rows` gives them out.
_SHARE, _FIRST = 4, 1_000_000


def replayed(root: Path, folder: Path, rows: int, days: int) -> Result:
    """A dry run over everything against an empty ledger, so that each document is compared and told.

    Returns:
        Events per CPU second of the whole command, start and comparison included; events per second through the rules
        alone; and how many times as fast as the events came in both are.

    Raises:
        subprocess.CalledProcessError: The replay failed; what it said stands on standard error.
    """
    for old in folder.glob("ledger.db*"):
        old.unlink()
    shutil.rmtree(folder / "replay", ignore_errors=True)  # one that goes on would seem faster than it is
    settings = {"history": str(root), "ledger": f"sqlite:///{folder}/ledger.db", "default_zone": "UTC"}
    Ledger(settings["ledger"], who="bench").close()
    (folder / "flow.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    _orders().write_parquet(folder / "orders.parquet")
    names = ["--config", folder / "flow.yaml", "--order-file", folder / "orders.parquet", "--out", folder / "replay"]
    command = [sys.executable, "-m", "millrace", "replay", "confirmations", "--dry-run", "--json", *map(str, names)]
    wall, cpu = time.perf_counter(), _cpu_of_children()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    took = {"wall_s": time.perf_counter() - wall, "cpu_s": _cpu_of_children() - cpu}
    outcome: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{\n") :])
    events, came_in = outcome["speed"]["events"], rows / (days * 86_400)
    if events != rows:
        raise SystemExit(f"replay: {events} events of {rows} rows were replayed")
    return {
        **took,
        "documents": sum(row["documents"] for row in outcome["changes"]) + outcome["same"] + outcome["open"],
        "events_per_cpu_s": events / took["cpu_s"],
        "events_per_s": events / took["wall_s"],
        "rules_events_per_s": outcome["speed"]["events_per_second"],
        "came_in_per_s": came_in,
        "times_as_fast": events / took["wall_s"] / came_in,
    }


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _orders() -> pl.DataFrame:
    """One order for every few machines, known before the first event, that no machine completes."""
    [known] = sample(contract("WorkOrder"), 1)
    operation = {**known["operations"][0], "operation": "0010", "target_quantity": TARGET, "count_source": "MACHINE"}
    told = {**known, "plant": PLANT, "event_time": START, "unit": "C62", "quantity": TARGET, "operations": [operation]}
    numbers = range(_FIRST, _FIRST + MACHINES // _SHARE)
    rows = [{**told, "event_id": f"order-{number}", "order_id": str(number)} for number in numbers]
    return pl.DataFrame(rows, schema=polars_schema(contract("WorkOrder")))
