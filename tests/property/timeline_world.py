"""A consumer, lives with crashes and random events for the tests of the timeline."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
from hypothesis import strategies as st

from operators.counters import CounterPolicy
from operators.partials import CONTRIBUTION, DOCUMENT_KEY
from operators.shifts import Calendar, CalendarBook
from operators.timeline import TIMELINE, Output, Timeline, TimelineConfig
from operators.windows import Window
from tests.property.timeline_oracle import SHIFTS, START, TICK, Event, Policy

TICKS = 360  # three hours
KEY = [*DOCUMENT_KEY, "part"]
MEASURES = ["quantity_yield", "quantity_scrap", "quantity_rework", "setup_time", "machine_time"]


def calendar() -> CalendarBook:
    """The oracle's shifts, on all days but Sunday, in a zone with summer time."""
    times = [(name, start, end) for name, start, end, _ in SHIFTS]
    shifts = [{"shift": n, "start": a, "end": b, "weekdays": [1, 2, 3, 4, 5, 6]} for n, a, b in times]
    record = {"plant": "P", "version": 1, "zone": "Europe/Berlin", "valid_from": date(2026, 1, 1)}
    return CalendarBook([Calendar.from_record({**record, "shifts": shifts, "holidays": []})])


def frame(events: list[Event]) -> pl.DataFrame:
    """Events as rows of a timeline."""
    rows = [
        {
            "plant": "P",
            "work_center": e.work_center,
            "source": f"S-{e.work_center}",
            "event_id": e.event_id,
            "event_time": e.time,
            "sequence": e.sequence,
            "row_kind": e.kind,
            "counter": e.counter,
            "reading_event": e.reading_event,
            "quantity_good": Decimal(e.quantity[0]),
            "quantity_scrap": Decimal(e.quantity[1]),
            "quantity_rework": Decimal(e.quantity[2]),
            "unit": "C62",
            "order_id": e.order,
            "operation": "0010" if e.order else None,
            "state": e.state,
            "job_event": e.job,
            "completed": e.completed,
            "origin": 1,
            "offset": e.number,
        }
        for e in events
    ]
    return pl.DataFrame(rows, schema=TIMELINE)


def config(window: str, policy: Policy) -> TimelineConfig:
    """The product's configuration for an oracle's policy."""
    counters = CounterPolicy(
        start=policy.start,
        lower=policy.lower,
        reset_below=policy.reset_below,
        modulus=policy.modulus,
        confirm_after=policy.confirm,
        order_by="sequence" if policy.by_sequence else "event_time",
    )
    return TimelineConfig(Window.parse(window), default_counter=counters, micro_stop=timedelta(minutes=2))


@dataclass
class Consumer:
    """Keeps the highest revision per document key and part; equal revisions must say the same."""

    parts: dict[tuple[Any, ...], tuple[int, pl.DataFrame]] = field(default_factory=dict)

    def take(self, output: Output) -> None:
        rows = output.contributions
        assert rows.schema == pl.Schema(CONTRIBUTION)
        for key, part in rows.group_by(*KEY, "revision"):
            *name, revision = key
            known = self.parts.get(tuple(name))
            content = part.sort("unit", "kind", "scrap_reason", "origin")
            if known is None or revision > known[0]:
                self.parts[tuple(name)] = (revision, content)
            elif revision == known[0]:
                assert content.equals(known[1]), f"revision {revision} of {name} says two things"

    def totals(self) -> dict[tuple[Any, ...], dict[str, Decimal]]:
        out: dict[tuple[Any, ...], dict[str, Decimal]] = {}
        for _, part in self.parts.values():
            for row in part.to_dicts():
                at = row["window_start"]
                key = (row["work_center"], row["order_id"], row["operation"], row["shift"], at)
                total = out.setdefault(key, {})
                for name in MEASURES:
                    total[name] = total.get(name, Decimal(0)) + row[name]
                events = row["events"] if row["kind"] == "M" else 0
                total["events"] = total.get("events", Decimal(0)) + events
                total["completed"] = max(total.get("completed", Decimal(0)), Decimal(row["completed"]))
        shown = {k: {n: v for n, v in row.items() if v} for k, row in out.items()}
        return {k: row for k, row in shown.items() if row}


def normal(totals: dict[tuple[Any, ...], dict[str, Decimal]]) -> dict[tuple[Any, ...], dict[str, Decimal]]:
    """An oracle's totals without zeros, completion as one."""
    out = {k: {n: v for n, v in row.items() if v} for k, row in totals.items()}
    for row in out.values():
        if "completed" in row:
            row["completed"] = Decimal(1)
    return out


@dataclass
class Chaos:
    """How a stream is cut, snapshotted and killed; chances in percent."""

    seed: int
    late: int = 50  # ticks by which an event may come late
    gap: int = 20  # ticks after which each work centre reports its state again
    crashes: int = 25
    evict: bool = True
    hold: bool = True


def arrivals(events: list[Event], chaos: Chaos) -> list[tuple[int, Event]]:
    """(tick of arrival, event) in order of arrival."""
    draw = random.Random(chaos.seed)
    return sorted(((e.tick + draw.randint(0, chaos.late), e) for e in events), key=lambda a: (a[0], a[1].number))


def run(events: list[Event], settings: TimelineConfig, chaos: Chaos, consumer: Any) -> Timeline:
    """Live through all events with random batches, epochs and crashes."""
    draw = random.Random(chaos.seed + 1)
    stream, book = arrivals(events, chaos), calendar()
    timeline = Timeline(settings, book, hold=chaos.hold)
    durable: tuple[dict[str, Any] | None, int] = (None, 0)
    position = 0
    while True:
        consumer.take(timeline.release())
        crashed = draw.randrange(100) < chaos.crashes
        for _ in range(draw.randint(1, 3)):
            batch = stream[position : position + draw.randint(1, 9)]
            position += len(batch)
            late = timeline.add(frame([e for _, e in batch]))
            assert late.is_empty()
            consumer.take(timeline.recompute())
            if batch and chaos.evict and draw.randrange(3) == 0:
                frontier = START + timedelta(seconds=TICK * (batch[-1][0] - chaos.late - chaos.gap))
                timeline.evict(int(frontier.timestamp()) * 1_000_000)
        snapshot = (timeline.snapshot(), position)
        if crashed:
            timeline = Timeline(settings, book, hold=chaos.hold)
            state, position = durable
            if state is not None:
                timeline.restore(state)
            continue
        durable = snapshot
        if position == len(stream):
            break
    consumer.take(timeline.release())
    return timeline


@st.composite
def event_sets(draw: st.DrawFn, by_sequence: bool = False, gap: int = 20) -> list[Event]:
    """Jobs, counts, readings with resets and rollovers of two work centres; a state report every gap."""
    random_ = random.Random(draw(st.integers(0, 2**32)))
    events: list[Event] = []
    for work_center in ("W1", "W2"):
        ticks = sorted(random_.randrange(TICKS) for _ in range(draw(st.integers(5, 40))))
        levels = {"a": 5, None: 0}
        for position, tick in enumerate(ticks):
            sequence = position if by_sequence or random_.random() < 0.5 else None
            events.append(_event(random_, (work_center, tick, sequence), levels, len(events)))
        events += [
            Event(len(events) + n, work_center, at, "state", state="UNCHANGED", job="NONE")
            for n, at in enumerate(range(gap // 2, TICKS + gap, gap))
        ]
    return events


def _event(random_: random.Random, place: tuple[str, int, int | None], levels: dict[Any, int], number: int) -> Event:
    work_center, tick, sequence = place
    order = random_.choice([None, None, "A", "B"])
    kind = random_.choice(["count", "reading", "reading", "state", "state"])
    if kind == "count":
        quantity = (random_.randint(0, 5), random_.randint(0, 2), 0)
        return Event(number, work_center, tick, kind, sequence, quantity=quantity, order=order)
    if kind == "reading":
        counter = random_.choice(["a", None])
        fresh = random_.random() < 0.2
        levels[counter] = random_.randint(0, 3) if fresh else levels[counter] + random_.randint(0, 4)
        quantity = (levels[counter] % 32, levels[counter] % 32 // 4, 0)
        if sequence is not None and random_.random() < 0.2:
            tick = max(0, tick - random_.randint(1, 30))  # a clock that steps back
        return Event(number, work_center, tick, kind, sequence, counter, None, quantity, order)
    job = random_.choice(["NONE", "START", "START", "PAUSE", "RESUME", "END"])
    state = random_.choice(["UNCHANGED", "PRODUCTION", "SETUP", "DOWN", "DELAY"])
    completed = job == "END" and random_.random() < 0.5
    return Event(number, work_center, tick, kind, sequence, order=order, state=state, job=job, completed=completed)
