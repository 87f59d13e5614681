"""How things stand by the ledger: postings by system, what waits for what, flows, an order's letters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from millrace.ledger import dependency_waits
from millrace.ledger.flow_counts import flow_counts
from millrace.ledger.model import DocumentState, Status
from millrace.ledger.tables import LANE_IN_USE, dead_letters, documents, lanes, postings


@dataclass(frozen=True, slots=True)
class Standing:
    """Postings of one system in one status.

    Args:
        system: ERP system.
        status: A `Status`.
        count: How many.
        oldest: When the oldest of them got there, microseconds UTC.
    """

    system: str
    status: str
    count: int
    oldest: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Orders, documents or postings that wait for the same.

    Args:
        what: What waits: orders, documents or postings.
        waits_for: What has to happen.
        system: ERP system, or "" where none is chosen yet.
        count: How many.
        since: Since when the oldest waits, or for the next attempt its time; microseconds UTC.
    """

    what: str
    waits_for: str
    system: str
    count: int
    since: int


def postings_by_system(connection: Connection) -> list[Standing]:
    """Postings by system and status."""
    key = (postings.c.system, postings.c.status)
    query = select(*key, func.count(), func.min(postings.c.updated_at)).group_by(*key).order_by(*key)
    return [Standing(*row) for row in connection.execute(query)]


def waiting(connection: Connection, now: int) -> list[Wait]:
    """Everything that is not settled, by what it waits for.

    Args:
        connection: A consistent view.
        now: Microseconds UTC.
    """
    found = []
    for what, waits_for, query in _waits(now):
        found += [Wait(what, waits_for, row[0] or "", row[1], row[2]) for row in connection.execute(query)]
    return found + [
        Wait("documents", f"others: {each.rule}", each.system, each.count, each.since)
        for each in dependency_waits.by_rule(connection)
    ]


def _waits(now: int) -> list[tuple[str, str, Select[Any]]]:
    free = lanes.c.lease_owner.is_(None)
    return [
        ("documents", "a poster to take them in", _documents(DocumentState.NEW)),
        ("orders", "a poster", _lanes(free, lanes.c.due_at <= now)),
        ("orders", "the answer to a posting under way", _lanes(lanes.c.lease_owner.is_not(None))),
        ("orders", "their next attempt", _lanes(free, lanes.c.due_at > now)),
        ("postings", "the ERP to book what it has accepted", _postings(Status.ACCEPTED)),
        ("postings", "the ERP to say whether it has them", _postings(Status.UNKNOWN)),
        ("documents", "postings that are taken back for a correction", _documents(DocumentState.REVERSING)),
        ("documents", "a final flag that is taken back for a correction", _documents(DocumentState.REOPENING)),
        ("documents", "a newer version or a person: rejected", _documents(DocumentState.REJECTED)),
        ("documents", "a person: parked", _documents(DocumentState.PARKED)),
    ]


def _documents(state: DocumentState) -> Select[Any]:
    query = select(documents.c.system, func.count(), func.min(documents.c.updated_at))
    return query.where(documents.c.state == state.value).group_by(documents.c.system)


def _postings(status: Status) -> Select[Any]:
    query = select(postings.c.system, func.count(), func.min(postings.c.updated_at))
    return query.where(postings.c.status == status.value).group_by(postings.c.system)


def _lanes(*conditions: Any) -> Select[Any]:
    query = select(lanes.c.system, func.count(), func.min(lanes.c.due_at))
    return query.where(LANE_IN_USE, *conditions).group_by(lanes.c.system)


def flow_lanes(connection: Connection) -> dict[str, dict[str, dict[str, int]]]:
    """Running totals by flow and lane."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    rows = connection.execute(select(flow_counts).order_by(flow_counts.c.flow, flow_counts.c.lane))
    for flow, lane, counts in rows:
        found.setdefault(flow, {})[lane] = json.loads(counts)
    return found


def letters_of_order(connection: Connection, order_id: str) -> list[Mapping[str, Any]]:
    """Dead letters of an order's totals and postings, oldest first, without their payload."""
    name = order_id.replace("%", "%25").replace("|", "%7C")
    columns = [column for column in dead_letters.c if column.name != "payload"]
    query = (
        select(*columns)
        .where(dead_letters.c.document_key.contains(f"|{name}|", autoescape=True))
        .order_by(dead_letters.c.event_time, dead_letters.c.event_id)
    )
    rows = (row._asdict() for row in connection.execute(query))
    return [row for row in rows if row["document_key"].split("|")[1] == name]
