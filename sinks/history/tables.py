"""The history as tables and views of DuckDB: one table per contract of events, and the views in `views/`.

`machine_cycle`, `machine_state` and `operation_report` have the columns of their contracts with `plant`, `date`,
`partition` and `offset`. Topics are those of the contracts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from millrace.errors import Misconfigured
from schemas.contracts import contract
from schemas.types import polars_schema
from sinks.history.reading import Plan, plan
from sinks.history.zones import DAY_FILE, DAYS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TABLES = {"machine_cycle": "MachineCycle", "machine_state": "MachineState", "operation_report": "OperationReport"}
#: In the order in which they build on each other.
VIEWS = (
    *("production_by_order", "production_by_day", "scrap_pareto"),
    *("state_intervals", "downtime", "oee_elements"),
)
_FOLDER = Path(__file__).parent / "views"
_PLACE = {"date": pl.Date(), "partition": pl.Int32(), "offset": pl.Int64()}


def connect(path: str = ":memory:") -> DuckDBPyConnection:
    """A DuckDB connection with times in UTC.

    Raises:
        Misconfigured: DuckDB is not installed.
    """
    try:
        import duckdb  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise Misconfigured("queries need DuckDB: install the extra `analyst`") from error
    connection = duckdb.connect(path)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def query(root: Path, sql: str) -> pl.DataFrame:
    """Run one statement over both zones of a history, each row once while compaction and flows go on.

    Raises:
        Misconfigured: DuckDB is missing or refuses the statement, or a file is damaged.
    """
    for _ in range(20):
        plans = {table: plan(root, contract(name).topic) for table, name in TABLES.items()}
        with connect() as connection:
            result = _ask(connection, plans, sql)
        if all(each.stands() for each in plans.values()):
            if isinstance(result, Misconfigured):
                raise result
            return result
    raise Misconfigured(f"{root}: its files were replaced while they were read, 20 times")


def save(root: Path, path: Path) -> None:
    """Write a DuckDB file with tables and views over the analysts' zone; what is not compacted is not in it.

    A table without any day file so far is empty for good: save again once there are some.
    """
    with connect(str(path)) as connection:
        sources = {t: (root / DAYS / contract(name).topic).resolve() for t, name in TABLES.items()}
        pattern = f"plant=*/date=*/{DAY_FILE}"
        _define(connection, {t: [str(f / pattern)] if any(f.glob(pattern)) else [] for t, f in sources.items()})


def _ask(connection: DuckDBPyConnection, plans: Mapping[str, Plan], sql: str) -> pl.DataFrame | Misconfigured:
    """The answer, or why there is none: whether that counts depends on the files still being there."""
    import duckdb  # noqa: PLC0415 - an extra

    try:
        _define(connection, {table: [str(path) for path in each.files] for table, each in plans.items()})
        answer = connection.sql(sql)
        if answer is None:
            return Misconfigured("the statement has no result")
        return pl.DataFrame(answer.to_arrow_table())
    except duckdb.Error as error:
        return Misconfigured(str(error))


def _define(connection: DuckDBPyConnection, sources: Mapping[str, Sequence[str]]) -> None:
    for table, name in TABLES.items():
        body = _empty(connection, name)
        if sources[table]:
            files = ", ".join(_quoted(path) for path in sources[table])
            body += (
                f" UNION ALL BY NAME SELECT * FROM read_parquet([{files}], union_by_name = true, "  # noqa: S608 - quoted
                "hive_partitioning = true, hive_types = {'plant': VARCHAR, 'date': DATE})"
            )
        connection.execute(f"CREATE OR REPLACE VIEW {table} AS {body}")
    for view in VIEWS:
        sql = (_FOLDER / f"{view}.sql").read_text(encoding="utf-8")
        connection.execute(f"CREATE OR REPLACE VIEW {view} AS {sql}")


def _empty(connection: DuckDBPyConnection, name: str) -> str:
    """A table without rows with the columns of a contract, so that views hold before there is any file."""
    frame = pl.DataFrame(schema={**polars_schema(contract(name)), **_PLACE})
    known = connection.from_arrow(frame.to_arrow())
    typed = zip(known.columns, known.types, strict=True)
    columns = ", ".join(f'CAST(NULL AS {kind}) AS "{column}"' for column, kind in typed)
    return f"SELECT * FROM (SELECT {columns}) WHERE false"  # noqa: S608 - names and types of a contract


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
