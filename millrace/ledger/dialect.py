"""The only place that knows which database the ledger lives in."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, inspect, make_url, select
from sqlalchemy.dialects import postgresql, sqlite

from millrace.errors import Misconfigured
from millrace.ledger.tables import SCHEMA_VERSION, metadata, schema_version

_WRITE = "millrace_write"


def open_engine(url: str) -> Engine:
    """Connect, create missing tables and check the schema version.

    Raises:
        Misconfigured: The ledger was written by another version of Millrace, or its folder does not exist.
    """
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        _check_folder(engine)
        _prepare_sqlite(engine)
    _check_schema(engine)
    return engine


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


def _check_schema(engine: Engine) -> None:
    if not inspect(engine).has_table(schema_version.name):
        _create(engine)
    with engine.connect() as connection:
        found = connection.scalar(select(schema_version.c.version))
    if found != SCHEMA_VERSION:
        raise Misconfigured(
            f"ledger {engine.url.render_as_string()} has schema version {found}, this Millrace needs {SCHEMA_VERSION}"
        )


def _create(engine: Engine) -> None:
    with writing(engine) as connection:
        metadata.create_all(connection)
        connection.execute(insert(engine, schema_version).values(version=SCHEMA_VERSION).on_conflict_do_nothing())


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction."""
    with engine.connect().execution_options(**{_WRITE: True}) as connection, connection.begin():
        yield connection


def insert(engine: Engine, table: Table) -> Any:
    """INSERT with `on_conflict_do_update` and `on_conflict_do_nothing`, which both databases spell alike."""
    return (postgresql if engine.dialect.name == "postgresql" else sqlite).insert(table)


@contextmanager
def only_poster(engine: Engine, system: str) -> Iterator[None]:
    """Hold the right to post for a system: two posters would take each other's postings for lost ones.

    The right ends with the process, however it dies.

    Raises:
        Misconfigured: Another process holds it.
    """
    path = make_url(engine.url).database
    if engine.dialect.name != "sqlite":
        raise Misconfigured("posting needs a ledger on SQLite: only there a second poster is kept out so far")
    if not path or path == ":memory:":
        yield
        return
    with Path(f"{path}.{system}.poster").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Misconfigured(f"another poster already serves system {system!r} on ledger {path}") from error
        yield
