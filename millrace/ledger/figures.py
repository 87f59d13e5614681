"""What the ledger holds open, in numbers for metrics; every query goes over an index of what is open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from millrace.ledger.model import Status
from millrace.ledger.sla import WAITS_FOR_A_POSTER
from millrace.ledger.tables import OPEN_LETTER, OPEN_POSTING, UNSETTLED_DOCUMENT, dead_letters, documents, postings


@dataclass(frozen=True, slots=True)
class OpenDocuments:
    """Unsettled documents of one system ("" where none is chosen yet), tier and state."""

    system: str
    tier: int
    state: str
    count: int
    since: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What is open.

    Args:
        documents: Unsettled documents.
        unknown_since: When the oldest posting of a system whose outcome is unknown was sent, microseconds UTC.
        letters: Open dead letters by class.
    """

    documents: list[OpenDocuments]
    unknown_since: Mapping[str, int]
    letters: Mapping[str, int]

    @property
    def open_since(self) -> dict[tuple[str, int], int]:
        """By system and tier: since when the oldest document that waits for a poster has something to book."""
        found: dict[tuple[str, int], int] = {}
        for each in self.documents:
            if each.state in WAITS_FOR_A_POSTER:
                key = (each.system, min(max(each.tier, 1), 3))
                found[key] = min(each.since, found.get(key, each.since))
        return found


def figures(connection: Connection) -> Figures:
    """What is open now."""
    key = (documents.c.system, documents.c.tier, documents.c.state)
    unsettled = select(*key, func.count(), func.min(documents.c.open_since)).where(UNSETTLED_DOCUMENT).group_by(*key)
    unknown = (
        select(postings.c.system, func.min(func.coalesce(postings.c.sent_at, postings.c.updated_at)))
        .where(OPEN_POSTING, postings.c.status == Status.UNKNOWN.value)
        .group_by(postings.c.system)
    )
    by_class = select(dead_letters.c.error_class, func.count()).where(OPEN_LETTER).group_by(dead_letters.c.error_class)
    return Figures(
        [OpenDocuments(row[0] or "", *row[1:]) for row in connection.execute(unsettled)],
        {row[0]: row[1] for row in connection.execute(unknown)},
        {row[0]: row[1] for row in connection.execute(by_class)},
    )


__all__ = ["Figures", "OpenDocuments", "figures"]
