"""`millrace query NAME`: what people ask of the history, on DuckDB."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from millrace.cli.history_settled import read_states
from millrace.cli.query_output import Form, show, show_list
from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from sinks.history.catalog import views
from sinks.history.given import GIVEN, read_given
from sinks.history.ledger_tables import read_ledger
from sinks.history.places import located
from sinks.history.query import query, save, tables
from sinks.history.store import require
from sinks.history.tables import TABLES, Beside
from sources.file_reference import read_reference

SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}


def query_command(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="View or table; `--list` names them.")] = None,
    root: Annotated[
        str | None, typer.Option("--root", help="History (`history` of the flow): a folder, or s3://...")
    ] = None,
    sql: Annotated[
        Path | None, typer.Option(help="File with a statement over views and tables, instead of a name.")
    ] = None,
    ledger: Annotated[str | None, typer.Option("--ledger", help="URL of the ledger, for views that need it.")] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--with", metavar="TABLE=FILE", help="Rows for a table, as calendars or bills; may be given again."
        ),
    ] = None,
    recovery: Annotated[
        list[Path] | None,
        typer.Option(help="Recovery store of a flow that writes here, for `freshness` as of now; may be given again."),
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Name the views with parameters and meaning, and end.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print as CSV.")] = False,
    parquet: Annotated[Path | None, typer.Option(help="Write a Parquet file instead.")] = None,
    database: Annotated[
        Path | None, typer.Option("--save", help="Write a DuckDB file with the views over compacted days, and end.")
    ] = None,
) -> None:
    """Ask the history; each row once, while compaction and flows go on. Parameters of a view follow as --NAME VALUE.

    Exit codes: 0 answered; 1 ledger or object store is down; 2 wrong use, or there is no such view or history.

    Example: `millrace query production --root history`

    Or: `millrace query --list`
    """
    form = Form(as_json=as_json, as_csv=as_csv, parquet=parquet)
    if listing:
        show_list(form)
        return
    if root is None:
        raise Misconfigured("--root: name the history, as the flow's settings do; or --list the views")
    history = located(root)
    require(history, "--root")
    parameters = _parameters(context.args)
    with ExitStack() as stack:
        beside = _beside(given or [], ledger, stack)
        if recovery:
            beside = replace(beside, reached=read_states(recovery, []).complete_up_to)
        if database is not None:
            save(history, database, beside)
            typer.echo(f"{database}: {len(views())} views, {len(tables(history, beside).tables)} tables")
            return
        statement = _statement(name, sql, tables(history, beside).tables)
        show(query(history, statement, _checked(name, parameters), beside), form)


def _parameters(arguments: list[str]) -> dict[str, str]:
    """`--order 4711` or `--order=4711`."""
    found: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        option, split, value = rest.pop(0).partition("=")
        if not option.startswith("--"):
            raise Misconfigured(f"{option!r} is no parameter: they are given as --NAME VALUE")
        if not split and not rest:
            raise Misconfigured(f"{option} needs a value")
        found[option.removeprefix("--").replace("-", "_")] = value if split else rest.pop(0)
    return found


def _checked(name: str | None, parameters: dict[str, str]) -> dict[str, str]:
    if name in views():
        return views()[name].variables(parameters)
    if parameters and name is not None:
        raise Misconfigured(f"{name} is a table: it has no parameter --{next(iter(parameters))}")
    return parameters


def _beside(given: list[str], ledger: str | None, stack: ExitStack) -> Beside:
    rows = {}
    for each in given:
        table, _, path = each.partition("=")
        if table not in {*TABLES, *GIVEN} or not path:
            raise Misconfigured(f"--with {each}: expected TABLE=FILE, the table one of {', '.join([*GIVEN, *TABLES])}")
        rows[table] = read_given(Path(path), table) if table in GIVEN else read_reference(path, TABLES[table])
    if ledger is None:
        return Beside(rows)
    opened = stack.enter_context(Ledger(ledger, who="cli"))
    return Beside(rows, lambda table: read_ledger(opened.ask, table))


def _statement(name: str | None, sql: Path | None, known: list[str]) -> str:
    if (name is None) == (sql is None):
        raise Misconfigured("give either a view or --sql")
    if sql is not None:
        try:
            return sql.read_text(encoding="utf-8")
        except OSError as error:
            raise Misconfigured(f"--sql: {sql}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise Misconfigured(f"--sql: {sql}: is not UTF-8: {error.reason} at byte {error.start}") from error
    if name not in {*views(), *known}:
        near = get_close_matches(str(name), [*views(), *known], 3, 0.4)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise Misconfigured(f"there is no view {name!r}; {meant}`millrace query --list` names them")
    return f"SELECT * FROM {name}"  # noqa: S608 - one of the names above


__all__ = ["SETTINGS", "query_command"]
