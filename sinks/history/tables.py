"""The history as tables of DuckDB: one per contract with the contract's columns, and those that views need beside.

Beside the contracts: what is given as files (`given`), the ledger, the shifts of the plants' calendars, the data
dictionary and how fresh each topic is. Topics are those of the contracts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads

from millrace.errors import Misconfigured, Rejected
from schemas.contracts import contract, contracts
from schemas.types import polars_schema
from sinks.history.given import GIVEN
from sinks.history.ledger_tables import LEDGER, ledger_schema
from sinks.history.places import ObjectPath, Place
from sinks.history.shift_table import SEGMENTS, shift_segments
from sinks.history.store import dataset

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Contract by table.
TABLES = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): name for name in contracts()}
SHIFTS = "shift_segments"
#: Tables whose plants and days the shifts have to cover.
_TIMED = ("machine_cycle", "machine_state", "operation_report", "material_consumption")
_PLACE = {"date": pl.Date(), "partition": pl.Int32(), "offset": pl.Int64()}


@dataclass(frozen=True, slots=True)
class Beside:
    """What a query reads beside the history.

    Args:
        rows: Rows by table: of GIVEN, or to be added to those of a contract.
        ledger: Reads a table of LEDGER; None where no ledger is given.
        reached: Up to when topics are complete, as recovery stores of flows know it now; None where none is given.
        told: Tables that Millrace itself knows (data dictionary, freshness), made when asked for.
    """

    rows: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    ledger: Callable[[str], pl.DataFrame] | None = None
    reached: Callable[[str], datetime | None] | None = None
    told: Mapping[str, Callable[[], pl.DataFrame]] = field(default_factory=dict)

    @property
    def tables(self) -> list[str]:
        """Names of all tables that can be asked."""
        return [*TABLES, *GIVEN, *LEDGER, SHIFTS, *self.told]


def define_tables(
    connection: DuckDBPyConnection,
    sources: Mapping[str, Sequence[Place]],
    beside: Beside,
    names: set[str],
    ahead: timedelta = timedelta(),
) -> None:
    """Make the named tables in a connection.

    Args:
        connection: DuckDB.
        sources: Parquet files by table of a contract; of a folder also patterns.
        beside: Everything else.
        names: Tables to make.
        ahead: How far beyond the last event the shifts are to go.

    Raises:
        Misconfigured: A table of the ledger is asked for and no ledger is given, or a calendar is none.
    """
    shifts = {*_TIMED, "shift_calendar"} if SHIFTS in names else set()
    for name in TABLES:
        if name in names | shifts:
            _define_events(connection, name, sources.get(name, ()), beside.rows.get(name))
    for name in sorted(names & {*GIVEN, *LEDGER, *beside.told}):
        _keep(connection, name, _frame(name, beside))
    if SHIFTS in names:
        _keep(connection, SHIFTS, _shifts(connection, ahead))


def _define_events(
    connection: DuckDBPyConnection, table: str, files: Sequence[Place], more: pl.DataFrame | None
) -> None:
    empty = _plain(pl.DataFrame(schema={**polars_schema(contract(TABLES[table])), **_PLACE}))
    body = _empty(connection, empty)
    if files:
        body += f" UNION ALL BY NAME SELECT * FROM {_rows(connection, table, files, empty)}"  # noqa: S608 - quoted
    if more is not None:
        _keep(connection, f"{table}_given", _with_place(more))
        body += f" UNION ALL BY NAME SELECT * FROM {table}_given"  # noqa: S608 - one of TABLES
    connection.execute(f"CREATE OR REPLACE VIEW {table} AS {body}")


def _rows(connection: DuckDBPyConnection, table: str, files: Sequence[Place], empty: pl.DataFrame) -> str:
    """What rows of the files are selected from: DuckDB reads folders by itself, object stores through our clients."""
    objects = [path for path in files if isinstance(path, ObjectPath)]
    if objects:
        path_fields = pa.schema([("plant", pa.string()), ("date", pa.date32())])
        schema = empty.to_arrow(compat_level=pl.CompatLevel.oldest()).schema
        connection.register(f"{table}_files", dataset(objects, schema, pads.partitioning(path_fields, flavor="hive")))
        return f"{table}_files"
    listed = ", ".join(_quoted(str(path)) for path in files)
    types = "hive_partitioning = true, hive_types = {'plant': VARCHAR, 'date': DATE}"
    return f"read_parquet([{listed}], union_by_name = true, {types})"


def _with_place(rows: pl.DataFrame) -> pl.DataFrame:
    place = [pl.lit(None, kind).alias(name) for name, kind in _PLACE.items() if name != "date"]
    return rows.with_columns(pl.col("event_time").dt.date().alias("date"), *place)


def _empty(connection: DuckDBPyConnection, empty: pl.DataFrame) -> str:
    """A table without rows with the columns of a contract, so that views hold before there is any file."""
    known = connection.from_arrow(empty.to_arrow())
    typed = zip(known.columns, known.types, strict=True)
    columns = ", ".join(f'CAST(NULL AS {kind}) AS "{column}"' for column, kind in typed)
    return f"SELECT * FROM (SELECT {columns}) WHERE false"  # noqa: S608 - names and types of a contract


def _plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Symbols as texts: their set grows with the versions of a contract."""
    return frame.with_columns(pl.col(pl.Enum, pl.Categorical).cast(pl.String))


def _keep(connection: DuckDBPyConnection, table: str, frame: pl.DataFrame) -> None:
    """Rows as a table of the connection's own, which a saved file keeps."""
    connection.register("__rows", _plain(frame).to_arrow(compat_level=pl.CompatLevel.oldest()))
    connection.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM __rows")  # noqa: S608 - a name of ours
    connection.unregister("__rows")


def _frame(name: str, beside: Beside) -> pl.DataFrame:
    if name in beside.told:
        return beside.told[name]()
    if name in GIVEN:
        return beside.rows.get(name, pl.DataFrame(schema={column: each.type for column, each in GIVEN[name].items()}))
    if beside.ledger is None:
        raise Misconfigured(f"{name} is in the posting ledger: give --ledger")
    return beside.ledger(name)


def _shifts(connection: DuckDBPyConnection, ahead: timedelta) -> pl.DataFrame:
    """Shifts over the days of all events; read from the paths of the files, not from their rows."""
    days = " UNION ALL ".join(f"SELECT plant, date FROM {table}" for table in _TIMED)  # noqa: S608 - names above
    spans = connection.execute(f"SELECT plant, min(date), max(date) FROM ({days}) GROUP BY plant").fetchall()  # noqa: S608
    calendars = pl.DataFrame(connection.table("shift_calendar").to_arrow_table())
    try:
        return shift_segments(calendars, ((plant, first, last + ahead) for plant, first, last in spans))
    except Rejected as error:
        raise Misconfigured(f"shift_calendar: {error}") from error


def empty_ledger() -> Callable[[str], pl.DataFrame]:
    """Tables of a ledger without rows, for a saved file that has none."""
    return lambda table: pl.DataFrame(schema=ledger_schema(table))


def connect(path: str = ":memory:") -> Any:
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


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


__all__ = ["SEGMENTS", "SHIFTS", "TABLES", "Beside", "connect", "define_tables", "empty_ledger"]
