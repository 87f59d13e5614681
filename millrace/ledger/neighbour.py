"""A document as its neighbours in the order see it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from sqlalchemy import Row

from millrace.ledger.model import DocumentState
from millrace.ledger.text import Quantities, load_json, load_quantities

_STUCK = (DocumentState.REJECTED, DocumentState.PARKED)

#: Number or name of an operation, sort key, key: the order of documents within their lane.
Place = tuple[tuple[int, int, str], str, str]


@dataclass(frozen=True)
class Neighbour:
    """A row of `documents`, read as far as it is asked.

    Args:
        row: The row.
    """

    row: Row[Any]

    @property
    def key(self) -> str:
        """Identity."""
        return str(self.row.key)

    @property
    def kind(self) -> str:
        """Contract name."""
        return str(self.row.kind)

    @property
    def operation(self) -> str:
        """Operation, or ""."""
        return str(self.row.operation)

    @property
    def final(self) -> bool:
        """It carries a final flag, or did."""
        return bool(self.row.final or self.row.booked_final)

    @property
    def system(self) -> str | None:
        """ERP system, None before it is routed."""
        return None if self.row.system is None else str(self.row.system)

    @property
    def state(self) -> DocumentState:
        """Where it stands."""
        return DocumentState(self.row.state)

    @property
    def is_stuck(self) -> bool:
        """It waits for a person or a newer version."""
        return self.state in _STUCK

    @property
    def is_withdrawn(self) -> bool:
        """Nothing is wanted of it any more."""
        return bool(self.row.cancelled) or not (self.row.final or any(self.desired.values()))

    @property
    def is_booked(self) -> bool:
        """Something of it stands in the ERP."""
        return bool(self.booked or self.row.booked_final)

    @cached_property
    def place(self) -> Place:
        """Where it comes within its lane; operations in numbers come in their order, before those in words."""
        number = self.operation.isdecimal()
        operation = (0, int(self.operation), "") if number else (1, 0, self.operation)
        return (operation, str(self.row.sort_key), self.key)

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """Its attributes."""
        found: dict[str, Any] = load_json(self.row.attributes)
        return found

    @cached_property
    def desired(self) -> Quantities:
        """Total that is wanted; nothing of a withdrawn document."""
        return {} if self.row.cancelled else load_quantities(self.row.quantities)

    @cached_property
    def booked(self) -> Quantities:
        """Total that is booked."""
        return load_quantities(self.row.booked)

    def holds(self, measure: str) -> bool:
        """Whether some of a measure is wanted or booked."""
        zero = Decimal(0)
        return bool(load_quantities(self.row.quantities).get(measure, zero) or self.booked.get(measure, zero))
