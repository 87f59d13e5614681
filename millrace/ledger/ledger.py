"""The ledger: one object over one database, every method one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection, select
from sqlalchemy.exc import InterfaceError, OperationalError

from millrace.ledger import claims, desired, dialect, flow_counts, leases, outcomes, queries
from millrace.ledger.difference import PostingRules
from millrace.ledger.intake import Router, intake
from millrace.ledger.model import DeadLetter, DesiredDocument, Outcome, Step
from millrace.ledger.replica import identity
from millrace.ledger.tables import LANE_IN_USE, lanes
from millrace.ledger.text import Quantities

T = TypeVar("T")

#: The ledger cannot be reached or written to for now: wait and call again.
LEDGER_DOWN = (OperationalError, InterfaceError)


def now_micros() -> int:
    """Wall clock in microseconds UTC."""
    return time.time_ns() // 1000


class Ledger:
    """What is desired and what each ERP has booked.

    Safe to use from several threads and, on one database, from several processes: flows write desired totals
    while a poster books them. A method either takes effect as a whole or raises one of `LEDGER_DOWN`.

    Args:
        url: SQLAlchemy URL, for instance `sqlite:////var/lib/millrace/ledger.db`.
        clock: Microseconds UTC.
        who: Name of this process for audit and dead letters.
        lease_seconds: How long a claim lasts unless it is extended.

    Raises:
        Misconfigured: The database has the schema of another version.
    """

    def __init__(
        self, url: str, *, clock: Callable[[], int] = now_micros, who: str = "millrace", lease_seconds: float = 30.0
    ) -> None:
        self._engine = dialect.open_engine(url)
        self._clock = clock
        self._who = who
        self._owner = identity(who)
        self._lease = int(lease_seconds * 1e6)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    # -- flows write

    def put_desired(self, documents: Iterable[DesiredDocument]) -> int:
        """Store desired totals, all or none. Idempotent and monotone: a higher version replaces a lower one.

        Returns:
            How many documents were new or changed.
        """
        with dialect.writing(self._engine) as connection:
            return desired.put_desired(self._engine, connection, documents, self._clock())

    def put_dead_letters(self, letters: Sequence[DeadLetter]) -> int:
        """Store dead letters, all or none; of one event_id the higher revision stays.

        Returns:
            How many were new or changed.
        """
        with dialect.writing(self._engine) as connection:
            return desired.put_dead_letters(self._engine, connection, letters)

    def put_flow_counts(self, flow: str, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Replace the running totals of some lanes of a flow."""
        with dialect.writing(self._engine) as connection:
            flow_counts.put(self._engine, connection, flow, counts)

    # -- posters work

    def recover(self, system: str) -> int:
        """Give back what this process holds: in flight becomes unknown. Returns how many postings.

        Leases of processes that are known to be dead end at once; those of others end in time.
        """
        now = self._clock()
        with dialect.writing(self._engine) as connection:
            leases.end_of_dead(connection, system, now)
            return leases.give_back(connection, system, self._owner, now, self._who)

    def extend_leases(self, system: str, held: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Keep claimed lanes (plant, order) for another lease. Returns those that are still held."""
        with dialect.writing(self._engine) as connection:
            return leases.extend(connection, system, self._owner, held, self._clock() + self._lease)

    def intake(self, route: Router) -> list[tuple[str, str]]:
        """Hand new totals to their systems' posters. Returns the (plant, kind) pairs without a route."""
        with dialect.writing(self._engine) as connection:
            return intake(self._engine, connection, route, self._clock())

    def has_due(self, system: str) -> bool:
        """Whether `claim` may find something; takes no write lock."""
        query = select(lanes.c.order_id).where(
            LANE_IN_USE,
            lanes.c.system == system,
            lanes.c.due_at <= self._clock(),
            claims.free_at(self._clock()),
        )
        return self.ask(lambda connection: connection.scalar(query.limit(1))) is not None

    def claim(self, system: str, limit: int, rules: PostingRules) -> list[Step]:
        """Take up to `limit` steps, one per order, the most urgent first.

        Steps with status PENDING are durably marked in flight and may be sent. Steps with status UNKNOWN or
        ACCEPTED may only be asked for. Each has to come back through `record_outcomes`, or through `recover`
        after a crash.
        """
        with dialect.writing(self._engine) as connection:
            now = self._clock()
            work = claims.Claims(connection, system, rules, now, self._who, self._owner, now + self._lease)
            return work.take(limit)

    def record_outcomes(self, results: Sequence[Outcome]) -> list[Outcome]:
        """Write what became of claimed steps; may be repeated when a write may have taken effect.

        Returns:
            Outcomes that were left out because another replica has taken their orders over.
        """
        if not results:
            return []
        with dialect.writing(self._engine) as connection:
            return outcomes.record_outcomes(self._engine, connection, results, self._clock(), self._who, self._owner)

    # -- people ask

    def ask(self, query: Callable[[Connection], T]) -> T:
        """Run a query of `millrace.ledger.queries`, such as `documents_by_state`, on a consistent view."""
        with self._engine.connect() as connection, connection.begin():
            return query(connection)

    def order_report(self, order_id: str) -> list[queries.DocumentReport]:
        """Documents of an order with revisions, postings, ERP numbers and audit."""
        return self.ask(lambda connection: queries.order_report(connection, order_id))

    def booked_totals(self) -> dict[queries.OperationKey, Quantities]:
        """Booked by (plant, order, operation) and measure, reversals subtracted."""
        return self.ask(queries.booked_totals)

    def flow_totals(self, flow: str | None = None) -> dict[str, int]:
        """Records read, accepted, repeated and given up, summed over the lanes of a flow or of all flows."""
        return self.ask(lambda connection: flow_counts.totals(connection, flow))

    def unfinished(self) -> int:
        """Documents that a running poster still has to book."""
        return self.ask(queries.unfinished)

    def inconsistent(self) -> list[str]:
        """Keys of documents whose booked total is not the sum of their booked steps; should be empty."""
        return self.ask(queries.inconsistent)
