"""Upserts of many rows, counted on every database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection


def changed_by(connection: Connection, statement: Any, rows: Sequence[Mapping[str, Any]], key: Column[Any]) -> int:
    """Execute an upsert of many rows; how many of them were inserted or updated."""
    if connection.dialect.name == "postgresql":  # it does not count what many executions have changed
        return len(connection.execute(statement.returning(key), rows).all())
    count: int = connection.execute(statement, rows).rowcount
    return count


__all__ = ["changed_by"]
