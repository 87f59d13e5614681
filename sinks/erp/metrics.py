"""What a poster tells Prometheus: once per round about attempts, once in a while about what the ledger holds open."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from millrace.ledger import Ledger
from millrace.ledger.claims import TIERS
from millrace.ledger.confirmation import KIND
from millrace.ledger.figures import Figures, figures
from millrace.ledger.model import Action, Outcome, Status
from millrace.metrics import business, posting
from sinks.erp.limits import Breaker
from sinks.erp.settings import SystemSettings

#: Seconds between two looks at the ledger.
EVERY_SECONDS = 5.0


class PosterMetrics:
    """Metrics of one system.

    Args:
        settings: The system.
        breaker: Its circuit breaker.
    """

    def __init__(self, settings: SystemSettings, breaker: Breaker) -> None:
        self._erp = settings.name
        posting.SLOTS.labels(self._erp).set(settings.concurrency)
        posting.RATE_LIMIT.labels(self._erp).set(float("inf") if settings.rate is None else settings.rate)
        posting.BREAKER_OPEN.labels(self._erp).set_function(lambda: float(breaker.is_open))
        for tier in TIERS:
            posting.SLA.labels(self._erp, tier).set(settings.tiers.of(tier).sla_seconds)
            posting.OLDEST_OPEN.labels(self._erp, tier).set(0)
        self._attempts = posting.ATTEMPTS.labels(self._erp)
        self._in_flight = posting.IN_FLIGHT.labels(self._erp)
        self._lost = posting.CLAIMS_LOST.labels(self._erp)

    def started(self, attempts: int, running: int) -> None:
        """Attempts were started; `running` are under way."""
        self._attempts.inc(attempts)
        self._in_flight.set(running)

    def recorded(self, outcomes: Iterable[Outcome], lost: int, running: int) -> None:
        """Outcomes were written; `lost` of them came too late."""
        outcomes = list(outcomes)
        self._in_flight.set(running)
        self._lost.inc(lost)
        for (tier, status), count in Counter((each.step.tier, each.status.value) for each in outcomes).items():
            posting.POSTINGS.labels(self._erp, tier, status).inc(count)
        for each in outcomes:
            if each.status is Status.BOOKED and each.step.action is Action.BOOK and each.step.kind == KIND:
                self._confirmed(each)

    def _confirmed(self, outcome: Outcome) -> None:
        step = outcome.step
        business.COMPLETED.labels(self._erp, step.plant).inc(step.final)  # 0 first: what appears as 1 has not grown
        last = step.attributes.get("last_event_time")
        if last is not None and step.quantities:
            lag = time.time() - datetime.fromisoformat(str(last)).timestamp()
            business.CONFIRMATION_LAG.labels(self._erp, step.plant).observe(max(0.0, lag))


class LedgerMetrics:
    """What the ledger holds open, of the systems that this poster serves and of what has no system yet.

    Args:
        ledger: What is asked.
        systems: Names of the systems.
    """

    def __init__(self, ledger: Ledger, systems: Iterable[str]) -> None:
        self._ledger, self._systems = ledger, ["", *systems]
        self._shown: set[tuple[str, int, str]] = set()

    def look(self) -> None:
        """Ask the ledger and show it."""
        now = self._ledger.now()
        self._show(self._ledger.ask(figures), now)

    def _show(self, found: Figures, now: int) -> None:
        counts = {(each.system, each.tier, each.state): each.count for each in found.documents}
        for key in self._shown | counts.keys():
            posting.OPEN_DOCUMENTS.labels(*key).set(counts.get(key, 0))
        self._shown |= counts.keys()
        for system in self._systems:
            if system:
                unknown = found.unknown_since.get(system, now)
                posting.OLDEST_UNKNOWN.labels(system).set(max(0, now - unknown) / 1e6)
            for tier in TIERS:
                since = found.open_since.get((system, tier), now)
                posting.OLDEST_OPEN.labels(system, tier).set(max(0, now - since) / 1e6)
        for error_class in ("transport", "mapping", "partner_data", "application"):
            posting.OPEN_LETTERS.labels(error_class).set(found.letters.get(error_class, 0))
        posting.LEDGER_SEEN.set(time.time())


__all__ = ["EVERY_SECONDS", "LedgerMetrics", "PosterMetrics"]
