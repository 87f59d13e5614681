"""Why a request would differ: other rules, other master data, another stock in view, or what came before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from dataflows.replay_changes import Why
from dataflows.replay_signals import Signal
from millrace.ledger.model import DesiredDocument
from millrace.ledger.standing import Standing
from operators.replenishment_policy import PolicyBook, ReplenishmentRule

#: What procurement is asked for, beside the quantity; the numbers that led to it are told where it differs.
_ASKED = ("crossed_at", "unit", "delivery_date", "supplier", "purchasing_group", "value", "currency")
#: Fields that the rule of a place gives.
_OF_RULE = ("lot_size", "lead_time_mean", "lead_time_deviation", "service_factor", "supplier", "purchasing_group")
_LEARNED = ("demand_mean", "demand_deviation", "demand_days")
#: Fields that follow from demand where it is learned.
_LIMITS = ("reorder_point", "order_up_to")
_TOLD = ("request_number", *_ASKED, *_OF_RULE, *_LEARNED, *_LIMITS, "projected")
#: Names, which are compared as they are written.
_NAMES = ("request_number", "unit", "supplier", "purchasing_group", "currency")
Fields = Mapping[str, Any]


def asks_the_same(before: Standing, document: DesiredDocument) -> bool:
    """Whether procurement is asked for the same at the same time, whatever led to it."""
    same = before.quantities == document.quantities and before.cancelled == document.cancelled
    return same and not any(_differ(before.attributes, document.attributes, _ASKED))


def reason(
    before: Standing | None, document: DesiredDocument | None, signal: Signal | None, book: PolicyBook, *, follows: bool
) -> Why:
    """Why one crossing differs.

    Args:
        before: The ledger's request.
        document: The replay's request.
        signal: What the side that did not ask had in view.
        book: Rules as they are now.
        follows: An earlier request of the place differs.
    """
    mine = _fields(before, signal)
    other = _fields(document, signal)
    some = before or document
    if mine is None or other is None or some is None:
        return Why.FOLLOWS if follows else Why.DOCUMENT_MISSING if before is None else Why.STOCK
    where = (some.plant, some.attributes["material"], some.attributes["storage_location"])
    rule = book.rule(where)
    if _ruled(mine, other, rule, both=bool(before and document)) or _priced(before, document, rule):
        return Why.RULES
    if any(_differ(mine, other, ("unit",))):
        return Why.MASTER_DATA
    return Why.FOLLOWS if follows else Why.STOCK


def _fields(side: Standing | DesiredDocument | None, signal: Signal | None) -> Fields | None:
    return signal if side is None else side.attributes


def _ruled(mine: Fields, other: Fields, rule: ReplenishmentRule | None, *, both: bool) -> bool:
    """Whether the rule of the place is another; signals tell less of it than requests."""
    if rule is None or (both and any(_differ(mine, other, _OF_RULE))):
        return True
    learned = rule.learn_days is not None and rule.demand_mean is None
    if learned and any(_differ(mine, other, _LEARNED if both else ("demand_mean",))):
        return False
    return any(_differ(mine, other, _LIMITS if both else ("reorder_point",)))


def _priced(before: Standing | None, document: DesiredDocument | None, rule: ReplenishmentRule | None) -> bool:
    """Whether the price of the rule is another: the same quantity has another value."""
    if before is None or document is None or rule is None or rule.price is None:
        return False
    same = before.quantities == document.quantities
    return same and any(_differ(before.attributes, document.attributes, ("value", "currency")))


def _differ(mine: Fields, other: Fields, names: tuple[str, ...]) -> Iterator[str]:
    return (name for name in names if _value(name, mine.get(name)) != _value(name, other.get(name)))


def _value(name: str, given: Any) -> Any:
    """Decimals and instants by what they are, however they are written."""
    if name in _NAMES or not isinstance(given, str):
        return given
    for read in (Decimal, datetime.fromisoformat):
        try:
            return read(given)
        except (InvalidOperation, ValueError):
            continue
    return given


def detail(before: Standing | None, document: DesiredDocument | None, signal: Signal | None) -> str:
    """What differs, for a person: was, is."""
    mine, other = _fields(before, signal), _fields(document, signal)
    if mine is None or other is None:
        return f"{'the flow' if before is None else 'the replay'} knew of no stock there"
    names = _TOLD if before and document else ("unit", "projected", "reorder_point")
    told = _differ(mine, other, names)
    return "; ".join(f"{name} was {_word(name, mine.get(name))}, is {_word(name, other.get(name))}" for name in told)


def _word(name: str, given: Any) -> str:
    value = _value(name, given)
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return "none" if value is None else str(given)


__all__ = ["asks_the_same", "detail", "reason"]
