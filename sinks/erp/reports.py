"""What a poster says once a minute: postings that are open for long, documents later than their tier allows."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from millrace.ledger import Ledger, queries
from millrace.ledger.claims import TIERS
from millrace.ledger.dependencies import Dependencies
from millrace.ledger.dependency_waits import overdue
from millrace.ledger.sla import breaches
from sinks.erp.settings import SystemSettings

EVERY_SECONDS = 60.0
log = structlog.get_logger("millrace.post")


class Reports:
    """Alerts about one system; an old posting is an alert, never a reason to give it up.

    Args:
        ledger: What is asked.
        settings: The system.
        clock: Monotonic seconds.
        dependencies: Which documents wait for which others, and for how long at most.
    """

    def __init__(
        self,
        ledger: Ledger,
        settings: SystemSettings,
        clock: Callable[[], float],
        dependencies: Dependencies | None = None,
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._clock = clock
        self._dependencies = dependencies or Dependencies()
        self._next = clock()

    def are_due(self) -> bool:
        """Whether the last ones are a minute old; true once a minute."""
        if self._clock() < self._next:
            return False
        self._next = self._clock() + EVERY_SECONDS
        return True

    def write(self) -> None:
        """Ask the ledger and log what is late."""
        name, now = self._settings.name, self._ledger.now()
        before = now - int(self._settings.overdue_after * 1e6)
        if count := self._ledger.ask(lambda connection: queries.overdue(connection, name, before)):
            log.warning("postings_overdue", system=name, count=count)
        allowed = {tier: self._settings.tiers.of(tier).sla_seconds for tier in TIERS}
        for late in self._ledger.ask(lambda connection: breaches(connection, now, allowed, name)):
            oldest = round((now - late.since) / 1e6)
            log.warning("sla_breached", system=name, tier=late.tier, count=late.count, oldest_s=oldest)
        self._write_waits(name, now)

    def _write_waits(self, name: str, now: int) -> None:
        """Documents that wait for others for longer than their rule allows."""
        for late in self._ledger.ask(lambda connection: overdue(connection, name, self._dependencies, now)):
            log.warning(
                "dependency_overdue",
                system=name,
                rule=late.rule,
                count=late.count,
                oldest=late.oldest,
                waits_for=late.waits_for,
                oldest_s=round((now - late.since) / 1e6),
            )


__all__ = ["Reports"]
