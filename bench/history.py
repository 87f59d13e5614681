"""`make bench-history`: what reading the history costs, compacted beside uncompacted files and a Delta table.

The layouts hold the same rows. One run makes them, measures on DuckDB with the data in the page cache, and checks that
every layout gives the same answer. Delta is read by the list of its files, as an engine with a Delta reader would.
Results: `bench/results/history.json`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.history_rows import MACHINES, PLANT, START, TOPIC, write_days
from bench.process import Result, cpu_seconds, peak_rss_mib
from bench.replaying import replayed
from sinks.history.compact import compact, only_one
from sinks.history.manifest import write_manifest
from sinks.history.reading import plan
from sinks.history.rows import HistoryRows
from sinks.history.tables import connect
from sinks.history.zones import DAYS

RESULTS = Path(__file__).parent / "results" / "history.json"
_ALL = 10**12
console = Console()
Answer = list[tuple[Any, ...]]

_PIECES = "SELECT count(*), sum(quantity_good) FROM {rows}"
QUESTIONS = {
    "one machine, one day": f"{_PIECES} WHERE source = '{{machine}}' AND date = '{{day}}'",
    "one machine, all days": f"{_PIECES} WHERE source = '{{machine}}'",
    "all rows by day": "SELECT date, count(*), sum(quantity_good) FROM {rows} GROUP BY date ORDER BY date",
    "all rows by work centre": (
        "SELECT work_center, sum(quantity_good), sum(quantity_scrap) FROM {rows} GROUP BY ALL ORDER BY work_center"
    ),
}


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What a call gives, with wall and CPU seconds."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    answer = work()
    return answer, {"wall_s": time.perf_counter() - wall, "cpu_s": cpu_seconds() - cpu}


def sizes(files: list[Path]) -> Result:
    """Number and size of files."""
    total = sum(path.stat().st_size for path in files)
    return {"files": len(files), "mb": total / 1e6, "mean_file_mb": total / 1e6 / max(len(files), 1)}


def ask(files: list[Path], days: int, repeat: int) -> dict[str, tuple[Answer, dict[str, float]]]:
    """The fastest of some runs of every question over a layout, one thread as for a figure per core."""
    listed = ", ".join(f"'{path}'" for path in files)
    hive = "hive_partitioning = true, hive_types = {'plant': VARCHAR, 'date': DATE}"
    rows = f"read_parquet([{listed}], union_by_name = false, {hive})"
    names = {"rows": rows, "machine": f"M{MACHINES // 2:05d}", "day": START.date() + timedelta(days=days // 2)}
    found = {}
    with connect() as connection:
        connection.execute("SET threads = 1")
        for name, sql in QUESTIONS.items():
            runs = [timed(partial(_answer, connection, sql.format(**names))) for _ in range(repeat)]
            found[name] = min(runs, key=lambda run: run[1]["wall_s"])
    return found


def _answer(connection: Any, sql: str) -> Answer:
    rows: Answer = connection.execute(sql).fetchall()
    return rows


def compacted(root: Path) -> Result:
    """Compact everything; MB of raw files per second of wall and of CPU."""
    with only_one(root):
        done, took = timed(lambda: compact(root, TOPIC, date.max, lambda _: _ALL))
        write_manifest(root, TOPIC, None)
    megabytes = done.bytes_before / 1e6
    speed = {"mb_per_s": megabytes / took["wall_s"], "mb_per_cpu_s": megabytes / took["cpu_s"]}
    return {**took, **speed, "rows_per_cpu_s": done.rows / took["cpu_s"], "peak_rss_mib": peak_rss_mib()}


def as_delta(root: Path, target: Path) -> tuple[list[Path], dict[str, float]] | None:
    """The same days as a Delta table; None without the extra."""
    if find_spec("deltalake") is None:
        return None
    from deltalake import DeltaTable  # noqa: PLC0415 - an extra

    from sinks.history.delta import DeltaTarget  # noqa: PLC0415 - an extra
    from sinks.history.publish import publish  # noqa: PLC0415 - an extra

    _, took = timed(lambda: publish(root, TOPIC, DeltaTarget(target, TOPIC)))
    return [Path(uri) for uri in DeltaTable(str(target / TOPIC)).file_uris()], took


def read_back(root: Path) -> Result:
    """Rows per second that a replay reads, day by day in the columns of the contract, before its rules run."""
    rows = HistoryRows(root, {"MachineCycle": TOPIC}, {PLANT})
    by_day = rows.days()
    count, took = timed(lambda: sum(rows.load("MachineCycle", day, lambda frame: frame).height for day in by_day))
    return {**took, "rows": count, "rows_per_cpu_s": count / took["cpu_s"], "rows_per_s": count / took["wall_s"]}


def run(count: int, days: int, files: int, repeat: int, folder: Path) -> Result:
    """Everything side by side; files of a layout are removed when the next no longer needs them."""
    root = folder / "history"
    console.print(f"writing {count:,} rows over {days} days, {files} files a day")
    _, wrote = timed(lambda: write_days(root, count, days, files))
    layouts: dict[str, Result] = {}
    answers: dict[str, Mapping[str, Any]] = {}

    def look(name: str, found: list[Path], **more: Any) -> None:
        console.print(f"asking {name}")
        answers[name] = ask(found, days, repeat)
        layouts[name] = {**sizes(found), **more, "seconds": {q: took for q, (_, took) in answers[name].items()}}

    look("uncompacted", [Path(str(path)) for path in plan(root, TOPIC).files], written=wrote)
    console.print("compacting")
    compaction = compacted(root)
    look("compacted", sorted((root / DAYS / TOPIC).glob("plant=*/date=*/day.parquet")))
    if (delta := as_delta(root, folder / "delta")) is not None:
        look("delta", delta[0], written=delta[1])
    for name in QUESTIONS:
        if len({str(each[name][0]) for each in answers.values()}) != 1:
            raise SystemExit(f"{name}: the layouts give different answers")
    back = read_back(root)
    console.print("replaying")
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": count,
        "days": days,
        "files_a_day": files,
        "machines": MACHINES,
        "repeat": repeat,
        "compaction": compaction,
        "read_back": back,
        "replay": replayed(root, folder, back["rows"], days),
        "layouts": layouts,
    }


def show(result: Result) -> None:
    """The figures side by side."""
    layouts = result["layouts"]
    table = Table("", *layouts)
    table.add_row("files", *(f"{each['files']:,}" for each in layouts.values()))
    table.add_row("size, MB", *(f"{each['mb']:,.1f}" for each in layouts.values()))
    for name in QUESTIONS:
        table.add_row(f"{name}, s", *(f"{each['seconds'][name]['wall_s']:.3f}" for each in layouts.values()))
    console.print(table)
    done, back = result["compaction"], result["read_back"]
    console.print(f"compaction: {done['mb_per_cpu_s']:.1f} MB and {done['rows_per_cpu_s']:,.0f} rows per CPU second")
    console.print(f"reading back for a replay: {back['rows_per_cpu_s']:,.0f} rows per CPU second")
    table = Table("millrace replay --dry-run", "")
    replay = result["replay"]
    table.add_row("events", f"{back['rows']:,}")
    table.add_row("documents compared", f"{replay['documents']:,}")
    table.add_row("events per CPU second, whole command", f"{replay['events_per_cpu_s']:,.0f}")
    table.add_row("events per second, whole command", f"{replay['events_per_s']:,.0f}")
    table.add_row("events per second through the rules", f"{replay['rules_events_per_s']:,.0f}")
    table.add_row("events per second as they came in", f"{replay['came_in_per_s']:,.2f}")
    table.add_row("times as fast as they came in", f"{replay['times_as_fast']:,.0f}")
    console.print(table)


def main() -> None:
    """Measure, print, keep as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.history", description=main.__doc__)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--files", type=int, default=400, help="raw files a day")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to put files; some 15 bytes a row")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="millrace-bench-", dir=args.folder) as name:
        result = run(args.rows, args.days, args.files, args.repeat, Path(name))
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    show(result)


if __name__ == "__main__":
    main()
