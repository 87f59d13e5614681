"""Orders of the simulated plant and the reference records that describe them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from random import Random

from sandbox.plant_components import bill
from sandbox.plant_event import Record
from sandbox.plant_layout import ARTICLES, PLANT, SHIFTS, ZONE, Article, WorkCenter
from sandbox.truth import OperationTruth, Truth


@dataclass(slots=True)
class Job:
    """One operation of an order on its work centre.

    Args:
        center: Where it runs.
        article: What it makes.
        order_id: Production order.
        operation: Operation of the routing.
        make: Good quantity, in the work centre's unit, at which the machine stops.
        truth: Where the simulator keeps what really happened.
    """

    center: WorkCenter
    article: Article
    order_id: str
    operation: str
    make: int
    truth: OperationTruth


@dataclass(slots=True)
class Order:
    """A production order with its routing.

    Args:
        order_id: Number in the ERP.
        article: What it makes.
        quantity: Ordered, in the article's order unit.
        jobs: Its operations.
        known: The ERP releases it (one order is known to the plant alone).
        first_event: When its first operation began.
    """

    order_id: str
    article: Article
    quantity: Decimal
    jobs: list[Job] = field(default_factory=list)
    known: bool = True
    first_event: datetime | None = None

    def record(self, version: int, factor: int = 1) -> Record:
        """The order as the ERP shows it, with targets divided by `factor` (an earlier, smaller version)."""
        first = self.jobs[0].truth
        return {
            "order_id": self.order_id,
            "version": version,
            "status": "RELEASED",
            "material": self.article.material,
            "quantity": self.quantity / factor,
            "unit": self.article.order_unit,
            "over_tolerance": first.over_tolerance,
            "under_tolerance": Decimal(5),
            "operations": [_operation(job.truth, factor) for job in self.jobs],
            "components": bill(self.article.material, first.operation),
        }


def make_order(rng: Random, number: int, centers: Sequence[WorkCenter], seconds: float, scale: float) -> Order:
    """An order whose operations run about `seconds` each on the given work centres, in that sequence."""
    article = rng.choice(ARTICLES[centers[0].line])
    slowest = max(min(center.interval_s, 16.0) for center in centers)
    dozens = max(2, round(seconds * 0.8 * scale * 2 / slowest / 24))
    pieces = Decimal(dozens * 24)
    order = Order(f"{1_000_000 + number}", article, article.in_order_unit(pieces, "C62"))
    tolerance = rng.choice((Decimal(5), Decimal(10), Decimal(2), None))
    for index, center in enumerate(centers):
        truth = OperationTruth(
            order_id=order.order_id,
            operation=f"{(index + 1) * 10:04d}",
            work_center=center.name,
            material=article.material,
            unit=article.order_unit,
            target=order.quantity,
            over_tolerance=tolerance,
            count_source="OPERATOR" if center.operator_counted else "MACHINE",
            time_source="OPERATOR" if center.operator_counted and rng.random() < 0.5 else "MACHINE",
            auto_final=rng.random() < 0.7,
        )
        planned = int(pieces) // (12 if center.unit == "DZN" else 1)
        make = max(1, round(planned * _completion(rng, truth)))
        order.jobs.append(Job(center, article, order.order_id, truth.operation, make, truth))
    return order


def register(order: Order, truth: Truth) -> None:
    """Enter the operations of an order that the ERP knows in the truth."""
    for job in order.jobs if order.known else ():
        truth.operations[(job.order_id, job.operation)] = job.truth


def material_records() -> Iterator[Record]:
    """Every material once, base unit pieces."""
    for article in (article for articles in ARTICLES.values() for article in articles):
        yield {
            "material": article.material,
            "version": 1,
            "description": article.text,
            "base_unit": "C62",
            "conversions": [
                {"unit": unit, "numerator": numerator, "denominator": denominator}
                for unit, numerator, denominator in article.conversions
            ],
        }


def calendar_record(valid_from: date) -> Record:
    """Three shifts on every day of the week."""
    shifts = [{"shift": name, "start": start, "end": end, "weekdays": [*range(1, 8)]} for name, start, end in SHIFTS]
    return {
        "plant": PLANT,
        "version": 1,
        "zone": ZONE,
        "valid_from": valid_from,
        "shifts": shifts,
        "holidays": [],
    }


def _completion(rng: Random, truth: OperationTruth) -> float:
    """How much of the target is made: a little less, the target, or beyond the tolerance."""
    if not truth.auto_final:
        return rng.choice((0.97, 0.99, 1.0, 1.01))
    return rng.choice((1.0, 1.0, 1.0, 1.02, 1.08))


def _operation(truth: OperationTruth, factor: int) -> Record:
    return {
        "operation": truth.operation,
        "work_center": truth.work_center,
        "target_quantity": truth.target / factor,
        "count_source": truth.count_source,
        "time_source": truth.time_source,
        "auto_final": truth.auto_final,
    }
