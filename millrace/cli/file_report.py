"""What every run on files shows on the terminal: its progress while it reads, and how its counts came out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dataflows.file_summary import FileSummary
from sources.file_lanes import FileInput
from sources.files import find_files

#: Bytes of a text file from which the number of its lines is estimated.
SAMPLE = 1 << 20


@contextmanager
def reading(inputs: list[FileInput], console: Console) -> Iterator[Any]:
    """Progress while files are read; yields what is to be told the rows of each batch."""
    columns = (TextColumn("rows read"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=_rows(inputs))
        yield lambda rows: progress.update(task, advance=rows)


def _rows(inputs: list[FileInput]) -> int | None:
    """About how many rows there are; None where a file does not tell."""
    counts = [_rows_of(path) for given in inputs for path in find_files(given.path)]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _rows_of(path: Path) -> int | None:
    with path.open("rb") as file:
        head = file.read(SAMPLE)
    if head[:4] == b"PAR1":
        try:
            return int(pq.read_metadata(path).num_rows)
        except (pa.ArrowException, OSError):
            return None
    if head[:2] == b"\x1f\x8b" or head[:4] == b"Obj\x01":
        return None
    return round(path.stat().st_size / max(len(head), 1) * head.count(b"\n"))


def tell_end(console: Console, summary: FileSummary, results: str, *, alerts: str = "alerts") -> None:
    """Alerts, equations that do not hold, and the verdict with where the results are; `alerts` names the first."""
    kinds = ", ".join(f"{name} {count}" for name, count in summary.alerts.items()) or "none"
    console.print(f"{alerts}: {kinds}", highlight=False)
    for check in summary.checks:
        if not check.ok:
            line = f"[red]differs[/]: {check.what}: {check.expected} expected, {check.found} found"
            console.print(line, highlight=False)
    verdict = "every count reconciles" if summary.reconciles else "[red]counts differ, see above[/]"
    console.print(f"{verdict}; {results}", highlight=False)
