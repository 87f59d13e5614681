"""What posters tell others: records in the order in which the ledger got them, and how far a stream was published.

A table of the ledger is the outbox: a row is there exactly if what it tells of is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, select, update

from millrace.ledger.dialect import insert
from millrace.ledger.tables import published


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to publish.

    Args:
        number: Its place in the outbox.
        at: When it was written, microseconds UTC.
        record: Record of the contract; its `event_id` is the same each time.
    """

    number: int
    at: int
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outbox:
    """A stream that is published at least once.

    Args:
        stream: Its name in `published`.
        contract: Contract of its records.
        after: Records behind a number, in order: takes connection, number and limit.
    """

    stream: str
    contract: str
    after: Callable[[Connection, int, int], list[Outgoing]]

    def position(self, connection: Connection) -> int:
        """Number of the last record that was published for good."""
        return connection.scalar(select(published.c.position).where(published.c.stream == self.stream)) or 0

    def move(self, engine: Engine, connection: Connection, old: int, new: int) -> bool:
        """Note that everything up to `new` is published; False where another replica has moved on meanwhile."""
        statement = insert(engine, published).values(stream=self.stream, position=0).on_conflict_do_nothing()
        connection.execute(statement)
        moved = connection.execute(
            update(published).where(published.c.stream == self.stream, published.c.position == old).values(position=new)
        )
        return moved.rowcount == 1


__all__ = ["Outbox", "Outgoing"]
