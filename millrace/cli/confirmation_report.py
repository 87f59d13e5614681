"""A run of confirmations on files as tables on the terminal."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dataflows.confirmation_summary import ConfirmationSummary
from millrace.cli.file_report import tell_end

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


def show_confirmations(summary: ConfirmationSummary, out: Path, console: Console) -> None:
    """Tables of a finished run."""
    if summary.operations:
        console.print(_operations(summary))
    if summary.dead_letters:
        console.print(_dead_letters(summary))
    console.print(_files(summary))
    console.print(_records(summary))
    tell_end(console, summary, f"{summary.documents} documents in {escape(str(out))}")


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


def _operations(summary: ConfirmationSummary) -> Group:
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


def _dead_letters(summary: ConfirmationSummary) -> Group:
    table = _table(("kind", "reason", "field"), ("letters", "events"))
    for row in summary.dead_letters:
        table.add_row(*(escape(str(value)) for value in row.values()))
    return _titled("Dead letters", table)


def _files(summary: ConfirmationSummary) -> Group:
    numbers = ("read", "mapped", "rejected", "filtered")
    table = _table(("file",), numbers)
    for file in summary.files[:MOST_FILES]:
        table.add_row(escape(Path(file["file"]).name), *(str(file[name]) for name in numbers))
    if len(summary.files) > 1:
        table.add_section()
        table.add_row(f"all {len(summary.files)} files", *(str(summary.rows[name]) for name in numbers))
    return _titled("Rows: read = mapped + rejected + filtered", table)


def _records(summary: ConfirmationSummary) -> Group:
    table = _table(("",), tuple(summary.records))
    for number in NUMBERS:
        counts = (str(getattr(records, number)) for records in summary.records.values())
        table.add_row(number.replace("_", " "), *counts)
    made, accepted = "made = accepted + duplicates + dead", "accepted = in documents + given up + in no total"
    return _titled(f"Records: {made};\n{accepted} = history", table)
