"""The only place that knows which database the ledger lives in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Table,
    and_,
    create_engine,
    event,
    make_url,
    text,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from millrace.errors import Misconfigured
from millrace.ledger import postgres_password, schema
from millrace.ledger.tables import SCHEMA_VERSION

#: The ledger cannot be reached or written to for now, or a transaction lost against another: wait and call again.
#: On PostgreSQL deadlocks and a server that starts, stops or was cut off are among them.
LEDGER_DOWN = (OperationalError, InterfaceError, InternalError, PoolTimeout)
_WRITE = "millrace_write"


def open_engine(url: str) -> Engine:
    """Connect, create missing tables and upgrade those of an older version.

    Raises:
        Misconfigured: The ledger was written by a newer version of Millrace, or its folder does not exist.
    """
    engine = create_engine(url, **_options(url))
    if engine.dialect.name == "sqlite":
        _check_folder(engine)
        _prepare_sqlite(engine)
    else:
        _prepare_postgresql(engine)
    _check_schema(engine)
    return engine


def _options(url: str) -> dict[str, Any]:
    """PostgreSQL: a cut connection shows within seconds, and a connection from before a restart is replaced."""
    if make_url(url).get_backend_name() != "postgresql":
        return {}
    seconds = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
    return {"pool_pre_ping": True, "connect_args": {**seconds, "tcp_user_timeout": 30_000}}


def _check_folder(engine: Engine) -> None:
    path = engine.url.database
    if path and not Path(path).absolute().parent.is_dir():
        raise Misconfigured(f"ledger {engine.url.render_as_string()}: its folder does not exist")


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN would come too late for IMMEDIATE
        connection.execute("PRAGMA busy_timeout = 30000")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer that starts as a reader fails at its first write if another has written meanwhile.
        write = connection.get_execution_options().get(_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _prepare_postgresql(engine: Engine) -> None:
    from millrace.ledger.postgres_text import allow_any_text  # noqa: PLC0415 - its driver is an extra

    postgres_password.read_at_connect(engine)
    event.listen(engine, "connect", lambda connection, _record: allow_any_text(connection))


def _check_schema(engine: Engine) -> None:
    with engine.connect() as connection:
        found = schema.found_version(connection)
    if found != SCHEMA_VERSION:
        with writing(engine) as connection:
            schema.bring_up(connection)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction."""
    with engine.connect().execution_options(**{_WRITE: True}) as connection, connection.begin():
        yield connection


def insert(engine: Engine, table: Table) -> Any:
    """INSERT with `on_conflict_do_update` and `on_conflict_do_nothing`, which both databases spell alike."""
    return (postgresql if engine.dialect.name == "postgresql" else sqlite).insert(table)


def among(columns: Sequence[Column[Any]], keys: Collection[tuple[str, ...]]) -> ColumnElement[bool]:
    """Rows whose columns together are one of the keys.

    SQLite uses no index for the tuple and reads the whole table; it does for each column by itself.
    """
    singly = (column.in_({key[place] for key in keys}) for place, column in enumerate(columns))
    return and_(*singly, tuple_(*columns).in_(keys))


def orders_alone(connection: Connection, orders: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Orders (plant, order) that no other transaction plans just now, for whatever system; they stay its own.

    SQLite's write transaction keeps all others out as it is.
    """
    if connection.dialect.name != "postgresql":
        return list(orders)
    by_name = {f"{plant}\n{order}": (plant, order) for plant, order in orders}
    taken = connection.execute(
        text(
            "SELECT name FROM unnest(CAST(:names AS text[])) AS name "
            "WHERE pg_try_advisory_xact_lock(hashtextextended(name, 0))"
        ),
        {"names": list(by_name)},
    )
    return [by_name[name] for (name,) in taken]
