"""What really happened in the simulated plant: plain sums, by none of Millrace's rules."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

ZERO = Decimal(0)


class Pieces(NamedTuple):
    """Good, scrapped and to be reworked, in one unit."""

    good: Decimal
    scrap: Decimal
    rework: Decimal


@dataclass(slots=True)
class Count:
    """Pieces of one operation, in the order's unit."""

    good: Decimal = ZERO
    scrap: dict[str, Decimal] = field(default_factory=dict)
    rework: Decimal = ZERO

    def add(self, pieces: Pieces, reason: str | None) -> None:
        """Add pieces; scrap without a reason is kept under the empty reason."""
        self.good += pieces.good
        self.rework += pieces.rework
        if pieces.scrap:
            self.scrap[reason or ""] = self.scrap.get(reason or "", ZERO) + pieces.scrap


@dataclass(slots=True)
class Times:
    """Seconds spent on one operation."""

    setup: Decimal = ZERO
    machine: Decimal = ZERO
    labour: Decimal = ZERO


@dataclass(slots=True)
class OperationTruth:
    """What one operation of one order should end up with in the ERP.

    Args:
        order_id: Production order.
        operation: Operation of its routing.
        work_center: Where it ran.
        material: What the order makes.
        unit: Unit of the quantities: the order's.
        target: Yield at which it is complete.
        over_tolerance: Percent that the yield may exceed the target.
        count_source: MACHINE or OPERATOR, which of the two counts is confirmed.
        time_source: MACHINE or OPERATOR, which of the two times is confirmed.
        auto_final: Reaching the target makes it final.
        completed: Somebody declared it complete.
    """

    order_id: str
    operation: str
    work_center: str
    material: str
    unit: str
    target: Decimal
    over_tolerance: Decimal | None
    count_source: str
    time_source: str
    auto_final: bool
    completed: bool = False
    counts: dict[str, Count] = field(default_factory=lambda: {"MACHINE": Count(), "OPERATOR": Count()})
    times: dict[str, Times] = field(default_factory=lambda: {"MACHINE": Times(), "OPERATOR": Times()})

    @property
    def is_final(self) -> bool:
        """Whether its confirmation is the last one."""
        reached = self.auto_final and self.counts[self.count_source].good >= self.target
        return self.completed or reached

    @property
    def over_delivery(self) -> Decimal:
        """Yield beyond target plus tolerance; zero where the tolerance is unlimited."""
        if self.over_tolerance is None:
            return ZERO
        allowed = self.target * (1 + self.over_tolerance / 100)
        return max(ZERO, self.counts[self.count_source].good - allowed)

    def as_json(self) -> dict[str, Any]:
        """Plain values; decimals as strings, in the profile's choice of count and time."""
        count, times = self.counts[self.count_source], self.times[self.time_source]
        return {
            "order_id": self.order_id,
            "operation": self.operation,
            "work_center": self.work_center,
            "material": self.material,
            "unit": self.unit,
            "target": _plain(self.target),
            "count_source": self.count_source,
            "time_source": self.time_source,
            "yield": _plain(count.good),
            "scrap": {reason: _plain(quantity) for reason, quantity in sorted(count.scrap.items())},
            "rework": _plain(count.rework),
            "setup_time": _plain(times.setup),
            "machine_time": _plain(times.machine),
            "labour_time": _plain(times.labour),
            "is_final": self.is_final,
            "over_delivery": _plain(self.over_delivery),
        }


@dataclass(slots=True)
class TopicTruth:
    """Records of one topic by what should become of them."""

    events: int = 0
    duplicates: int = 0
    rejects: dict[str, int] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """Everything that was sent."""
        return self.events + self.duplicates + sum(self.rejects.values())


@dataclass(slots=True)
class Truth:
    """The plant day as it was.

    Args:
        plant: ISA-95 Site.
        operations: By (order, operation); orders that the ERP never knew are not among them.
        topics: By topic name.
        unknown_orders: Order that the ERP never releases -> its distinct events that carry pieces.
        missing_sequences: Source -> numbers that were lost before they reached the broker.
        late_orders: Orders that the ERP released after their first event.
    """

    plant: str
    operations: dict[tuple[str, str], OperationTruth] = field(default_factory=dict)
    topics: dict[str, TopicTruth] = field(default_factory=dict)
    unknown_orders: dict[str, int] = field(default_factory=dict)
    missing_sequences: dict[str, list[int]] = field(default_factory=dict)
    late_orders: list[str] = field(default_factory=list)

    def topic(self, name: str) -> TopicTruth:
        """The counts of a topic, made when first asked for."""
        return self.topics.setdefault(name, TopicTruth())

    def as_json(self) -> dict[str, Any]:
        """Plain values, as `reconcile` reads them back."""
        return {
            "plant": self.plant,
            "operations": [self.operations[key].as_json() for key in sorted(self.operations)],
            "topics": {
                name: {
                    "records": topic.records,
                    "events": topic.events,
                    "duplicates": topic.duplicates,
                    "rejects": dict(sorted(topic.rejects.items())),
                }
                for name, topic in sorted(self.topics.items())
            },
            "unknown_orders": self.unknown_orders,
            "missing_sequences": self.missing_sequences,
            "late_orders": self.late_orders,
        }

    def write(self, path: Path) -> None:
        """Write the truth as JSON."""
        path.write_text(json.dumps(self.as_json(), indent=1) + "\n", encoding="utf-8")


def _plain(value: Decimal) -> str:
    """Without an exponent or zeros behind the last digit."""
    return f"{value.normalize():f}"
