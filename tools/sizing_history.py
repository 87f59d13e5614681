"""The part of docs/sizing.md about the history, from `bench/results/history.json`."""

from __future__ import annotations

from typing import Any

TEXT = """\
## The history

{rows:,} machine cycles of {days} days, measured side by side in one run of `make bench-history`; questions are asked on
DuckDB with one thread and the data in the page cache. Figures are CPU seconds, since the machine did other work, too:
its load was {load} on {cores} cores.

| | {heads} |
|---|{rule}|
{table}

![CPU seconds of each question by layout](images/bench-history.png)

| step | cost |
|---|---|
{steps}

So a history takes {raw:.0f} bytes a row as flows write them and {packed:.0f} bytes compacted. Compact what is asked
often: opening many small files is most of what a query over them costs. A Delta table is a copy beside the day files.
"""
_STEPS = {
    "writing, beside the flow": (
        "{write:.2f} µs of CPU a row, {over_drain:.2f} times what only reading the topic costs ({drain:.2f} µs)"
    ),
    "a flow with history and one without": (
        "{flow_with_history:.2f} and {flow:.2f} µs of CPU an event under that load, {more:.2f} times reading between "
        "them; [above](#a-flow) as `make bench` measured them"
    ),
    "compaction, once a day ([analysts](analysts.md))": (
        "{mb:.1f} MB of raw files or {compacted:,} rows a CPU second; of one day with {large:.0f} million rows "
        "{large_rate:,} rows a CPU second, with {memory:,} MiB of memory at most"
    ),
    "`history publish --delta`": (
        "{delta:,} rows a CPU second; of one day with {delta_large:.0f} million rows {delta_rate:,} rows a CPU "
        "second, with {delta_memory:,} MiB of memory at most"
    ),
    "`history erase`, of files that name the person": (
        "{erased_rate:,} rows a CPU second, of one day with {erased:.0f} million reports; {erased_memory:,} MiB of "
        "memory at most"
    ),
    "`millrace replay --dry-run` ([replay](replay.md))": (
        "{replay:,} events a CPU second for the whole command, {documents:,} documents compared; "
        "{times:,} times as fast as the events came in"
    ),
}


def history(found: dict[str, Any]) -> str:
    """The part of the page."""
    layouts, done, replay = found["layouts"], found["compaction"], found["replay"]
    large, delta, erased = found["large_day"], found["large_day_delta"], found["large_day_erased"]
    cost = found["drain"]["cpu_us_per_event"]
    write = layouts["uncompacted"]["written"]["cpu_us_per_row"]
    loads = [each["circumstances"]["load_average"] for each in (*layouts.values(), done, replay)]
    values = {
        **cost,
        "write": write,
        "over_drain": write / cost["drain"],
        "more": (cost["flow_with_history"] - cost["flow"]) / cost["drain"],
        "mb": done["mb_per_cpu_s"],
        "compacted": _rounded(done["rows_per_cpu_s"]),
        "large": large["rows"] / 1e6,
        "large_rate": _rounded(large["rows_per_cpu_s"]),
        "memory": round(large["peak_rss_mib"]),
        "delta_large": delta["rows"] / 1e6,
        "delta_rate": _rounded(delta["rows_per_cpu_s"]),
        "delta_memory": round(delta["peak_rss_mib"]),
        "erased": erased["rows"] / 1e6,
        "erased_rate": _rounded(erased["rows_per_cpu_s"]),
        "erased_memory": round(erased["peak_rss_mib"]),
        "delta": _rounded(layouts["delta"]["written"]["rows_per_cpu_s"]),
        "replay": _rounded(replay["events_per_cpu_s"]),
        "documents": replay["documents"],
        "times": int(round(replay["times_as_fast"], -2)),
    }
    return TEXT.format(
        rows=found["rows"],
        days=found["days"],
        load=f"{min(loads):.0f} to {max(loads):.0f}",
        cores=done["circumstances"]["cores"],
        heads=" | ".join(_HEADS[name] for name in layouts),
        rule="|".join("---" for _ in layouts),
        table="\n".join(_table(layouts)),
        steps="\n".join(f"| {name} | {text.format(**values)} |" for name, text in _STEPS.items()),
        raw=bytes_of_a_row(found, "uncompacted"),
        packed=bytes_of_a_row(found, "compacted"),
    )


_HEADS = {"uncompacted": "as flows write it", "compacted": "compacted", "delta": "as Delta Lake"}


def _table(layouts: dict[str, Any]) -> list[str]:
    rows = [
        ("files", [f"{each['files']:,}" for each in layouts.values()]),
        ("size", [f"{each['mb'] / 1000:.2f} GB" for each in layouts.values()]),
    ]
    rows += [
        (question, [f"{each['seconds'][question]['cpu_s']:.3g} s" for each in layouts.values()])
        for question in layouts["compacted"]["seconds"]
    ]
    return [f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows]


def _rounded(value: float) -> int:
    """To thousands."""
    return int(round(value, -3))


def bytes_of_a_row(found: dict[str, Any], layout: str) -> float:
    """Bytes of a row."""
    return float(found["layouts"][layout]["mb"] * 1e6 / found["rows"])
