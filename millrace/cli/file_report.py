"""A run on files as tables on the terminal, and its progress while it reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console, Group
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from dataflows.file_summary import Summary
from sources.file_lanes import FileInput
from sources.files import find_files

#: Bytes of a text file from which the number of its lines is estimated.
SAMPLE = 1 << 20
MOST_OPERATIONS, MOST_FILES = 50, 20
_HEADS = {
    "quantity_yield": "yield",
    "quantity_scrap": "scrap",
    "quantity_rework": "rework",
    "setup_time": "setup",
    "machine_time": "machine",
    "labour_time": "labour",
}
NUMBERS = ("made", "accepted", "duplicates", "dead", "in_documents", "given_up", "in_no_total", "history")


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


def show(summary: Summary, out: Path, console: Console) -> None:
    """Tables of a finished run."""
    if summary.operations:
        console.print(_operations(summary))
    if summary.dead_letters:
        console.print(_dead_letters(summary))
    console.print(_files(summary))
    console.print(_records(summary))
    alerts = ", ".join(f"{name} {count}" for name, count in summary.alerts.items()) or "none"
    console.print(f"alerts: {alerts}", highlight=False)
    for check in summary.checks:
        if not check.ok:
            line = f"[red]differs[/]: {check.what}: {check.expected} expected, {check.found} found"
            console.print(line, highlight=False)
    verdict = "every count reconciles" if summary.reconciles else "[red]counts differ, see above[/]"
    console.print(f"{verdict}; {summary.documents} documents in {escape(str(out))}", highlight=False)


def _table(texts: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in texts:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _titled(title: str, table: Table) -> Group:
    """A title above a table, which does not make a narrow table's title wrap."""
    return Group(Text(title, style="italic"), table, "")


def _operations(summary: Summary) -> Group:
    rows = summary.operations
    title = "Operations: totals of the last revisions, times in whole seconds"
    if len(rows) > MOST_OPERATIONS:
        title += f"; the first {MOST_OPERATIONS} of {len(rows)}, all are in summary.json"
    table = _table(("order", "op", "unit"), (*_HEADS.values(), "final", "over"))
    several = len({row["plant"] for row in rows}) > 1
    for row in rows[:MOST_OPERATIONS]:
        order = f"{row['plant']} {row['order_id']}" if several else row["order_id"]
        over = row["over_delivery"] if row["over_delivery"] != "0" else ""
        table.add_row(
            *(escape(str(cell)) for cell in (order, row["operation"], row["unit"])),
            *(_short(name, row[name]) for name in _HEADS),
            "yes" if row["is_final"] else "",
            over,
        )
    return _titled(title, table)


def _short(name: str, amount: str) -> str:
    return f"{Decimal(amount):.0f}" if name.endswith("_time") else amount


def _dead_letters(summary: Summary) -> Group:
    table = _table(("kind", "reason", "field"), ("letters", "events"))
    for row in summary.dead_letters:
        table.add_row(*(escape(str(value)) for value in row.values()))
    return _titled("Dead letters", table)


def _files(summary: Summary) -> Group:
    numbers = ("read", "mapped", "rejected", "filtered")
    table = _table(("file",), numbers)
    for file in summary.files[:MOST_FILES]:
        table.add_row(escape(Path(file["file"]).name), *(str(file[name]) for name in numbers))
    if len(summary.files) > 1:
        table.add_section()
        table.add_row(f"all {len(summary.files)} files", *(str(summary.rows[name]) for name in numbers))
    return _titled("Rows: read = mapped + rejected + filtered", table)


def _records(summary: Summary) -> Group:
    table = _table(("",), tuple(summary.records))
    for number in NUMBERS:
        counts = (str(getattr(records, number)) for records in summary.records.values())
        table.add_row(number.replace("_", " "), *counts)
    made, accepted = "made = accepted + duplicates + dead", "accepted = in documents + given up + in no total"
    return _titled(f"Records: {made};\n{accepted} = history", table)
