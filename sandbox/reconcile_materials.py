"""Compare what the plant took from stock and what it was sent with movements, projections and requests.

Takes plain values: where they come from is wired elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

ZERO = Decimal(0)
STATUSES = ("on_hand", "quality_hold", "blocked")
#: Order, component, movement.
Movement = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """A request in one place.

    Args:
        number: Request number, the same in all places.
        material: Component.
        quantity: In its base unit.
    """

    number: str
    material: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Found:
    """What flow, ledger and ERP say.

    Args:
        ledger: Desired totals of movements.
        erp: Booked totals of movements.
        shown: Component -> stock by status and `projected`, as `millrace status --material` shows it.
        announced: Requests of the ledger.
        asked: Requests of the ERP, as often as they are there.
        history: Component -> its projections as (`projected`, `order_up_to`), by instant.
    """

    ledger: Mapping[Movement, Decimal]
    erp: Mapping[Movement, Decimal]
    shown: Mapping[str, Mapping[str, Decimal]]
    announced: Sequence[Request]
    asked: Sequence[Request]
    history: Mapping[str, Sequence[tuple[Decimal, Decimal | None]]]


@dataclass(frozen=True, slots=True)
class MovementRow:
    """A movement in the three places."""

    order_id: str
    material: str
    movement: str
    truth: Decimal
    ledger: Decimal
    erp: Decimal

    @property
    def ok(self) -> bool:
        """All three places agree."""
        return self.truth == self.ledger == self.erp


@dataclass(frozen=True, slots=True)
class MaterialRow:
    """A component: stock by plain sums and as shown, crossings and their requests.

    Args:
        material: Component.
        truth: Stock by status and `projected`, by plain sums of all records.
        shown: The same as the flow shows it.
        used: What orders took, less what they gave back: plant, and ERP.
        crossings: Rises of the projection to S in its history.
        announced: Requests in the ledger.
        asked: Requests in the ERP.
        differences: What does not agree.
    """

    material: str
    truth: Mapping[str, Decimal]
    shown: Mapping[str, Decimal]
    used: tuple[Decimal, Decimal]
    crossings: int
    announced: int
    asked: int
    differences: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Nothing differs."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class Materials:
    """Everything compared.

    Args:
        movements: Per order, component and movement, sorted.
        stock: Per component, sorted.
    """

    movements: Sequence[MovementRow]
    stock: Sequence[MaterialRow]

    @property
    def wrong(self) -> int:
        """How many rows differ."""
        return sum(not row.ok for row in self.movements) + sum(not row.ok for row in self.stock)

    @property
    def ok(self) -> bool:
        """Nothing differs, and there is something."""
        return bool(self.movements) and bool(self.stock) and not self.wrong

    def as_json(self) -> dict[str, Any]:
        """Plain values; decimals as strings."""
        return {
            "movements": [
                {
                    **{name: getattr(row, name) for name in ("order_id", "material", "movement", "ok")},
                    **{place: str(getattr(row, place)) for place in ("truth", "ledger", "erp")},
                }
                for row in self.movements
            ],
            "stock": [
                {
                    **{name: getattr(row, name) for name in ("material", "crossings", "announced", "asked", "ok")},
                    **{place: {n: str(v) for n, v in getattr(row, place).items()} for place in ("truth", "shown")},
                    "differences": list(row.differences),
                }
                for row in self.stock
            ],
        }


def reconcile_materials(truth: Mapping[str, Any], found: Found) -> Materials:
    """Compare the places.

    Args:
        truth: `StockTruth.as_json()`.
        found: What flow, ledger and ERP say.
    """
    real = {(m["order_id"], m["material"], m["movement"]): Decimal(m["quantity"]) for m in truth["movements"]}
    keys = sorted(real.keys() | found.ledger.keys() | found.erp.keys())
    rows = [MovementRow(*k, *(place.get(k, ZERO) for place in (real, found.ledger, found.erp))) for k in keys]
    stock = [_material(entry, rows, found) for entry in truth["stock"]]
    return Materials(rows, stock)


def crossings(projections: Sequence[tuple[Decimal, Decimal | None]]) -> int:
    """How often a projection rose to S exactly, which is what asking for all that is missing does."""
    return sum(after[0] == after[1] and after[0] > before[0] for before, after in pairwise(projections))


def _material(entry: Mapping[str, Any], rows: Sequence[MovementRow], found: Found) -> MaterialRow:
    material = entry["material"]
    announced, asked = ([r for r in place if r.material == material] for place in (found.announced, found.asked))
    real = {status: Decimal(entry[status]) for status in STATUSES}
    coming = sum((request.quantity for request in asked), ZERO) - Decimal(entry["received"])
    real["projected"] = real["on_hand"] + coming
    shown = found.shown.get(material, {})
    crossed = crossings(found.history.get(material, ()))
    differences = [name for name, value in real.items() if shown.get(name) != value]
    if Counter(announced) != Counter(asked):
        differences.append("requests")
    if max(Counter(r.number for r in asked).values(), default=0) > 1:
        differences.append("doubled request")
    if crossed != len(announced):
        differences.append("crossings")
    used = (_used(rows, material, "truth"), _used(rows, material, "erp"))
    return MaterialRow(material, real, shown, used, crossed, len(announced), len(asked), tuple(differences))


def _used(rows: Sequence[MovementRow], material: str, place: str) -> Decimal:
    signed = (getattr(r, place) * (-1 if r.movement == "RETURN" else 1) for r in rows if r.material == material)
    return sum(signed, ZERO)
