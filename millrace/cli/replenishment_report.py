"""A finished run of replenishment on files, as tables on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dataflows.replenishment_summary import ReplenishmentSummary
from millrace.cli.file_report import tell_end

_STOCK = (
    "plant",
    "material",
    "storage_location",
    "on_hand",
    "quality_hold",
    "in_transit",
    "open_requests",
    "projected",
)
_ASKED = ("request_number", "crossed_at", "quantity", "unit", "projected", "reorder_point", "delivery_date")
_NUMBERS = {*_STOCK[3:], "quantity", "reorder_point", "letters", "events"}
_MOST_ROWS = 50


def show_replenishment(summary: ReplenishmentSummary, out: Path, console: Console) -> None:
    """Tables of a finished run."""
    told = summary.as_json()
    tables = (
        ("Stock in the end, in base units", _STOCK, told["stock"]),
        ("Requests", _ASKED, told["requests"]),
        ("Dead letters", ("kind", "reason", "field", "letters", "events"), summary.dead_letters),
    )
    for title, columns, rows in tables:
        if rows:
            console.print(_table(title, columns, rows))
    counted = ", ".join(f"{name} {count}" for name, count in summary.rows.items())
    console.print(f"rows: {counted}", highlight=False)
    tell_end(console, summary, f"results in {escape(str(out))}", alerts="alerts that stand")


def _table(title: str, columns: tuple[str, ...], rows: list[dict[str, object]]) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right" if name in _NUMBERS else "left")
    for row in rows[:_MOST_ROWS]:
        table.add_row(*(_cell(name, row[name]) for name in columns))
    if len(rows) > _MOST_ROWS:
        table.caption = f"and {len(rows) - _MOST_ROWS} more"
    return table


def _cell(name: str, value: object) -> str:
    text = str(value if value is not None else "")
    return escape(text.replace("T", " ").replace("+00:00", "Z") if name.endswith("_at") else text)


__all__ = ["show_replenishment"]
