"""Figures of `bench.history` as tables and as a picture."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.process import Result

console = Console()
_COLOURS = {"uncompacted": "#b0b0b0", "compacted": "#2b6cb0", "delta": "#dd8a2e"}


def show(result: Result) -> None:
    """The figures side by side."""
    layouts = result["layouts"]
    table = Table("", *layouts)
    table.add_row("files", *(f"{each['files']:,}" for each in layouts.values()))
    table.add_row("size, MB", *(f"{each['mb']:,.1f}" for each in layouts.values()))
    for name in layouts["compacted"]["seconds"]:
        table.add_row(f"{name}, CPU s", *(f"{each['seconds'][name]['cpu_s']:.3f}" for each in layouts.values()))
    console.print(table)
    table = Table("", "")
    for name, value in figures(result).items():
        table.add_row(name, value)
    console.print(table)


def figures(result: Result) -> dict[str, str]:
    """What is told in a line each."""
    done, back, replay, drain = result["compaction"], result["read_back"], result["replay"], result["drain"]
    delta, erased = result["large_day_delta"], result["large_day_erased"]
    write = result["layouts"]["uncompacted"]["written"]["cpu_us_per_row"]
    told = {"rows": f"{result['rows']:,}", "writing, CPU µs a row": f"{write:.2f}"}
    if drain is not None:
        cost = drain["cpu_us_per_event"]
        more = (cost["flow_with_history"] - cost["flow"]) / cost["drain"]
        told["writing over only reading the topic"] = f"{write / cost['drain']:.2f}"
        told["the flow with history less the flow without, over only reading"] = f"{more:.2f}"
    return told | {
        "compaction, MB per CPU second": f"{done['mb_per_cpu_s']:.1f}",
        "compaction, rows per CPU second": f"{done['rows_per_cpu_s']:,.0f}",
        f"compaction of a day of {result['large_day']['rows']:,} rows, memory MiB": (
            f"{result['large_day']['peak_rss_mib']:,.0f}"
        ),
        f"a day of {delta['rows']:,} rows as a Delta table, memory MiB": f"{delta['peak_rss_mib']:,.0f}",
        f"a person erased from {erased['rows']:,} reports of a day, memory MiB": f"{erased['peak_rss_mib']:,.0f}",
        "compaction, memory MiB": f"{done['peak_rss_mib']:,.0f}",
        "reading back, rows per CPU second": f"{back['rows_per_cpu_s']:,.0f}",
        "replay: events": f"{back['rows']:,}",
        "replay: documents compared": f"{replay['documents']:,}",
        "replay: events per CPU second, whole command": f"{replay['events_per_cpu_s']:,.0f}",
        "replay: events per second through the rules": f"{replay['rules_events_per_s']:,.0f}",
        "replay: events per second as they came in": f"{replay['came_in_per_s']:,.2f}",
        "replay: times as fast as they came in": f"{replay['times_as_fast']:,.0f}",
    }


def draw(result: Result, path: Path) -> None:
    """CPU seconds of each question by layout; nothing without matplotlib."""
    try:
        import matplotlib.pyplot as plt  # noqa: PLC0415 - only for the picture
    except ImportError:
        console.print("no picture: matplotlib is not installed")
        return
    layouts = result["layouts"]
    names = list(layouts["compacted"]["seconds"])
    figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
    for place, (layout, each) in enumerate(layouts.items()):
        at = [number + (1 - place) * 0.27 for number in range(len(names))]
        bars = axis.barh(at, [each["seconds"][name]["cpu_s"] for name in names], 0.25, color=_COLOURS[layout])
        axis.bar_label(bars, fmt="%.2g", padding=3, fontsize=8)
        bars.set_label(f"{layout}, {each['files']:,} files, {each['mb'] / 1000:.2g} GB")
    axis.set_yticks(range(len(names)), [name.replace(": ", "\n") for name in names])
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.margins(x=0.12)
    axis.set_xlabel("CPU seconds of one thread, DuckDB, data in the page cache")
    axis.set_title(f"{result['rows'] / 1e6:,.0f} million cycles of {result['days']} days", loc="left")
    figure.legend(loc="outside lower center", ncols=len(layouts), fontsize=8, frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
