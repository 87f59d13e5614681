"""What really happened to the simulated plant's stock: plain sums, by none of Millrace's rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

ZERO = Decimal(0)
STATUSES = ("on_hand", "quality_hold", "blocked")
#: What a booking or a decision does to stock by status, per unit of quantity.
EFFECTS: dict[str, dict[str, int]] = {
    "ISSUE": {"on_hand": -1},
    "RETURN": {"on_hand": 1},
    "SCRAP": {"on_hand": -1},
    "HOLD": {"on_hand": -1, "quality_hold": 1},
    "RELEASE": {"quality_hold": -1, "on_hand": 1},
    "REJECT": {"quality_hold": -1, "blocked": 1},
    "RECEIPT": {"on_hand": 1},
}


@dataclass(frozen=True, slots=True)
class Move:
    """Something that changed stock.

    Args:
        time: When.
        material: Component.
        kind: Key of `EFFECTS`.
        quantity: In the component's base unit.
        order: Production order that it is for; empty for none.
    """

    time: datetime
    material: str
    kind: str
    quantity: Decimal
    order: str = ""


@dataclass(slots=True)
class StockTruth:
    """Stock of the components as it was.

    Args:
        opening: Component -> unrestricted stock before the day.
        moves: All of them, in any order.
    """

    opening: dict[str, Decimal] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)

    def stock(self, material: str, until: datetime | None = None) -> dict[str, Decimal]:
        """Stock by status after the moves up to and with an instant; None for all of them."""
        found = {**dict.fromkeys(STATUSES, ZERO), "on_hand": self.opening[material]}
        for move in self.moves:
            if move.material == material and (until is None or move.time <= until):
                for status, sign in EFFECTS[move.kind].items():
                    found[status] += sign * move.quantity
        return found

    def used(self) -> dict[str, Decimal]:
        """Component -> what orders took of it, less what they gave back."""
        totals: dict[str, Decimal] = defaultdict(Decimal)
        for move in self.moves:
            if move.order:
                totals[move.material] -= EFFECTS[move.kind]["on_hand"] * move.quantity
        return dict(totals)

    def movements(self) -> dict[tuple[str, str, str], Decimal]:
        """(order, component, kind) -> sum over distinct bookings."""
        totals: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
        for move in self.moves:
            if move.order:
                totals[move.order, move.material, move.kind] += move.quantity
        return dict(totals)

    def received(self) -> Mapping[str, Decimal]:
        """Component -> sum of receipts."""
        totals: dict[str, Decimal] = defaultdict(Decimal)
        for move in self.moves:
            totals[move.material] += move.quantity if move.kind == "RECEIPT" else ZERO
        return totals

    def as_json(self) -> dict[str, Any]:
        """Plain values; decimals as strings."""
        received = self.received()
        return {
            "movements": [
                {"order_id": order, "material": material, "movement": kind, "quantity": str(quantity)}
                for (order, material, kind), quantity in sorted(self.movements().items())
            ],
            "stock": [
                {
                    "material": material,
                    **{status: str(value) for status, value in self.stock(material).items()},
                    "received": str(received.get(material, ZERO)),
                }
                for material in sorted(self.opening)
            ],
        }
