"""Entities of any service as JSON rows of one SQLite table, in the order of booking."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from sandbox.sqlite import transaction

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entities (number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, body TEXT NOT NULL);
"""
#: Fields that look-ups go by.
_INDEXED = (
    "ReferenceDocument", "MaterialDocument", "ReversedMaterialDocument", "PurReqnExternalReference",
    "PurchaseRequisition",
)  # fmt: skip


class Entities:
    """Rows by entity set.

    Args:
        database: Connection in autocommit mode, shared with other tables.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database
        self._db.executescript(_SCHEMA)
        for field in _INDEXED:
            column = f"name, json_extract(body, '$.{field}')"
            self._db.execute(f"CREATE INDEX IF NOT EXISTS by_{field} ON entities ({column})")

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing."""
        return transaction(self._db)

    def next_number(self) -> int:
        """A number that no document has yet."""
        number: int = self._db.execute("SELECT COALESCE(MAX(number), 0) + 1 FROM entities").fetchone()[0]
        return number

    def put(self, name: str, entity: Mapping[str, Any]) -> None:
        """Add an entity to a set."""
        self._db.execute("INSERT INTO entities (name, body) VALUES (?, ?)", (name, json.dumps(entity)))

    def find(self, name: str, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
        """Entities whose fields, named as in the schema, have the wanted values; in order of booking."""
        return [json.loads(body) for _, body in self._rows(name, wanted)]

    def change(self, name: str, key: Mapping[str, str], fields: Mapping[str, Any]) -> bool:
        """Change some fields of an entity; whether there is one."""
        row = next(self._rows(name, key), None)
        if row is not None:
            changed = json.dumps({**json.loads(row[1]), **fields})
            self._db.execute("UPDATE entities SET body = ? WHERE number = ?", (changed, row[0]))
        return row is not None

    def _rows(self, name: str, wanted: Mapping[str, str]) -> Iterator[tuple[int, str]]:
        conditions = "".join(f" AND json_extract(body, '$.{field}') = ?" for field in wanted)
        query = f"SELECT number, body FROM entities WHERE name = ?{conditions} ORDER BY number"  # noqa: S608
        yield from self._db.execute(query, (name, *wanted.values())).fetchall()
