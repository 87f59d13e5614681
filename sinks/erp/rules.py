"""What planning must know about one ERP system, from its connector and from the poster's settings."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from millrace.ledger.dependencies import Dependencies
from millrace.ledger.difference import PostingRules
from sinks.erp.connector import Connector, Countering
from sinks.erp.settings import PosterSettings


def posting_rules(connector: Connector, settings: PosterSettings) -> PostingRules:
    """Rules of a system.

    Raises:
        Misconfigured: The declared dependencies make documents wait for each other.
    """

    def today(plant: str, now: int) -> date:
        zone = ZoneInfo(settings.zones.get(plant, "UTC"))
        return datetime.fromtimestamp(now / 1e6, UTC).astimezone(zone).date()

    return PostingRules(
        connector.quantum,
        connector.split,
        Dependencies(settings.dependencies),
        connector.counter_kinds if isinstance(connector, Countering) else frozenset(),
        today,
    )
