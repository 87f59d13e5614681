"""The ledger's tables: made in an empty database, brought up to date in an older one, refused in a newer one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, inspect, select, text

from millrace.errors import Misconfigured
from millrace.ledger.tables import SCHEMA_VERSION, metadata, schema_version

MIGRATIONS = Path(__file__).parent / "migrations"
#: Key of PostgreSQL's advisory lock: two processes that start at once make or change the tables one after the other.
_LOCK = 7_270_310_261
#: Version that a ledger can be brought back to: the migrations after it only add, and say what their undoing gives up.
OLDEST = 5


def found_version(connection: Connection) -> int | None:
    """Schema version of a database; None where it holds no ledger."""
    if not inspect(connection).has_table(schema_version.name):
        return None
    version: int | None = connection.scalar(select(schema_version.c.version))
    return version


def bring_up(connection: Connection) -> None:
    """Make or upgrade the tables, within the write transaction of `connection`, which a crash takes back as a whole.

    Raises:
        Misconfigured: A newer Millrace wrote the database.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    found = found_version(connection)  # again: another process may have been faster
    if found is None:
        _create(connection)
    elif found < SCHEMA_VERSION:
        _upgrade(connection, found)
    else:
        refuse_newer(connection.engine, found)


def refuse_newer(engine: Engine, found: int) -> None:
    """Stop where a newer Millrace has been: what it wrote cannot be known here."""
    if found > SCHEMA_VERSION:
        raise Misconfigured(
            f"ledger {engine.url.render_as_string()} has schema version {found}, this Millrace knows versions up to "
            f"{SCHEMA_VERSION}: start the newer Millrace that upgraded it"
        )


def take_back(connection: Connection, to: int) -> None:
    """Bring the tables back to an older version, for the release before, within the transaction of `connection`.

    Raises:
        Misconfigured: The ledger is not of this release, is older already, or what came later can't be taken back.
    """
    from alembic import command  # noqa: PLC0415 - only here, since it costs time to import

    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    found = found_version(connection)
    if found != SCHEMA_VERSION or not OLDEST <= to < SCHEMA_VERSION:
        raise Misconfigured(
            f"ledger has schema version {found}; versions {OLDEST} to {SCHEMA_VERSION - 1} can be made of version "
            f"{SCHEMA_VERSION}, not {to}"
        )
    command.downgrade(_config(connection), f"{to:04d}")


def _create(connection: Connection) -> None:
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415 - only here, since it costs time to import
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    metadata.create_all(connection)
    connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))
    MigrationContext.configure(connection).stamp(ScriptDirectory(str(MIGRATIONS)), "head")


def _upgrade(connection: Connection, found: int) -> None:
    from alembic import command  # noqa: PLC0415 - only here, since it costs time to import

    config = _config(connection)
    command.stamp(config, f"{found:04d}")  # version 1 was made without Alembic
    command.upgrade(config, "head")


def _config(connection: Connection) -> Any:
    from alembic.config import Config  # noqa: PLC0415 - only here, since it costs time to import

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


__all__ = ["MIGRATIONS", "OLDEST", "bring_up", "found_version", "refuse_newer", "take_back"]
