"""A run of goods movements on files as tables on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dataflows.movement_summary import MovementSummary
from millrace.cli.file_report import tell_end

_NUMBERS = ("made", "accepted", "duplicates", "dead", "in_documents", "given_up", "history")
_MOVED = ("plant", "movement", "material", "storage_location", "quantity", "unit", "documents")


def show_movements(summary: MovementSummary, out: Path, console: Console) -> None:
    """Tables of a finished run."""
    if moved := summary.moved():
        console.print(_table("Movements, in base units", _MOVED, moved))
    if summary.dead_letters:
        columns = ("kind", "reason", "field", "letters", "events")
        console.print(_table("Dead letters", columns, summary.dead_letters))
    rows = ", ".join(f"{name} {count}" for name, count in summary.rows.items())
    console.print(f"rows: {rows}", highlight=False)
    counted = ", ".join(f"{name.replace('_', ' ')} {getattr(summary.records, name)}" for name in _NUMBERS)
    console.print(f"records: {counted}", highlight=False)
    tell_end(console, summary, f"results in {escape(str(out))}")


def _table(title: str, columns: tuple[str, ...], rows: list[dict[str, object]]) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    for name in columns:
        numeric = name in ("quantity", "documents", "letters", "events")
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(escape(str(row[name] if row[name] is not None else "")) for name in columns))
    return table
