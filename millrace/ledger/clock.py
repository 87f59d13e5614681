"""The ledger's clock: one for all replicas, so that a lease ends for everybody at the same time.

On PostgreSQL it is the database's: sampled at least once a minute and carried on by the machine's own ticks in between,
so the clocks of the replicas' machines do not matter and a step of theirs is not noticed. On SQLite all processes
run on one machine and use its wall clock. Where a database's clock is put back, `leases.mend` frees what would have to
wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, text

_SAMPLE_EVERY = 60 * 1_000_000
_NOW = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)")
#: Counts while the machine sleeps, too; a lease that ended in that time must be seen to have ended.
_TICKS: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now_micros() -> int:
    """Wall clock in microseconds UTC."""
    return time.time_ns() // 1000


def ticks() -> float:
    """Seconds that no clock setting changes and that a sleep of the machine does not stop."""
    return time.clock_gettime_ns(_TICKS) / 1e9


class DatabaseClock:
    """Microseconds UTC by the clock of a PostgreSQL server.

    Args:
        connection: To the server, for the first sample.
    """

    def __init__(self, connection: Connection) -> None:
        self._ahead, self._sampled_at = 0, 0
        self.sample(connection)

    def __call__(self) -> int:
        """The time, without asking the server."""
        return _ticks_micros() + self._ahead

    def keep(self, connection: Connection) -> int:
        """The time, after a new sample where the last is old."""
        if _ticks_micros() - self._sampled_at > _SAMPLE_EVERY:
            self.sample(connection)
        return self()

    def sample(self, connection: Connection) -> None:
        """Ask the server. What the question takes makes this clock fast by as much, never slow."""
        before = _ticks_micros()
        there: Any = connection.scalar(_NOW)
        self._ahead, self._sampled_at = int(there) - before, before


def _ticks_micros() -> int:
    return time.clock_gettime_ns(_TICKS) // 1000


def clock_of(engine: Engine) -> Callable[[], int]:
    """The clock that all processes over one ledger share."""
    if engine.dialect.name != "postgresql":
        return now_micros
    with engine.connect() as connection, connection.begin():
        return DatabaseClock(connection)


__all__ = ["DatabaseClock", "clock_of", "now_micros", "ticks"]
