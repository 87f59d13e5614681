"""Documents that wait for others, by the rule that makes them wait."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Connection, select

from millrace.ledger.dependencies import Dependencies
from millrace.ledger.model import DocumentState
from millrace.ledger.tables import UNSETTLED_DOCUMENT, documents

#: What the built-in rule is called: it has no name of its own, since its text is the key of a document.
FINAL_FLAG = "the rest of the operation, before it is final"


@dataclass(frozen=True, slots=True)
class RuleWait:
    """Documents of one system that wait by one rule.

    Args:
        rule: Name of the rule, or why a document itself says that it waits.
        system: ERP system.
        count: How many.
        since: Since when the oldest waits, microseconds UTC.
        oldest: That document.
        waits_for: What it waits for.
    """

    rule: str
    system: str
    count: int
    since: int
    oldest: str
    waits_for: str


def by_rule(connection: Connection) -> list[RuleWait]:
    """What waits, the oldest first; reads the documents that wait and no others."""
    columns = (documents.c.system, documents.c.waits_for, documents.c.waits_since, documents.c.key)
    rows = connection.execute(
        select(*columns).where(UNSETTLED_DOCUMENT, documents.c.state == DocumentState.WAITING.value)
    )
    found = defaultdict(list)
    for system, waits_for, since, key in rows:
        found[rule_of(waits_for or ""), system or ""].append((since or 0, key, waits_for or ""))
    waits = [RuleWait(rule, system, len(each), *min(each)) for (rule, system), each in found.items()]
    return sorted(waits, key=lambda wait: (wait.since, wait.rule, wait.system))


def rule_of(waits_for: str) -> str:
    """The rule in brackets behind what is waited for."""
    return waits_for[waits_for.rindex(" (") + 2 : -1] if waits_for.endswith(")") and " (" in waits_for else FINAL_FLAG


def overdue(connection: Connection, system: str, dependencies: Dependencies, now: int) -> list[RuleWait]:
    """Rules by which documents of a system wait for longer than is declared."""
    limits = {rule.name: rule.overdue_after for rule in dependencies.rules}
    waits = (wait for wait in by_rule(connection) if wait.system == system and wait.rule in limits)
    return [wait for wait in waits if now - wait.since > limits[wait.rule] * 1e6]
