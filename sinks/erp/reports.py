"""What a poster tells people: once a minute what is late, and at once what it cannot go on with."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from millrace.ledger import Ledger, queries
from millrace.ledger.alerts import CRITICAL, Alert
from millrace.ledger.claims import TIERS
from millrace.ledger.dependencies import Dependencies
from millrace.ledger.dependency_waits import RuleWait, overdue
from millrace.ledger.model import Step
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
        self._moved: list[Step] = []

    def are_due(self) -> bool:
        """Whether the last ones are a minute old; true once a minute."""
        if self._clock() < self._next:
            return False
        self._next = self._clock() + EVERY_SECONDS
        return True

    def moved_to_current_period(self, step: Step) -> None:
        """A posting whose period is closed; after a month's end there may be thousands, which are told together."""
        self._moved.append(step)

    def say_moved(self) -> None:
        """Tell of those since the last time; each is an alert of its own beside its outcome."""
        if self._moved:
            first, count = self._moved[0], len(self._moved)
            about = {"count": count, "first": first.document_key, "correlation_id": first.correlation_id}
            log.warning("closed_period", system=self._settings.name, **about)
            self._moved.clear()

    def write(self) -> None:
        """Ask the ledger and log what is late."""
        self.say_moved()
        name, now = self._settings.name, self._ledger.now()
        before = now - int(self._settings.overdue_after * 1e6)
        if count := self._ledger.ask(lambda connection: queries.overdue(connection, name, before)):
            log.warning("postings_overdue", system=name, count=count)
        allowed = {tier: self._settings.tiers.of(tier).sla_seconds for tier in TIERS}
        for late in self._ledger.ask(lambda connection: breaches(connection, now, allowed, name)):
            oldest = round((now - late.since) / 1e6)
            log.warning("sla_breached", system=name, tier=late.tier, count=late.count, oldest_s=oldest)
        self._write_waits(name, now)
        self._ledger.forget_alerts()

    def _write_waits(self, name: str, now: int) -> None:
        """Documents that wait for others for longer than their rule allows."""
        found = self._ledger.ask(lambda connection: overdue(connection, name, self._dependencies, now))
        self._ledger.put_alerts([waits_too_long(late) for late in found])
        for late in found:
            log.warning(
                "dependency_overdue",
                system=name,
                rule=late.rule,
                count=late.count,
                oldest=late.oldest,
                waits_for=late.waits_for,
                oldest_s=round((now - late.since) / 1e6),
            )


def waits_too_long(late: RuleWait) -> Alert:
    """An alert for each document that is the oldest to wait by a rule."""
    return Alert(
        kind="dependency_overdue",
        subject=late.system,
        message=f"{late.count} documents wait by the rule {late.rule!r} for too long, the oldest, {late.oldest}, "
        f"for {late.waits_for}",
        identity=f"{late.system}\n{late.rule}\n{late.oldest}\n{late.since}",
    )


def no_route(plant: str, kind: str) -> Alert:
    """An alert for documents that no route leads anywhere."""
    return Alert(
        kind="no_route",
        subject=kind,
        message=f"no route leads to a system for {kind} of plant {plant}: its documents wait for one",
        identity=f"{plant}\n{kind}",
        severity=CRITICAL,
        plant=plant,
    )


def stopped(system: str, why: str, now: int) -> Alert:
    """An alert of a poster that cannot go on; one an hour for one cause, however often it is started again."""
    return Alert(
        kind="poster_stopped",
        subject=system,
        message=f"the poster of system {system} has stopped: {why}",
        identity=f"{system}\n{why}\n{now // 3_600_000_000}",
        severity=CRITICAL,
    )


__all__ = ["Reports", "no_route", "stopped", "waits_too_long"]
