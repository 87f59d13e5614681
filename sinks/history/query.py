"""Questions to the history on DuckDB: each row of both zones once, while compaction and flows go on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from millrace.errors import Misconfigured
from schemas.contracts import contract
from sinks.history.catalog import View, closure, views
from sinks.history.dictionary import dictionary
from sinks.history.freshness import freshness
from sinks.history.places import ObjectPath, Place
from sinks.history.reading import ATTEMPTS, Plan, plan
from sinks.history.tables import TABLES, Beside, connect, define_tables, empty_ledger
from sinks.history.zones import DAY_FILE, DAYS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Variables = Mapping[str, str]
#: A saved file follows compactions, so its shifts go beyond the events that it was made with.
SHIFTS_AHEAD = timedelta(days=1100)


def tables(root: Place, beside: Beside) -> Beside:
    """What a query reads beside the history, with what Millrace itself tells."""
    return replace(beside, told={"dictionary": dictionary, "freshness": lambda: freshness(root, beside.reached)})


def query(root: Place, sql: str, variables: Variables | None = None, beside: Beside | None = None) -> pl.DataFrame:
    """Run one statement.

    Args:
        root: Folder of the history.
        sql: Statement over the tables of `tables` and the views of the catalogue.
        variables: Values that the statement and its views get by `getvariable`.
        beside: What is read beside the history.

    Raises:
        Misconfigured: DuckDB is missing or refuses the statement, or a file is damaged.
    """
    known = tables(root, beside or Beside())
    wanted, names = closure(sql, known.tables)
    read = {*names, *TABLES} if "shift_segments" in names else names
    for _ in range(ATTEMPTS):
        plans = {table: plan(root, contract(name).topic) for table, name in TABLES.items() if table in read}
        with connect() as connection:
            result = _ask(connection, plans, known, (wanted, names), (sql, variables or {}))
        if all(each.stands() for each in plans.values()):
            if isinstance(result, Misconfigured):
                raise result
            return result
    raise Misconfigured(f"{root}: its files were replaced while they were read, {ATTEMPTS} times")


def save(root: Place, path: Path, beside: Beside | None = None) -> None:
    """Write a DuckDB file with tables and views over the analysts' zone; what is not compacted is not in it.

    Tables of events follow later compactions; one without any day file so far is empty until it is saved again.
    Everything else (ledger, shifts of the next three years, given tables, dictionary, freshness) stays as it is now.

    Raises:
        Misconfigured: DuckDB is missing, or the history is on an object store.
    """
    if isinstance(root, ObjectPath):
        raise Misconfigured(
            f"{root}: a DuckDB file is saved over a history in a folder; plain DuckDB cannot use our clients"
        )
    known = tables(root, beside or Beside())
    known = replace(known, ledger=known.ledger or empty_ledger())
    folders = {table: (root / DAYS / contract(name).topic).resolve() for table, name in TABLES.items()}
    pattern = f"plant=*/date=*/{DAY_FILE}"
    with connect(str(path)) as connection:
        sources = {t: [f / pattern] if any(f.glob(pattern)) else [] for t, f in folders.items()}
        define_tables(connection, sources, known, set(known.tables), SHIFTS_AHEAD)
        _define_views(connection, views().values())


def _ask(
    connection: DuckDBPyConnection,
    plans: Mapping[str, Plan],
    beside: Beside,
    needed: tuple[Iterable[View], set[str]],
    asked: tuple[str, Variables],
) -> pl.DataFrame | Misconfigured:
    """The answer, or why there is none: whether that counts depends on the files still being there."""
    import duckdb  # noqa: PLC0415 - an extra

    wanted, names = needed
    sql, variables = asked
    try:
        files = {table: each.files for table, each in plans.items()}
        define_tables(connection, files, beside, names)
        _define_views(connection, wanted)
        for name, value in variables.items():
            connection.execute(f'SET VARIABLE "{name}" = ?', [value])
        answer = connection.sql(sql)
        if answer is None:
            return Misconfigured("the statement has no result")
        return pl.DataFrame(answer.to_arrow_table())
    except duckdb.Error as error:
        return Misconfigured(str(error))
    except Misconfigured as error:
        return error


def _define_views(connection: DuckDBPyConnection, wanted: Iterable[View]) -> None:
    for view in wanted:
        connection.execute(f"CREATE OR REPLACE VIEW {view.name} AS {view.sql}")
