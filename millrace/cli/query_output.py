"""Answers of `millrace query` as a table, JSON, CSV or Parquet, and the list of what can be asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from millrace.errors import Misconfigured
from sinks.history.catalog import View, views

#: A row is one line, however wide the terminal: `less -S` and friends cut it better than a table could.
_WIDTH = 10_000


@dataclass(frozen=True, slots=True)
class Form:
    """How an answer is given; a table for people when nothing else is asked.

    Raises:
        Misconfigured: Several are asked.
    """

    as_json: bool = False
    as_csv: bool = False
    parquet: Path | None = None

    def __post_init__(self) -> None:
        if self.as_json + self.as_csv + (self.parquet is not None) > 1:
            raise Misconfigured("give one of --json, --csv and --parquet")


def show(rows: pl.DataFrame, form: Form) -> None:
    """Print rows, or write them."""
    if form.parquet is not None:
        rows.write_parquet(form.parquet)
        typer.echo(f"{form.parquet}: {rows.height} rows")
    elif form.as_json:
        typer.echo(json.dumps(rows.to_dicts(), default=_text, ensure_ascii=False, indent=2))
    elif form.as_csv:
        typer.echo(rows.write_csv(), nl=False)
    else:
        _print(rows)


def show_list(form: Form) -> None:
    """Every view with its parameters and meaning."""
    if form.as_json or form.as_csv or form.parquet:
        fields = [(each.name, _options(each), each.meaning) for each in views().values()]
        show(pl.DataFrame(sorted(fields), ["view", "parameters", "meaning"], orient="row"), form)
        return
    console = Console()
    for view in sorted(views().values(), key=lambda each: each.name):
        console.print(f"[bold]{view.name}[/] {escape(_options(view))}", highlight=False)
        console.print(f"  {escape(view.meaning)}", highlight=False, soft_wrap=False)
    console.print("Beside these: a table per contract, [bold]freshness[/], and [bold]dictionary[/] for every column.")


def _options(view: View) -> str:
    parts = []
    for each in view.parameters.values():
        option = f"--{each.name} {'DATE' if each.about == 'date' else each.name.upper()}"
        parts.append(option if each.about == "required" else f"[{option}]")
    return " ".join(parts)


def _print(rows: pl.DataFrame) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, kind in rows.schema.items():
        table.add_column(name, justify="right" if kind.is_numeric() else "left", no_wrap=True)
    for row in rows.iter_rows():
        table.add_row(*(escape(_cell(value)) for value in row))
    Console(width=_WIDTH).print(table, highlight=False)
    typer.echo(f"{rows.height} rows", err=True)


def _cell(value: Any) -> str:
    """Quantities without zeros behind the last digit, times to the second unless they have more."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if hasattr(value, "tzinfo"):
        return str(value.replace(tzinfo=None).isoformat(" "))
    return str(value)


def _text(value: Any) -> str:
    """Quantities as decimal texts, times as ISO 8601."""
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, Decimal) else value.isoformat()
