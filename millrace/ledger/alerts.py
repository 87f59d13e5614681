"""What a person must know of posting, as records of the contract Alert: kept, shown by `status`, and published.

An alert has an identity made of what it tells: the same fact told again is the same alert. They are kept for
`KEPT_DAYS`; they tell of postings and documents, which stay as long as they do without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid5

from sqlalchemy import Connection, Engine, delete, select

from millrace.ledger.compensation import moves_to_current_period
from millrace.ledger.dialect import insert
from millrace.ledger.model import Outcome, Status
from millrace.ledger.outbox import Outbox, Outgoing
from millrace.ledger.reasons import error_class
from millrace.ledger.rows import NAMESPACE
from millrace.ledger.tables import alerts

KEPT_DAYS = 90
WARNING, CRITICAL = "WARNING", "CRITICAL"


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that a person should act on.

    Args:
        kind: What it is, a bounded vocabulary.
        subject: What it is about: an order, a system.
        message: One sentence.
        identity: What makes it the same alert when it is told again, besides its kind.
        severity: WARNING or CRITICAL.
        plant: ISA-95 Site, "" where it is about none.
        error_class: Where the fault lies.
        owner: Who answers for it; None is the owner of postings.
        correlation_id: Ties together what one cause brought about.
    """

    kind: str
    subject: str
    message: str
    identity: str
    severity: str = WARNING
    plant: str = ""
    error_class: str = "application"
    owner: str | None = None
    correlation_id: str | None = None


def put(
    engine: Engine,
    connection: Connection,
    found: Iterable[Alert],
    now: int,
    who: str,
    answers_for: Callable[[str], str],
) -> int:
    """Keep alerts that are not known yet. Returns how many were new."""
    rows = [_row(alert, now, who, answers_for) for alert in found]
    if not rows:
        return 0
    statement = insert(engine, alerts).on_conflict_do_nothing(index_elements=[alerts.c.event_id])
    return sum(connection.execute(statement.values(row)).rowcount for row in rows)


def forget(connection: Connection, now: int) -> None:
    """Drop alerts that are older than `KEPT_DAYS`."""
    connection.execute(delete(alerts).where(alerts.c.at < now - KEPT_DAYS * 86_400_000_000))


def _row(alert: Alert, now: int, who: str, answers_for: Callable[[str], str]) -> dict[str, Any]:
    values = asdict(alert)
    identity = values.pop("identity")
    return {
        **values,
        "event_id": str(uuid5(NAMESPACE, f"alert\n{alert.kind}\n{identity}")),
        "owner": alert.owner or answers_for(""),
        "at": now,
        "source": who,
    }


def of_outcomes(outcomes: Iterable[Outcome], answers_for: Callable[[str], str]) -> list[Alert]:
    """What becomes of postings that only a person can put right, or should know of.

    A refusal for a business reason is none: it is a dead letter and a PostingResult.
    """
    found = []
    for outcome in outcomes:
        if moves_to_current_period(outcome):
            date = outcome.step.attributes["posting_date"]
            what = f"the period of {date} is closed: it is posted in the current one"
            found.append(_of_posting(outcome, "closed_period", WARNING, what, answers_for))
        elif outcome.status is Status.PARKED:
            what = f"it may be booked or not, a person has to look: {outcome.detail or outcome.reason}"
            found.append(_of_posting(outcome, "posting_parked", CRITICAL, what, answers_for))
    return found


def _of_posting(outcome: Outcome, kind: str, severity: str, what: str, answers_for: Callable[[str], str]) -> Alert:
    step = outcome.step
    return Alert(
        kind=kind,
        subject=str(step.attributes.get("order_id") or step.order_id),
        message=f"{step.document_key}, posting {step.external_reference} in system {step.system}: {what}",
        identity=f"{step.external_reference}\n{step.attempts}",
        severity=severity,
        plant=step.plant,
        error_class=error_class(outcome.reason or outcome.status.value),
        owner=answers_for(step.kind),
        correlation_id=step.correlation_id,
    )


def recent(connection: Connection, since: int, most: int = 100) -> Sequence[Any]:
    """Rows of alerts raised at or after an instant (microseconds UTC), newest first."""
    query = select(alerts).where(alerts.c.at >= since).order_by(alerts.c.id.desc()).limit(most)
    return connection.execute(query).all()


def after(connection: Connection, number: int, limit: int) -> list[Outgoing]:
    """Alerts behind a number, in order."""
    rows = connection.execute(select(alerts).where(alerts.c.id > number).order_by(alerts.c.id).limit(limit))
    return [Outgoing(row.id, row.at, _record(row)) for row in rows]


def _record(row: Any) -> dict[str, Any]:
    names = ("event_id", "plant", "source", "correlation_id", "kind", "severity", "subject", "message")
    told = {name: getattr(row, name) for name in (*names, "error_class", "owner")}
    return {**told, "event_time": datetime.fromtimestamp(row.at / 1e6, UTC), "sequence": None, "closed": False}


ALERTS = Outbox("alert", "Alert", after)

__all__ = ["ALERTS", "Alert", "after", "forget", "of_outcomes", "put", "recent"]
