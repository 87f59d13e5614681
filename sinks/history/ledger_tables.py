"""Tables of a posting ledger for queries, read as it is now: SQLite and PostgreSQL the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
from sqlalchemy import Boolean, Column, Integer, LargeBinary, Table, select
from sqlalchemy.engine import Connection

from millrace.ledger.tables import audit, dead_letters, documents, postings

LEDGER = {
    "ledger_document": documents,
    "ledger_posting": postings,
    "ledger_audit": audit,
    "ledger_letter": dead_letters,
}
MEANINGS = {
    "ledger_document": "Desired totals and what is booked of them.",
    "ledger_posting": "What was sent to the ERP, one row per posting.",
    "ledger_audit": "Every change of a posting, and what people did.",
    "ledger_letter": "Dead letters, without their payload.",
}
_INSTANT = pl.Datetime("us", "UTC")
_INSTANTS = {"event_time", "state_at", "waits_since", "open_since", "next_attempt_at"}
_ROWS = 50_000


def ledger_schema(table: str) -> dict[str, pl.DataType]:
    """Columns of a table with their types; times are instants in UTC, JSON stays text."""
    return {column.name: _type(column) for column in _columns(LEDGER[table])}


def read_ledger(ask: Callable[[Callable[[Connection], Any]], Any], table: str) -> pl.DataFrame:
    """A table of the ledger.

    Args:
        ask: `Ledger.ask`.
        table: Name in LEDGER.
    """
    schema = ledger_schema(table)
    plain = {name: pl.Int64() if kind == _INSTANT else kind for name, kind in schema.items()}

    def fetch(connection: Connection) -> pl.DataFrame:
        rows = connection.execution_options(yield_per=_ROWS).execute(select(*_columns(LEDGER[table])))
        parts = [pl.DataFrame([tuple(row) for row in part], plain, orient="row") for part in rows.partitions()]
        return pl.concat([pl.DataFrame(schema=plain), *parts])

    frame: pl.DataFrame = ask(fetch)
    return frame.select(pl.col(name).cast(kind) for name, kind in schema.items())


def _columns(table: Table) -> Iterator[Column[Any]]:
    return (column for column in table.columns if not isinstance(column.type, LargeBinary))


def _type(column: Column[Any]) -> pl.DataType:
    if isinstance(column.type, Boolean):
        return pl.Boolean()
    if column.name in _INSTANTS or column.name.endswith("_at") or column.name == "at":
        return _INSTANT
    return pl.Int64() if isinstance(column.type, Integer) else pl.String()
