"""What to post next: the difference between what is desired and what is booked.

Rounding never accumulates: what is booked is kept exactly, and each step is the whole multiple of the ERP's
quantum that lies nearest to the exact difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from millrace.errors import MillraceError
from millrace.ledger.dependencies import Dependencies
from millrace.ledger.model import Step
from millrace.ledger.text import Quantities

_HALF = Decimal("0.5")


def utc_date(plant: str, now: int) -> date:  # noqa: ARG001 - plants with zones have a function of their own
    """Date at an instant in microseconds UTC."""
    return datetime.fromtimestamp(now / 1e6, UTC).date()


@dataclass(frozen=True, slots=True)
class PostingRules:
    """What planning must know about an ERP.

    Args:
        quantum: Smallest amount of a measure that the ERP can hold, in the document's unit (seconds for
            times).
        split: Parts of a positive difference, each of which fits into one document of the ERP; their sum is
            the whole.
        dependencies: What waits for what.
        counters: Kinds of which the ERP reverses nothing; a counter posting of a negative amount is booked instead.
        today: Date of the plant's current period, by plant and microseconds UTC.
    """

    quantum: Callable[[str, Mapping[str, Any]], Decimal]
    split: Callable[[Mapping[str, Decimal]], Sequence[Mapping[str, Decimal]]]
    dependencies: Dependencies = field(default_factory=Dependencies)
    counters: frozenset[str] = frozenset()
    today: Callable[[str, int], date] = utc_date


def difference(
    desired: Mapping[str, Decimal], booked: Mapping[str, Decimal], quantum: Callable[[str], Decimal]
) -> Quantities:
    """Amounts to post by measure, negative where too much is booked; only those that differ.

    Half a quantum rounds up. Rounding by floor does not depend on what is booked already, so any number of
    steps ends in the same booked total.
    """
    names = [*desired, *(name for name in booked if name not in desired)]
    out = {}
    for name in names:
        exact = desired.get(name, Decimal(0)) - booked.get(name, Decimal(0))
        if exact:
            unit = quantum(name)
            out[name] = ((exact / unit + _HALF).to_integral_value(ROUND_FLOOR)) * unit
    return {name: amount for name, amount in out.items() if amount}


def to_reverse(amounts: Mapping[str, Decimal], booked_steps: Iterable[Step]) -> Step | None:
    """The booked step to cancel next because some measure is booked too high; None where none is.

    The latest step that holds some of the excess goes first: what it held besides is posted again.

    Raises:
        MillraceError: More is booked than the steps account for, which no ledger operation can bring about.
    """
    excess = [name for name, amount in amounts.items() if amount < 0]
    if not excess:
        return None
    for step in sorted(booked_steps, key=lambda step: step.step, reverse=True):
        if any(step.quantities.get(name, 0) > 0 for name in excess):
            return step
    raise MillraceError(f"no booked step holds the excess of {', '.join(excess)}")


def next_part(
    amounts: Mapping[str, Decimal], final: bool, split: Callable[..., Sequence[Mapping[str, Decimal]]]
) -> tuple[Quantities, bool] | None:
    """First part to book and whether it carries the final flag; None where nothing is left.

    The flag goes with the last part: a final confirmation that more of the same document follows would be a
    lie.
    """
    parts = split(amounts) if amounts else []
    if not parts:
        return ({}, True) if final else None
    return dict(parts[0]), final and len(parts) == 1
