"""What a document has to wait for before it is posted, in words for `millrace status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from millrace.ledger.approval_requirement import missing
from millrace.ledger.dependencies import DependencyRule
from millrace.ledger.difference import difference
from millrace.ledger.model import DocumentState
from millrace.ledger.neighbour import Neighbour
from millrace.ledger.neighbours import Neighbourhood
from millrace.ledger.text import load_json

#: Requirements are followed this far to find out whether they lead back.
_FARTHEST = 32


@dataclass(frozen=True, slots=True)
class Wait:
    """What is waited for.

    Args:
        text: The document, or what it would have to be, and the rule.
        elsewhere: It belongs to another order or system, so nothing tells this one when it is settled.
    """

    text: str
    elsewhere: bool = False


def of_document(near: Neighbourhood, document: Neighbour, holds: str = "document") -> Wait | None:
    """What keeps the whole document back, or with `holds="final"` its final flag; None where nothing does."""
    dependencies = near.rules.dependencies
    for rule in dependencies.holding(document):
        if rule.holds == holds and (wait := _unsettled(near, document, rule)):
            return wait
    if holds == "final":
        return None
    return _refused(near, document) or _required(near, document)


def _unsettled(near: Neighbourhood, document: Neighbour, rule: DependencyRule) -> Wait | None:
    """The first neighbour that a rule makes the document wait for."""
    dependencies = near.rules.dependencies
    present = False
    for other in near.unsettled(document):
        if rule.waits_for.covers(other) and dependencies.waits(rule, document, other):
            if not _all_but_its_flag(near, rule, document, other):
                stuck = f": {other.state}" if other.is_stuck else ""
                return Wait(f"{other.key}{stuck} ({rule.name})", elsewhere=other.system != document.system)
            present = True
    if present or rule.missing == "ignore" or rule.waits_for.covers(document):
        return None
    settled = near.settled(document, rule.waits_for.kind)
    if any(rule.waits_for.covers(o) and rule.relates(document, o) and not o.is_withdrawn for o in settled):
        return None
    return Wait(f"a {rule.waits_for} ({rule.name})", elsewhere=True)  # it may come to another system


def _all_but_its_flag(near: Neighbourhood, rule: DependencyRule, document: Neighbour, other: Neighbour) -> bool:
    """Whether only the final flag is left to book, and the rule does not ask for it."""
    if rule.waits_for.final or other.state is not DocumentState.WAITING or other.system != document.system:
        return False
    if not other.row.final or other.row.booked_final:
        return False
    return not difference(other.desired, other.booked, lambda name: near.rules.quantum(name, other.attributes))


def _refused(near: Neighbourhood, document: Neighbour) -> Wait | None:
    """A neighbour that was refused and that this one was reversed for."""
    for rule in near.rules.dependencies.depended_on(document):
        if rule.on_reject == "undo":
            for other in near.unsettled(document):
                if is_refused(rule, other) and near.rules.dependencies.waits(rule, other, document):
                    return Wait(f"{other.key}: rejected ({rule.name})", elsewhere=other.system != document.system)
    return None


def is_refused(rule: DependencyRule, other: Neighbour) -> bool:
    """Whether the ERP has refused what waits by the rule, and nothing of it is booked."""
    return other.state is DocumentState.REJECTED and not other.is_booked and rule.document.covers(other)


def _required(near: Neighbourhood, document: Neighbour) -> Wait | None:
    """What the document itself says that it requires."""
    for each in load_json(document.row.requires):
        if each.get("approval"):
            if missing(document.attributes, each):
                return Wait(_because("approval", each), elsewhere=True)
            continue
        wait = _of_key(near, document, each) if each.get("key") else _of_lane(near, document, each)
        if wait is not None:
            return wait
    return None


def _of_key(near: Neighbourhood, document: Neighbour, required: dict[str, Any]) -> Wait | None:
    key = str(required["key"])
    other = near.by_key(key)
    if other is None:
        other = near.archived(key, document, str(required.get("order_id") or ""))
    if other is not None and other.state is DocumentState.SETTLED and not other.is_withdrawn:
        return None
    circle = _circle(near, document.key, key)
    return Wait(_because(circle or key, required), elsewhere=True)


def _circle(near: Neighbourhood, start: str, key: str) -> str | None:
    """The way back, where a document requires what requires it."""
    way = [start, key]
    while len(way) < _FARTHEST and (other := near.by_key(way[-1])) is not None:
        further = [str(each["key"]) for each in load_json(other.row.requires) if each.get("key")]
        if start in further:
            return "a circle, which a newer version has to break: " + " requires ".join([*way, start])
        if not further or further[0] in way:
            return None
        way.append(further[0])
    return None


def _of_lane(near: Neighbourhood, document: Neighbour, required: dict[str, Any]) -> Wait | None:
    """At least one neighbour of that kind, operation and role, and all of them settled."""

    def meant(other: Neighbour) -> bool:
        return (
            other.key != document.key
            and required.get("kind") in (None, other.kind)
            and required.get("operation") in (None, other.operation)
            and required.get("role") in (None, other.attributes.get("role"))
        )

    for other in near.unsettled(document):
        if meant(other):
            return Wait(_because(other.key, required), elsewhere=other.system != document.system)
    kind = str(required.get("kind") or document.kind)
    if any(meant(other) and not other.is_withdrawn for other in near.settled(document, kind)):
        return None
    return Wait(_because(f"a {required.get('role') or ''} {kind}".replace("  ", " "), required), elsewhere=True)


def _because(text: str, required: dict[str, Any]) -> str:
    why = required.get("why")
    return f"{text} ({why})" if why else text
