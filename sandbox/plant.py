"""A simulated plant day: four lines, three shifts, orders with routings, and what goes wrong on the way.

The same seed gives the same day. Nothing here knows a rule of Millrace: what should be booked is kept by the
machines themselves while they run (`Plant.truth`).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from rich.console import Console

from sandbox.plant_disturb import Emission, Fault, disturb
from sandbox.plant_event import Event, head
from sandbox.plant_jsonl import write_jsonl
from sandbox.plant_layout import BREAKS, PLANT, WORK_CENTERS, ZONE, WorkCenter
from sandbox.plant_machine import Day, Machine
from sandbox.plant_orders import Order, make_order, register
from sandbox.plant_reference import reference
from sandbox.truth import Truth

__all__ = ["Emission", "Fault", "Plant", "Truth"]


@dataclass(frozen=True, slots=True)
class Run:
    """An operation of an order as it ran.

    Args:
        order_id: Production order.
        operation: Operation of its routing.
        work_center: Where it ran.
        line: Line of the work centre.
        article: Material that was made.
        begun: First job event.
        ended: Last job event.
        made: Good quantity in the order's unit.
    """

    order_id: str
    operation: str
    work_center: str
    line: str
    article: str
    begun: datetime
    ended: datetime
    made: Decimal


LINES = tuple(dict.fromkeys(center.line for center in WORK_CENTERS))
#: These controllers burn a number now and then: the event is lost before it reaches anybody.
LOSSY = "PRESS-12"


class Plant:
    """One simulated day, made when the object is made.

    Events are numbered per source and topic. `orders` and `truth` are complete before the stream is read.

    Args:
        seed: Same seed, same day.
        start: Begin of the day, with a zone.
        hours: Simulated length; at least 2.
        scale: Events per machine hour, as a multiple of the plain plant's (1: some 60,000 events in 24 h).
    """

    def __init__(self, seed: int, start: datetime, hours: float = 24.0, scale: float = 1.0) -> None:
        self.start = start.astimezone(UTC).replace(microsecond=0)
        self.end = self.start + timedelta(hours=hours)
        self.truth = Truth(PLANT)
        self.orders: list[Order] = []
        self._seed, self._hours, self._scale = seed, hours, scale
        self._events: list[Event] = []
        for line in LINES:
            self._run_line(line)
        self._events.sort(key=attrgetter("time", "source"))
        self._finish_orders()
        self._number()
        rng = Random(f"{seed}:way")
        self._emissions = [
            *reference(self.start, self.orders, rng, self.truth),
            *disturb(self._events, rng, self.truth),
        ]
        self._emissions.sort(key=attrgetter("at"))

    def __len__(self) -> int:
        return len(self._emissions)

    def stream(self) -> Iterator[Emission]:
        """Every record in the order in which it reaches the broker."""
        return iter(self._emissions)

    def runs(self) -> list[Run]:
        """First operations of the orders that the ERP knows, from their begin to their last job event."""
        spans: dict[tuple[str, str], list[datetime]] = {}
        for event in self._events:
            if event.contract == "MachineState" and event.fields.get("job_event") in ("START", "PAUSE", "END"):
                spans.setdefault((event.fields["order_id"], event.fields["operation"]), []).append(event.time)
        runs = []
        for job in (order.jobs[0] for order in self.orders if order.known):
            times = spans[job.order_id, job.operation]
            made = job.truth.counts["MACHINE"].good
            runs.append(
                Run(
                    job.order_id,
                    job.operation,
                    job.center.name,
                    job.center.line,
                    job.article.material,
                    times[0],
                    times[-1],
                    made,
                )
            )
        return runs

    # -- the day

    def _run_line(self, line: str) -> None:
        """Give the machine that is free first the next order's first operation, until the day is full."""
        rng = Random(f"{self._seed}:{line}")
        machines = {center.name: self._machine(center) for center in WORK_CENTERS if center.line == line}
        while any(not machine.closing for machine in machines.values()):
            first = min(machines.values(), key=attrgetter("now"))
            centers = self._routing(rng, list(machines.values()), first)
            seconds = self._hours * 3600 * rng.uniform(0.18, 0.36)
            order = make_order(rng, len(self.orders) + 1, centers, seconds, self._scale)
            self.orders.append(order)
            ready = first.time
            for job in order.jobs:
                machine = machines[job.center.name]
                machine.idle_until(ready)
                if machine.closing:
                    break
                machine.perform(job)
                ready = machine.time
        for machine in machines.values():
            machine.switch_off()

    @staticmethod
    def _routing(rng: Random, machines: list[Machine], first: Machine) -> list[WorkCenter]:
        """One to three operations, downstream from the first machine."""
        at = machines.index(first)
        return [machine.center for machine in machines[at : at + rng.choice((1, 2, 2, 3, 3))]]

    def _machine(self, center: WorkCenter) -> Machine:
        pace = min(1.0, self._hours / 12)
        day = Day(self.start, self.end, self._breaks(), self._scale, pace)
        return Machine(center, day, Random(f"{self._seed}:{center.name}"), self._events.append)

    def _breaks(self) -> list[datetime]:
        zone = ZoneInfo(ZONE)
        first = self.start.astimezone(zone).date()
        days = [first + timedelta(days=day) for day in range((self.end - self.start).days + 2)]
        starts = [datetime.combine(day, time.fromisoformat(clock), zone) for day in days for clock in BREAKS]
        return sorted(start.astimezone(UTC) for start in starts if self.start < start < self.end)

    # -- orders and numbers

    def _finish_orders(self) -> None:
        """Drop orders that never began, choose the one the ERP never knows, enter the rest in the truth."""
        begun: dict[tuple[str, str], datetime] = {}
        for event in self._events:
            if event.fields.get("job_event") == "START":
                begun[event.fields["order_id"], event.fields["operation"]] = event.time
        for order in self.orders:
            order.jobs = [job for job in order.jobs if (job.order_id, job.operation) in begun]
        self.orders = [order for order in self.orders if order.jobs]
        for order in self.orders:
            order.first_event = min(begun[job.order_id, job.operation] for job in order.jobs)
        self._forget(next(order for order in self.orders if _forgettable(order)))
        for order in self.orders:
            register(order, self.truth)

    def _forget(self, order: Order) -> None:
        """The ERP never releases this order: what carries its pieces ends in the dead letters."""
        order.known = False
        self.truth.unknown_orders[order.order_id] = sum(
            event.contract == "MachineCycle" and event.fields["order_id"] == order.order_id for event in self._events
        )

    def _number(self) -> None:
        """Give every event its identity, and its number where its source counts."""
        modulus = {center.name: center.modulus for center in WORK_CENTERS}
        silent = {center.name for center in WORK_CENTERS if not center.numbered}
        silent |= {center.terminal for center in WORK_CENTERS}
        rng, counts = Random(f"{self._seed}:numbers"), dict[tuple[str, str], int]()
        for event in self._events:
            scope = (event.source, event.contract)
            number = counts.get(scope, 0) + 1
            if event.source == LOSSY and event.contract == "MachineCycle" and rng.random() < 0.0008:
                self.truth.missing_sequences.setdefault(event.source, []).append(number)
                number += 1
            counts[scope] = number
            wrap = modulus.get(event.source)
            sequence = None if event.source in silent else number % wrap if wrap else number
            event.fields = {
                **head(event, f"{event.source}-{event.contract[7]}{number:x}", sequence),
                **event.fields,
            }


def _forgettable(order: Order) -> bool:
    return len(order.jobs) == 1 and order.jobs[0].center.knows_orders


def main() -> None:
    """Write a plant day and its truth to a folder."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.plant", description=main.__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--start", type=datetime.fromisoformat, default=datetime(2026, 3, 2, 5, tzinfo=UTC))
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    plant = Plant(args.seed, args.start, args.hours, args.scale)
    counts = write_jsonl(plant.stream(), args.out)
    plant.truth.write(args.out / "truth.json")
    console = Console()
    for topic, lines in sorted(counts.items()):
        console.print(f"{lines:>8,}  {topic}.jsonl", highlight=False)
    console.print(f"{len(plant.orders):>8,}  orders, see truth.json", highlight=False)


if __name__ == "__main__":
    main()
