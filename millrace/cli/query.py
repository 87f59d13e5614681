"""`millrace query VIEW`: what people ask of the history, on DuckDB."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from millrace.errors import Misconfigured
from sinks.history.tables import TABLES, VIEWS, query, save


def query_command(
    root: Annotated[Path, typer.Option("--root", help="Folder of the history (`history` of the flow).")],
    view: Annotated[str | None, typer.Argument(help=f"One of {', '.join([*VIEWS, *TABLES])}.")] = None,
    sql: Annotated[Path | None, typer.Option(help="File with a statement over these views, instead of a view.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print as CSV.")] = False,
    database: Annotated[
        Path | None, typer.Option("--save", help="Write a DuckDB file with the views over compacted days, and end.")
    ] = None,
) -> None:
    """Ask the history; each row once, while compaction and flows go on."""
    if not root.is_dir():
        raise Misconfigured(f"--root: there is no folder {str(root)!r}")
    if database is not None:
        save(root, database)
        typer.echo(f"{database}: {', '.join([*TABLES, *VIEWS])}")
        return
    _print(query(root, _statement(view, sql)), as_json, as_csv)


def _statement(view: str | None, sql: Path | None) -> str:
    if (view is None) == (sql is None):
        raise Misconfigured("give either a view or --sql")
    if sql is not None:
        try:
            return sql.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"--sql: {error}") from error
    if view not in {*VIEWS, *TABLES}:
        raise Misconfigured(f"there is no view {view!r}; there are {', '.join([*VIEWS, *TABLES])}")
    return f"SELECT * FROM {view}"  # noqa: S608 - one of the names above


def _print(rows: pl.DataFrame, as_json: bool, as_csv: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows.to_dicts(), default=_text, ensure_ascii=False, indent=2))
    elif as_csv:
        typer.echo(rows.write_csv(), nl=False)
    else:
        with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
            typer.echo(rows)


def _text(value: Any) -> str:
    """Quantities as decimal texts, times as ISO 8601."""
    return str(value) if isinstance(value, Decimal) else value.isoformat()


__all__ = ["query_command"]
