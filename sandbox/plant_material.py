"""What the simulated plant takes from stock on its day: bookings of running orders, a hold and its release.

The same plant gives the same bookings. What should be posted is kept as plain sums (`MaterialDay.truth`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from operator import attrgetter
from random import Random
from typing import Any, NamedTuple

from sandbox.plant import Plant, Run
from sandbox.plant_components import BY_MATERIAL, COMPONENTS, STORE, Component, component_records, needed
from sandbox.plant_disturb import Emission, disturb
from sandbox.plant_event import Event, head
from sandbox.plant_layout import TOPICS
from sandbox.truth_stock import Move, StockTruth

_GRAM = Decimal("0.001")
EVERY_MIN, LEAST = 14.0, 2
RETURNED, SCRAPPED, IN_TONNES = 0.3, 0.25, 0.15
#: Shares of the day: when a lot is put on hold, and when most of it is released.
HOLD_AT, RELEASE_AT = 0.25, 0.55
HELD, REJECTED = Decimal("0.18"), Decimal("0.03")
#: Shares of what the day uses: stock in the morning, s, S.
OPENING, REORDER_POINT, ORDER_UP_TO = Decimal("0.95"), Decimal("0.62"), Decimal(1)


class Limits(NamedTuple):
    """How a component is ordered: s, S and what a day uses."""

    reorder_point: Decimal
    order_up_to: Decimal
    per_day: Decimal


class MaterialDay:
    """Records of materials, bookings and quality decisions of a plant's day.

    `limits` is by component. Receipts are not here: they follow from what is ordered.

    Args:
        plant: The day.
        seed: Same seed, same bookings.
    """

    def __init__(self, plant: Plant, seed: int) -> None:
        self._plant, self.truth = plant, StockTruth()
        self._events: list[Event] = []
        rng = Random(f"{seed}:material")
        for run in plant.runs():
            for material, each in needed(run.article).items():
                self._take(run, BY_MATERIAL[material], each * run.made, rng)
        used = self.truth.used()
        shares = {c.material: used.get(c.material, Decimal(100)) for c in COMPONENTS}
        days = Decimal((plant.end - plant.start) / timedelta(days=1))
        self.limits = {
            name: Limits(_whole(REORDER_POINT * u), _whole(ORDER_UP_TO * u), _whole(u / days))
            for name, u in shares.items()
        }
        self.truth.opening = {name: _whole(OPENING * u) for name, u in shares.items()}
        self._hold(COMPONENTS[0], _whole(HELD * shares[COMPONENTS[0].material]))
        self._events.sort(key=attrgetter("time", "source"))
        self._number()
        self.emissions = [*self._materials(), *disturb(self._events, rng, plant.truth)]

    def at(self, share: float) -> datetime:
        """Instant of the day by its share."""
        return self._plant.start + share * (self._plant.end - self._plant.start)

    def _materials(self) -> Iterator[Emission]:
        """The ERP tells of all components before the day."""
        at = self._plant.start - timedelta(minutes=30)
        for fields in component_records():
            name = fields["material"]
            self._plant.truth.topic(TOPICS["Material"]).events += 1
            record = {**head(Event(at, "Material", "ERP", fields), f"Material-{name}-1", None), **fields}
            yield Emission(at, TOPICS["Material"], name, "Material", record)

    def _take(self, run: Run, component: Component, total: Decimal, rng: Random) -> None:
        """Issues spread over the run, now and then something given back or spoilt at its end."""
        length = (run.ended - run.begun) / timedelta(minutes=1)
        count = max(LEAST, round(length / EVERY_MIN))
        weights = [rng.uniform(0.6, 1.4) for _ in range(count)]
        for number, weight in enumerate(weights):
            share = (total * Decimal(weight / sum(weights))).quantize(_GRAM, ROUND_UP)
            time = run.begun + (run.ended - run.begun) * ((number + rng.uniform(0.1, 0.9)) / count)
            self._book(run, component, "ISSUE", share, time, rng)
        for kind, chance in (("RETURN", RETURNED), ("SCRAP", SCRAPPED)):
            if rng.random() < chance:
                some = (total * Decimal(rng.uniform(0.01, 0.04))).quantize(_GRAM, ROUND_UP)
                self._book(run, component, kind, some, run.ended + timedelta(minutes=rng.uniform(1, 9)), rng)

    def _book(self, run: Run, component: Component, kind: str, quantity: Decimal, time: datetime, rng: Random) -> None:
        """One booking; pieces are whole, and a heavy issue may be told in tonnes."""
        told, unit = quantity, component.unit
        if unit == "C62":
            told = quantity = quantity.quantize(Decimal(1), ROUND_UP)
        elif component.told_in and quantity >= 1 and rng.random() < IN_TONNES:
            unit, factor = component.told_in
            quantity = quantity.quantize(Decimal(1), ROUND_DOWN)
            told = quantity / factor
        lot = f"{component.material[0]}{component.material[-2:]}-{int(time.timestamp()) // 28_800 % 1000:03d}"
        reason = "DAMAGED" if kind == "SCRAP" else None
        self._tell("MaterialConsumption", run.line, component, told, unit, time, {
            "kind": kind, "work_center": run.work_center, "order_id": run.order_id, "operation": run.operation,
            "batch": lot, "output_batch": run.order_id, "reason": reason,
        })  # fmt: skip
        self.truth.moves.append(Move(self._events[-1].time, component.material, kind, quantity, run.order_id))

    def _hold(self, component: Component, quantity: Decimal) -> None:
        """A lot is held, later most of it is released and the rest rejected."""
        rest = _whole(quantity * REJECTED / HELD)
        decisions = (
            ("HOLD", HOLD_AT, quantity),
            ("RELEASE", RELEASE_AT, quantity - rest),
            ("REJECT", RELEASE_AT, rest),
        )
        for kind, share, some in decisions:
            fields = {"notification_id": f"Q-{kind}", "decision": kind, "defect": "RUST", "inspection_lot": "IL-1"}
            more = {"order_id": "", "operation": "", "batch": None}
            time = self.at(share).replace(microsecond=0)
            self._tell("QualityEvent", "QM", component, some, component.unit, time, {**fields, **more})
            self.truth.moves.append(Move(time, component.material, kind, some))

    def _tell(
        self, contract: str, place: str, component: Component, quantity: Decimal, unit: str, time: datetime, of: Any
    ) -> None:
        where = {"material": component.material, "storage_location": STORE, "serials": []}
        time = time.replace(microsecond=time.microsecond // 1000 * 1000)
        self._events.append(
            Event(time, contract, f"STORE-{place}", {**where, "quantity": quantity, "unit": unit, **of})
        )

    def _number(self) -> None:
        """Every store counts its bookings."""
        counts: dict[str, int] = {}
        for event in self._events:
            number = counts[event.source] = counts.get(event.source, 0) + 1
            event.fields = {**head(event, f"{event.source}-{number:x}", number), **event.fields}


def _whole(quantity: Decimal) -> Decimal:
    """Whole units, at least one."""
    return max(Decimal(1), quantity.quantize(Decimal(1)))
