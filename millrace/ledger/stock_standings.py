"""How places of stock and open requests stand, as a flow last told: for status, one row each.

Rows are put idempotently: what stands for an earlier instant never replaces what stands for a later one. A row without
content is removed, since what it was about is closed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, and_, bindparam, delete, select

from millrace.ledger import dialect
from millrace.ledger.tables import stock_standings


def put(engine: Engine, connection: Connection, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write entries; of several of one name the newest instant stays.

    Args:
        engine: The database.
        connection: Write transaction.
        entries: With the columns of the table; `content` is JSON, or null to remove.
    """
    newest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for entry in sorted(entries, key=lambda each: int(each["instant"])):
        newest[entry["plant"], entry["name"]] = entry
    rows = [dict(newest[key]) for key in sorted(newest)]  # one order for all writers: no deadlocks
    if gone := [row for row in rows if row["content"] is None]:
        _remove(connection, gone)
    if kept := [row for row in rows if row["content"] is not None]:
        statement = dialect.insert(engine, stock_standings)
        new, old = statement.excluded, stock_standings.c
        told = {name: new[name] for name in ("material", "storage_location", "instant", "content")}
        index = [old.plant, old.name]
        connection.execute(
            statement.on_conflict_do_update(index_elements=index, set_=told, where=new.instant >= old.instant), kept
        )


def _remove(connection: Connection, rows: list[dict[str, Any]]) -> None:
    old = stock_standings.c
    same = and_(old.plant == bindparam("of_plant"), old.name == bindparam("of_name"), old.instant <= bindparam("at"))
    named = [{"of_plant": row["plant"], "of_name": row["name"], "at": row["instant"]} for row in rows]
    connection.execute(delete(stock_standings).where(same), named)


def of_material(connection: Connection, material: str, plant: str | None = None) -> list[dict[str, Any]]:
    """Entries of a material, by plant and name; `instant` as ISO 8601."""
    query = select(stock_standings).where(stock_standings.c.material == material)
    if plant is not None:
        query = query.where(stock_standings.c.plant == plant)
    found = connection.execute(query.order_by(stock_standings.c.plant, stock_standings.c.name)).mappings()
    return [
        {
            **row,
            "instant": datetime.fromtimestamp(row["instant"] / 1_000_000, UTC).isoformat(),
            "content": json.loads(row["content"]),
        }
        for row in found
    ]


__all__ = ["of_material", "put"]
