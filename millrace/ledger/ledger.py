"""The ledger: one object over one database, every method one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection, Engine

from millrace.ledger import (
    alerts,
    claims,
    desired,
    dialect,
    flow_counts,
    healing,
    leases,
    letter_states,
    outcomes,
    queries,
    withdrawals,
)
from millrace.ledger.claims import TIERS
from millrace.ledger.clock import DatabaseClock, clock_of, now_micros
from millrace.ledger.dialect import LEDGER_DOWN
from millrace.ledger.difference import PostingRules
from millrace.ledger.healing import EmptiedTotal
from millrace.ledger.intake import Router, intake
from millrace.ledger.model import DeadLetter, DesiredDocument, Outcome, Step
from millrace.ledger.replica import identity
from millrace.ledger.text import Quantities
from millrace.ledger.withdrawals import Standing

T = TypeVar("T")


class Ledger:
    """What is desired and what each ERP has booked.

    Safe to use from several threads and, on one database, from several processes: flows write desired totals
    while a poster books them. A method either takes effect as a whole or raises one of `LEDGER_DOWN`.

    Args:
        url: SQLAlchemy URL, for instance `sqlite:////var/lib/millrace/ledger.db`.
        clock: Microseconds UTC; without one the clock that all processes over this ledger share.
        who: Name of this process for audit and dead letters.
        lease_seconds: How long a claim lasts unless it is extended.
        answers_for: Who answers for the dead letters of a kind of document.

    Raises:
        Misconfigured: The database has the schema of another version.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], int] | None = None,
        who: str = "millrace",
        lease_seconds: float = 30.0,
        answers_for: Callable[[str], str] = lambda _kind: "",
    ) -> None:
        self._engine = dialect.open_engine(url)
        self._clock = clock or clock_of(self._engine)
        self._who = who
        self._owner = identity(who)
        self._lease = int(lease_seconds * 1e6)
        self._answers_for = answers_for

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

    def put_desired(self, documents: Iterable[DesiredDocument], standings: Iterable[Standing] = ()) -> int:
        """Store desired totals, all or none. Idempotent and monotone: a higher version replaces a lower one.

        Args:
            documents: Totals.
            standings: Orders that were cancelled or released again, and confirmations without yield; all documents
                that stand on them follow, see `millrace.ledger.withdrawals`.

        Returns:
            How many documents were new or changed.
        """
        with dialect.writing(self._engine) as connection:
            now = self._clock()
            changed = desired.put_desired(self._engine, connection, documents, now, self._who, self._answers_for)
            return changed + withdrawals.apply(connection, standings, now, self._who)

    def put_dead_letters(self, letters: Sequence[DeadLetter], emptied: Sequence[EmptiedTotal] = ()) -> int:
        """Store dead letters, all or none; of one event_id the higher revision stays.

        Args:
            letters: What was given up.
            emptied: Totals whose pieces have gone elsewhere, see `millrace.ledger.healing`.

        Returns:
            How many were new or changed.
        """
        with dialect.writing(self._engine) as connection:
            now = self._clock()
            changed = letter_states.put(self._engine, connection, letters, now, self._who)
            healing.empty(connection, emptied, now, self._who)
            return changed

    def put_flow_counts(self, flow: str, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Replace the running totals of some lanes of a flow."""
        with dialect.writing(self._engine) as connection:
            flow_counts.put(self._engine, connection, flow, counts)

    # -- posters work

    @property
    def replica(self) -> str:
        """This process in claims: unlike any other, also unlike itself after a restart."""
        return self._owner

    def now(self) -> int:
        """Microseconds UTC by the clock that all processes over this ledger share."""
        return self._clock()

    def recover(self, system: str) -> int:
        """Give back what this process holds: in flight becomes unknown. Returns how many postings.

        Leases of processes that are known to be dead end at once; those of others end in time.
        """
        with dialect.writing(self._engine) as connection:
            now = self._keep_time(connection)
            leases.end_of_dead(connection, system, now)
            return leases.give_back(connection, system, self._owner, now, self._who)

    def extend_leases(self, system: str, held: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Keep claimed lanes (plant, order) for another lease. Returns those that are still held."""
        with dialect.writing(self._engine) as connection:
            until = self._keep_time(connection) + self._lease
            return leases.extend(connection, system, self._owner, held, until)

    def mend(self, system: str, longest_wait: float) -> None:
        """Free what waits for a clock that was put back, and what a process held that is known to be dead.

        Args:
            system: ERP system.
            longest_wait: Seconds that nothing is ever put off for longer than.
        """
        with dialect.writing(self._engine) as connection:
            now = self._keep_time(connection)
            leases.end_of_dead(connection, system, now)
            leases.mend(connection, system, now, now + int(longest_wait * 1e6), now + self._lease)

    def intake(self, route: Router) -> list[tuple[str, str]]:
        """Hand some new totals, the most urgent first, to their systems' posters.

        Returns:
            The (plant, kind) pairs without a route; their totals stay new.
        """
        with dialect.writing(self._engine) as connection:
            return intake(self._engine, connection, route, self._clock())

    def due_tiers(self, system: str) -> tuple[int, ...]:
        """Tiers in which `claim` may find something; takes no write lock."""
        return self.ask(lambda connection: claims.due_tiers(connection, system, self._clock()))

    def claim(
        self, system: str, limit: int | Mapping[int, int], rules: PostingRules, tiers: Collection[int] = TIERS
    ) -> list[Step]:
        """Take steps that may be worked on, one per order, the most urgent first.

        Steps with status PENDING are durably marked in flight and may be sent while the lease lasts. Steps with
        status UNKNOWN or ACCEPTED may only be asked for. Each has to come back through `record_outcomes`; what a
        crash leaves behind is taken over when its lease has ended.

        Args:
            system: ERP system.
            limit: Most steps altogether, or by tier: most steps of that tier and the less urgent ones together.
            rules: What planning must know about the ERP.
            tiers: Tiers to look in.
        """
        rooms = limit if isinstance(limit, Mapping) else dict.fromkeys(TIERS, limit)
        with dialect.writing(self._engine) as connection:
            now = self._clock()
            work = claims.Claims(connection, system, rules, now, self._who, self._owner, now + self._lease)
            return work.take(rooms, tiers)

    def record_outcomes(self, results: Sequence[Outcome]) -> list[Outcome]:
        """Write what became of claimed steps; may be repeated when a write may have taken effect.

        Returns:
            Outcomes that were left out because another replica has taken their orders over.
        """
        if not results:
            return []
        with dialect.writing(self._engine) as connection:
            now, by = self._clock(), self._answers_for
            return outcomes.record_outcomes(self._engine, connection, results, now, self._who, self._owner, by)

    def put_alerts(self, found: Sequence[alerts.Alert]) -> int:
        """Keep what a person must know; the same told again is one alert. Returns how many were new."""
        if not found:
            return 0
        with dialect.writing(self._engine) as connection:
            now = self._clock()
            return alerts.put(self._engine, connection, found, now, self._who, self._answers_for)

    def forget_alerts(self) -> None:
        """Drop alerts that nobody needs any more for their age."""
        with dialect.writing(self._engine) as connection:
            alerts.forget(connection, self._clock())

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """One write transaction, for what people do to the ledger: archive, repair."""
        with dialect.writing(self._engine) as connection:
            yield connection

    def _keep_time(self, connection: Connection) -> int:
        return self._clock.keep(connection) if isinstance(self._clock, DatabaseClock) else self._clock()

    # -- people ask

    def ask(self, query: Callable[[Connection], T]) -> T:
        """Run a query of `millrace.ledger.queries`, such as `documents_by_state`, on a consistent view."""
        with self._engine.connect() as connection, connection.begin():
            return query(connection)

    def change(self, write: Callable[[Engine, Connection, int], T]) -> T:
        """Make a change by hand, such as those of `millrace.ledger.repair`, as one transaction.

        Args:
            write: Takes the engine, the transaction's connection and the time, microseconds UTC.
        """
        with dialect.writing(self._engine) as connection:
            return write(self._engine, connection, self._keep_time(connection))

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


__all__ = ["LEDGER_DOWN", "Ledger", "now_micros"]
