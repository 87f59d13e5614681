"""How long documents of each tier may take to be booked, and which take longer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from millrace.ledger.model import DocumentState
from millrace.ledger.tables import UNSETTLED_DOCUMENT, documents

#: Seconds from the first unbooked change of a document until it is booked, by tier, where nothing else is set.
SLA_SECONDS: Mapping[int, float] = MappingProxyType({1: 60.0, 2: 600.0, 3: 3600.0})
_LAST = max(SLA_SECONDS)
#: What waits for a poster or for other documents; rejected and parked ones wait for a person and are shown as such.
WAITS_FOR_A_POSTER = (DocumentState.NEW, DocumentState.OPEN, DocumentState.WAITING)


@dataclass(frozen=True, slots=True)
class Breach:
    """Documents of one system and tier that have not been booked in time.

    Args:
        system: ERP system, or "" where none is chosen yet.
        tier: Their tier.
        count: How many.
        since: When the oldest of them last had everything booked, microseconds UTC.
    """

    system: str
    tier: int
    count: int
    since: int


def breaches(
    connection: Connection, now: int, seconds: Mapping[int, float] = SLA_SECONDS, system: str | None = None
) -> list[Breach]:
    """Documents that are late, by system and tier.

    Args:
        connection: A consistent view.
        now: Microseconds UTC.
        seconds: Time that a document of each tier may take.
        system: Only this one, and what has no system yet.
    """
    late = or_(*(_late(tier, now - int(allowed * 1e6)) for tier, allowed in seconds.items()))
    query = (
        select(documents.c.system, documents.c.tier, func.count(), func.min(documents.c.open_since))
        .where(UNSETTLED_DOCUMENT, documents.c.state.in_([state.value for state in WAITS_FOR_A_POSTER]), late)
        .group_by(documents.c.system, documents.c.tier)
        .order_by(documents.c.system, documents.c.tier)
    )
    if system is not None:
        query = query.where(or_(documents.c.system == system, documents.c.system.is_(None)))
    return [Breach(row[0] or "", *row[1:]) for row in connection.execute(query)]


def _late(tier: int, before: int) -> ColumnElement[bool]:
    of_tier = documents.c.tier == tier if tier < _LAST else documents.c.tier >= tier
    return and_(of_tier, documents.c.open_since < before)


__all__ = ["SLA_SECONDS", "WAITS_FOR_A_POSTER", "Breach", "breaches"]
