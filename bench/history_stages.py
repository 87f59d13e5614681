"""The stages of `bench.history`, each a process of its own, so that its memory and CPU time are its own.

`python -m bench.history_stages STAGE FOLDER` runs one in a folder that `python -m bench.history` has made.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.flow import PARTITIONS, Bench
from bench.history_large import large_compacted, large_published, large_written, reports_compacted, reports_erased
from bench.history_rows import MACHINES, PLANT, START, TOPIC, write_day
from bench.history_work import Work, circumstances, console, timed
from bench.process import Result, peak_rss_mib
from bench.replaying import replayed
from bench.topic import CycleTopic
from schemas.contracts import contract
from schemas.registry import schema_id
from sinks.history.compact import compact, only_one
from sinks.history.manifest import write_manifest
from sinks.history.reading import plan
from sinks.history.rows import HistoryRows
from sinks.history.tables import connect
from tests.servers import Kafka

_ALL = 10**12
Answer = list[tuple[Any, ...]]

_PIECES = "SELECT count(*), sum(quantity_good) FROM {rows}"
QUESTIONS = {
    "point query: one machine, one day": f"{_PIECES} WHERE source = '{{machine}}' AND date = '{{day}}'",
    "one machine, the month": f"{_PIECES} WHERE source = '{{machine}}'",
    "month scan: pieces by day": "SELECT date, count(*), sum(quantity_good) FROM {rows} GROUP BY date ORDER BY date",
    "month scan: pieces and scrap by work centre": (
        "SELECT work_center, sum(quantity_good), sum(quantity_scrap) FROM {rows} GROUP BY ALL ORDER BY work_center"
    ),
}


def drained(work: Work) -> Result:
    """The flow without and with history beside reading a topic only, on a real broker; a median each."""
    spec = CycleTopic(work.broker_records, partitions=PARTITIONS, schema_id=schema_id(contract("MachineCycle").schema))
    with tempfile.TemporaryDirectory() as folder, Kafka(Path(folder), heap="1g") as kafka:
        bench = Bench(kafka, 3)
        options = bench.topic("cycles", spec)
        drain = bench.run("bench.drain", topic=options["topic"], count=options["count"])
        flow = bench.run("bench.confirmations", **options)
        history = bench.run("bench.confirmations", **options, history=1)
    cost = {"drain": drain, "flow": flow, "flow_with_history": history}
    each = {name: 1e6 / run["per_cpu_s"] for name, run in cost.items()}
    return {"records": work.broker_records, "cpu_us_per_event": each}


def written(work: Work) -> Result:
    """What writing costs a flow: `HistoryWriter` alone, without making the rows."""

    def one(day: int) -> Result:
        cpu, wall = write_day(work.history, day, work.a_day, work.files)
        return {"cpu_s": cpu, "wall_s": wall}

    days = list(work.by_day("write", one))
    return {**_sums(days), "cpu_us_per_row": 1e6 * _sums(days)["cpu_s"] / (work.a_day * work.days)}


def compacted(work: Work) -> Result:
    """MB of raw files per second of wall and of CPU; decoded, sorted, written with checksums, raw files removed."""

    def one(day: int) -> Result:
        until = START.date() + timedelta(days=day + 1)
        with only_one(work.history):
            done, took = timed(lambda: compact(work.history, TOPIC, until, lambda _: _ALL))
        return {**took, "rows": done.rows, "mb": done.bytes_before / 1e6}

    total = _sums(list(work.by_day("compact", one)))
    with only_one(work.history):
        _, manifest = timed(lambda: write_manifest(work.history, TOPIC, None))
    speed = {"mb_per_s": total["mb"] / total["wall_s"], "mb_per_cpu_s": total["mb"] / total["cpu_s"]}
    rate = {"rows_per_cpu_s": total["rows"] / total["cpu_s"], "manifest_cpu_s": manifest["cpu_s"]}
    return {**total, **speed, **rate, "peak_rss_mib": peak_rss_mib()}


def as_delta(work: Work) -> Result:
    """The same days as a Delta table, a commit each.

    Raises:
        SystemExit: The extra is not installed.
    """
    if find_spec("deltalake") is None:
        raise SystemExit("bench.history: Delta Lake needs the extra `delta`")
    from sinks.history.delta import DeltaTarget  # noqa: PLC0415 - an extra
    from sinks.history.publish import publish  # noqa: PLC0415 - an extra

    done, took = timed(lambda: publish(work.history, TOPIC, DeltaTarget(work.delta, TOPIC)))
    return {**took, "rows": done.rows, "rows_per_cpu_s": done.rows / took["cpu_s"], "peak_rss_mib": peak_rss_mib()}


def files_of(work: Work, layout: str) -> list[Path]:
    """Files of a layout; those of a Delta table are read as an engine with a Delta reader reads them."""
    if layout == "uncompacted":
        return [Path(str(path)) for path in plan(work.history, TOPIC).files]
    if layout == "compacted":
        return work.day_files
    from deltalake import DeltaTable  # noqa: PLC0415 - an extra

    return [Path(uri) for uri in DeltaTable(str(work.delta / TOPIC)).file_uris()]


def asked(work: Work, layout: str) -> Result:
    """The fastest of some runs of every question over a layout, one thread as for a figure per core."""
    files = files_of(work, layout)
    listed = ", ".join(f"'{path}'" for path in files)
    hive = "hive_partitioning = true, hive_types = {'plant': VARCHAR, 'date': DATE}"
    rows = f"read_parquet([{listed}], union_by_name = false, {hive})"
    names = {"rows": rows, "machine": f"M{MACHINES // 2:05d}", "day": work.middle}
    seconds, answers = {}, {}
    with connect() as connection:
        connection.execute("SET threads = 1")
        for name, sql in QUESTIONS.items():
            runs = [timed(partial(_answer, connection, sql.format(**names))) for _ in range(work.repeat)]
            best = min(runs, key=lambda run: run[1]["wall_s"])
            answers[name], seconds[name] = str(best[0]), best[1]
            console.print(f"  {layout}, {name}: {best[1]['wall_s']:.3f} s")
    return {**_sizes(files), "seconds": seconds, "answers": answers}


def read_back(work: Work) -> Result:
    """Rows per second that a replay reads, day by day in the columns of the contract, before its rules run."""
    rows = HistoryRows(work.history, {"MachineCycle": TOPIC}, {PLANT})
    by_day = rows.days()
    count, took = timed(lambda: sum(rows.load("MachineCycle", day, lambda frame: frame).height for day in by_day))
    return {**took, "rows": count, "rows_per_cpu_s": count / took["cpu_s"], "rows_per_s": count / took["wall_s"]}


def _answer(connection: Any, sql: str) -> Answer:
    rows: Answer = connection.execute(sql).fetchall()
    return rows


def _sizes(files: Sequence[Path]) -> Result:
    total = sum(path.stat().st_size for path in files)
    return {"files": len(files), "mb": total / 1e6, "mean_file_mb": total / 1e6 / max(len(files), 1)}


def _sums(days: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: sum(day[name] for day in days) for name in days[0] if not name.startswith("stage_")}


#: In the order in which they need each other.
STAGES: Mapping[str, Callable[[Work], Result]] = {
    "write": written,
    "ask_uncompacted": partial(asked, layout="uncompacted"),
    "compact": compacted,
    "ask_compacted": partial(asked, layout="compacted"),
    "delta": as_delta,
    "ask_delta": partial(asked, layout="delta"),
    "read_back": read_back,
    "replay": lambda work: replayed(work.history, work.folder, work.a_day * work.days, work.days),
    "drain": drained,
    "large_write": large_written,
    "large_compact": large_compacted,
    "large_publish": large_published,
    "reports_compact": reports_compacted,
    "reports_erase": reports_erased,
}


def main(stage: str, folder: str) -> None:
    """Run one stage and keep what it measured."""
    work = Work.opened(Path(folder))
    begun, before = time.perf_counter(), circumstances()
    result = STAGES[stage](work)
    took = time.perf_counter() - begun
    work.keep(
        stage,
        {**result, "circumstances": {**before, "took_s": took, "load_average_after": circumstances()["load_average"]}},
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
