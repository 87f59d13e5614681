"""A simulated plant day: four lines, three shifts, orders with routings, and what goes wrong on the way.

The same seed gives the same day. Nothing here knows a rule of Millrace: what should be booked is kept by the
machines themselves while they run (`Plant.truth`).
"""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from random import Random
from typing import TextIO
from zoneinfo import ZoneInfo

from rich.console import Console

from sandbox.plant_disturb import Emission, Fault, disturb
from sandbox.plant_event import Event, Record
from sandbox.plant_layout import BREAKS, PLANT, TOPICS, WORK_CENTERS, ZONE, WorkCenter
from sandbox.plant_machine import Day, Machine
from sandbox.plant_orders import Order, calendar_record, make_order, material_records, register
from sandbox.truth import Truth

__all__ = ["Emission", "Fault", "Plant", "Truth"]

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
        self._emissions = [*self._reference(rng), *disturb(self._events, rng, self.truth)]
        self._emissions.sort(key=attrgetter("at"))

    def __len__(self) -> int:
        return len(self._emissions)

    def stream(self) -> Iterator[Emission]:
        """Every record in the order in which it reaches the broker."""
        return iter(self._emissions)

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
            event.contract == "MachineCycle" and event.fields["order_id"] == order.order_id
            for event in self._events
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
                **_head(event, f"{event.source}-{event.contract[7]}{number:x}", sequence),
                **event.fields,
            }

    # -- reference data

    def _reference(self, rng: Random) -> Iterator[Emission]:
        opening = self.start - timedelta(minutes=30)
        zone_day = self.start.astimezone(ZoneInfo(ZONE)).date() - timedelta(days=30)
        yield self._record("ShiftCalendar", PLANT, calendar_record(zone_day), opening)
        for material in material_records():
            yield self._record("Material", material["material"], material, opening)
        known = [order for order in self.orders if order.known]
        late = {order.order_id for order in rng.sample(known, 3)}
        changed = {order.order_id for order in rng.sample(known, 2)} - late
        self.truth.late_orders = sorted(late)
        for order in known:
            yield from self._release(
                order, rng, late=order.order_id in late, changed=order.order_id in changed
            )

    def _release(self, order: Order, rng: Random, *, late: bool, changed: bool) -> Iterator[Emission]:
        """Usually one version ahead of the start; some come minutes after it, some first at half the size."""
        began = order.first_event or self.start
        ahead = max(self.start - timedelta(minutes=20), began - timedelta(hours=2))
        at = began + timedelta(minutes=rng.uniform(6, 20)) if late else ahead
        yield self._record("WorkOrder", order.order_id, order.record(1, 2 if changed else 1), at)
        if changed:
            yield self._record("WorkOrder", order.order_id, order.record(2), began + timedelta(minutes=1))

    def _record(self, contract: str, key: str, fields: Record, at: datetime) -> Emission:
        self.truth.topic(TOPICS[contract]).events += 1
        event = Event(at, contract, "ERP", fields)
        head = _head(event, f"{contract}-{key}-{fields['version']}", None)
        return Emission(at, TOPICS[contract], key, contract, {**head, **fields})


def _forgettable(order: Order) -> bool:
    return len(order.jobs) == 1 and order.jobs[0].center.knows_orders


def _head(event: Event, event_id: str, sequence: int | None) -> Record:
    return {
        "event_id": event_id,
        "event_time": event.time,
        "plant": PLANT,
        "source": event.source,
        "sequence": sequence,
        "correlation_id": None,
    }


def write_jsonl(emissions: Iterable[Emission], folder: Path) -> dict[str, int]:
    """Write a JSON Lines file per topic, in order of arrival, to look at; returns the lines per topic."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, TextIO] = {}
    counts: dict[str, int] = {}
    for emission in emissions:
        if emission.topic not in files:
            files[emission.topic] = (folder / f"{emission.topic}.jsonl").open("w", encoding="utf-8")
        files[emission.topic].write(json.dumps(_line(emission), default=_plain) + "\n")
        counts[emission.topic] = counts.get(emission.topic, 0) + 1
    for file in files.values():
        file.close()
    return counts


def _line(emission: Emission) -> Record:
    raw = isinstance(emission.body, bytes)
    body = base64.b64encode(emission.body).decode() if isinstance(emission.body, bytes) else emission.body
    return {
        "at": emission.at,
        "key": emission.key,
        "fault": emission.fault,
        "base64" if raw else "record": body,
    }


def _plain(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


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
