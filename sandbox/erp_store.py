"""Bookings of the sandbox ERP, in a SQLite file of its own: killing the process loses nothing."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from sandbox.sqlite import transaction

_SCHEMA = """
CREATE TABLE IF NOT EXISTS confirmations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    confirmation_group TEXT NOT NULL, confirmation_count TEXT NOT NULL,
    order_id TEXT NOT NULL, operation TEXT NOT NULL, external_reference TEXT,
    is_reversal INTEGER NOT NULL DEFAULT 0, is_reversed INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS by_key ON confirmations (confirmation_group, confirmation_count);
CREATE INDEX IF NOT EXISTS by_reference ON confirmations (external_reference);
CREATE INDEX IF NOT EXISTS by_operation ON confirmations (order_id, operation);
CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT NOT NULL, operation TEXT NOT NULL, PRIMARY KEY (order_id, operation)
);
CREATE TABLE IF NOT EXISTS groups (number INTEGER PRIMARY KEY AUTOINCREMENT, order_id TEXT, operation TEXT,
    counted INTEGER NOT NULL, UNIQUE (order_id, operation));
"""
_QUANTITIES = ("ConfirmationYieldQuantity", "ConfirmationScrapQuantity", "ConfirmationReworkQuantity")
_SECONDS = {"S": 1, "MIN": 60, "H": 3600}


class Refused(Exception):
    """A business error.

    Args:
        code: Message id.
        text: For a person.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Store:
    """Confirmations; duplicates of an external reference are accepted, as SAP accepts them.

    Args:
        path: SQLite file, or `:memory:`.
    """

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")  # survives the death of the process, which is all it promises
        self._db.executescript(_SCHEMA)

    @property
    def database(self) -> sqlite3.Connection:
        """The connection, for further tables in the same file."""
        return self._db

    def add_orders(self, orders: Mapping[str, list[str]]) -> None:
        """Make order and operations known; once any are, confirmations for others are refused."""
        rows = [(order, operation) for order, operations in orders.items() for operation in operations]
        with transaction(self._db):
            self._db.executemany("INSERT OR IGNORE INTO orders VALUES (?, ?)", rows)

    def book(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Book a confirmation and return the entity."""
        order, operation = str(body.get("OrderID", "")), str(body.get("OrderOperation", ""))
        with transaction(self._db):
            self._check_order(order, operation)
            return self._insert(order, operation, dict(body), is_reversal=False)

    def cancel(self, group: str, count: str, external_reference: str | None) -> dict[str, Any]:
        """Book the reversal of a confirmation and return its entity."""
        with transaction(self._db):
            return self._cancel(group, count, external_reference)

    def _cancel(self, group: str, count: str, external_reference: str | None) -> dict[str, Any]:
        row = self._db.execute(
            "SELECT number, order_id, operation, is_reversed, is_reversal, body FROM confirmations"
            " WHERE confirmation_group = ? AND confirmation_count = ?",
            (group, count),
        ).fetchone()
        if row is None:
            raise Refused("SANDBOX/NOT_FOUND", f"Confirmation {group}/{count} does not exist")
        number, order, operation, is_reversed, is_reversal, text = row
        if is_reversed or is_reversal:
            raise Refused("SANDBOX/CANCELLED", f"Confirmation {group}/{count} is cancelled already")
        body = {**json.loads(text), "ExternalSystemConfirmation": external_reference}
        self._db.execute("UPDATE confirmations SET is_reversed = 1 WHERE number = ?", (number,))
        return self._insert(order, operation, body, is_reversal=True)

    def find(self, external_reference: str) -> list[dict[str, Any]]:
        """Entities under an external reference."""
        return list(self._entities("WHERE external_reference = ?", (external_reference,)))

    def documents(self) -> list[dict[str, Any]]:
        """All entities in the order of booking."""
        return list(self._entities("ORDER BY number", ()))

    def totals(self) -> dict[tuple[str, str], dict[str, Decimal]]:
        """Booked by order and operation: yield, rework, scrap by reason, seconds by activity."""
        totals: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for entity in self._entities("", ()):
            total = totals[entity["OrderID"], entity["OrderOperation"]]
            for name, amount in _measures(entity):
                total[name] += -amount if entity["IsReversal"] else amount
        return {key: {n: a for n, a in total.items() if a} for key, total in totals.items()}

    def counts(self) -> dict[str, int]:
        """Documents, and external references that are booked more than once."""
        documents = self._db.execute("SELECT COUNT(*) FROM confirmations").fetchone()[0]
        doubled = self._db.execute(
            "SELECT COUNT(*) FROM (SELECT 1 FROM confirmations WHERE external_reference IS NOT NULL"
            " GROUP BY external_reference HAVING COUNT(*) > 1)"
        ).fetchone()[0]
        return {"documents": documents, "doubled_references": doubled}

    def _check_order(self, order: str, operation: str) -> None:
        if self._db.execute("SELECT 1 FROM orders LIMIT 1").fetchone() is None:
            return
        known = self._db.execute(
            "SELECT 1 FROM orders WHERE order_id = ? AND operation = ?", (order, operation)
        ).fetchone()
        if known is None:
            raise Refused("SANDBOX/ORDER_UNKNOWN", f"Order {order} operation {operation} does not exist")

    def _insert(self, order: str, operation: str, body: dict[str, Any], *, is_reversal: bool) -> dict[str, Any]:
        group, count = self._db.execute(
            "INSERT INTO groups (order_id, operation, counted) VALUES (?, ?, 1)"
            " ON CONFLICT (order_id, operation) DO UPDATE SET counted = counted + 1"
            " RETURNING number, counted",
            (order, operation),
        ).fetchone()
        key = (f"{group:010d}", f"{count:08d}")
        reference = body.get("ExternalSystemConfirmation")
        self._db.execute(
            "INSERT INTO confirmations (confirmation_group, confirmation_count, order_id, operation,"
            " external_reference, is_reversal, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*key, order, operation, reference, int(is_reversal), json.dumps(body)),
        )
        return _entity(body, key, is_reversal=is_reversal, is_reversed=False)

    def _entities(self, condition: str, arguments: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
        columns = "confirmation_group, confirmation_count, is_reversal, is_reversed, body"
        rows = self._db.execute(f"SELECT {columns} FROM confirmations {condition}", arguments)  # noqa: S608
        for group, count, is_reversal, is_reversed, body in rows:
            yield _entity(
                json.loads(body), (group, count), is_reversal=bool(is_reversal), is_reversed=bool(is_reversed)
            )


def _entity(body: Mapping[str, Any], key: tuple[str, str], *, is_reversal: bool, is_reversed: bool) -> dict[str, Any]:
    return {
        **body,
        "ConfirmationGroup": key[0],
        "ConfirmationCount": key[1],
        "IsReversal": is_reversal,
        "IsReversed": is_reversed,
    }


def _measures(entity: Mapping[str, Any]) -> Iterator[tuple[str, Decimal]]:
    for field, name in zip(_QUANTITIES, ("yield", "scrap:", "rework"), strict=True):
        reason = entity.get("VarianceReasonCode", "") if name == "scrap:" else ""
        yield f"{name}{reason}", Decimal(entity.get(field, "0"))
    for number in range(1, 7):
        if amount := entity.get(f"OpConfirmedWorkQuantity{number}"):
            seconds = _SECONDS[entity[f"OpWorkQuantityUnit{number}"]]
            yield f"activity{number}", Decimal(amount) * seconds
