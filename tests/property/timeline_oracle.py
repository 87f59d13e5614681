"""Totals of work centres computed one event at a time, by the book and without any of the product's rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")
TICK = 30  # seconds: every event time is a multiple of it
START = datetime(2026, 3, 28, 21, 30, tzinfo=UTC)  # 22:30 on the night before summer time
#: Name, start, end, days until the end; none starts on a Sunday.
SHIFTS = (
    ("L", "14:00", "23:00", 0),
    ("M", "23:00", "23:40", 0),
    ("N", "23:40", "00:50", 1),
    ("E", "06:00", "14:00", 0),
)
RANK = {"count": 0, "reading": 1, "state": 2}


@dataclass(frozen=True)
class Event:
    """One event; quantities are (good, scrap, rework)."""

    number: int
    work_center: str
    tick: int
    kind: str
    sequence: int | None = None
    counter: str | None = None
    reading_event: str | None = None
    quantity: tuple[int, int, int] = (0, 0, 0)
    order: str | None = None
    state: str | None = None
    job: str | None = None
    completed: bool = False

    @property
    def event_id(self) -> str:
        return f"e{self.number * 7919 % 1000:03}-{self.number}"

    @property
    def time(self) -> datetime:
        return START + timedelta(seconds=TICK * self.tick)

    @property
    def order_key(self) -> tuple:
        sequence = -1 if self.sequence is None else self.sequence
        return (self.tick, sequence, RANK[self.kind], self.event_id)


@dataclass(frozen=True)
class Policy:
    """The few counter rules that the oracle knows."""

    start: str = "first_reading_is_baseline"
    lower: str = "quarantine"
    reset_below: int | None = None
    modulus: int | None = None
    confirm: int = 1
    by_sequence: bool = False


def shift_of(at: datetime) -> tuple[str, datetime, datetime, date]:
    """Shift, its bounds and its day; outside all shifts the local day."""
    local = at.astimezone(BERLIN)
    for back in (0, 1):
        day = local.date() - timedelta(days=back)
        for name, first, last, days in SHIFTS:
            start, end = _local(day, first), _local(day + timedelta(days=days), last)
            if day.isoweekday() != 7 and start <= at < end:
                return name, start, end, day
    return "", *day_of(at), local.date()


def _local(day: date, clock: str) -> datetime:
    hour, minute = clock.split(":")
    return datetime(day.year, day.month, day.day, int(hour), int(minute), tzinfo=BERLIN).astimezone(UTC)


def day_of(at: datetime) -> tuple[datetime, datetime]:
    day = at.astimezone(BERLIN).date()
    after = day + timedelta(days=1)
    midnights = (datetime(d.year, d.month, d.day, tzinfo=BERLIN).astimezone(UTC) for d in (day, after))
    return tuple(midnights)


def window_of(at: datetime, window: str) -> tuple[str, datetime]:
    """Shift and window start of the document."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    if window == "operation":
        return "", epoch
    if window == "day":
        return "", day_of(at)[0]
    shift, start, _, _ = shift_of(at)
    if window == "shift":
        return shift, start
    minutes = timedelta(minutes=int(window[:-1]))
    return shift, at - (at - epoch) % minutes


def steps(readings: list[Event], policy: Policy) -> dict[str, tuple[int, ...] | None]:
    """What each reading of one counter added; None where it is quarantined."""
    key = (lambda e: (e.sequence, e.event_id)) if policy.by_sequence else (lambda e: e.order_key)
    out: dict[str, tuple[int, ...] | None] = {}
    level: tuple[int, ...] | None = None
    suspect: tuple[int, ...] | None = None
    run = 0
    for event in sorted(readings, key=key):
        step = _step(level, event.quantity, policy)
        if step is None and suspect is not None:
            rises = all(b >= a for a, b in zip(suspect, event.quantity, strict=True)) and event.quantity != suspect
            run = run + 1 if rises else 0
            if policy.confirm and run >= policy.confirm:
                step = tuple(b - a for a, b in zip(suspect, event.quantity, strict=True))
        out[event.event_id] = step
        if step is None:
            run = run if suspect is not None else 0
            suspect = event.quantity
        else:
            level, suspect, run = event.quantity, None, 0
    return out


def _step(level: tuple[int, ...] | None, value: tuple[int, ...], policy: Policy) -> tuple[int, ...] | None:
    if policy.modulus is not None and max(value) >= policy.modulus:
        return None
    if level is None:
        step = value if policy.start == "zero" else (0, 0, 0)
    elif all(b >= a for a, b in zip(level, value, strict=True)):
        step = tuple(b - a for a, b in zip(level, value, strict=True))
    elif policy.lower == "reset" and max(value) <= policy.reset_below:
        step = value
    elif policy.lower == "rollover":
        step = tuple((b - a) % policy.modulus for a, b in zip(level, value, strict=True))
    else:
        return None
    if policy.modulus is not None and max(step) > policy.modulus // 2:
        return None
    return step


def totals(events: list[Event], window: str, policy: Policy) -> dict[tuple, dict[str, Decimal]]:
    """Totals per (work centre, order, operation, shift, window start), without keys that show nothing."""
    out: dict[tuple, dict[str, Decimal]] = {}

    def add(work_center: str, order: str, at: datetime, **measures: Decimal) -> None:
        key = (work_center, order, "0010" if order else "", *window_of(at, window))
        row = out.setdefault(key, {})
        for name, value in measures.items():
            row[name] = row.get(name, Decimal(0)) + Decimal(value)

    for work_center in {e.work_center for e in events}:
        mine = sorted((e for e in events if e.work_center == work_center), key=lambda e: e.order_key)
        added: dict[str, tuple[int, ...] | None] = {}
        for counter in {e.counter for e in mine if e.kind == "reading"}:
            added |= steps([e for e in mine if e.kind == "reading" and e.counter == counter], policy)
        _walk(mine, added, add)
    return {key: row for key, row in out.items() if any(row.values())}


def _walk(events: list[Event], added: dict, add) -> None:
    active, last_named = "", ""
    state: str | None = None
    since: int | None = None
    for event in events:
        if event.kind == "state":
            if since is not None and active and state in ("PRODUCTION", "SETUP"):
                measure = "machine_time" if state == "PRODUCTION" else "setup_time"
                for tick in range(since, event.tick):
                    at = START + timedelta(seconds=TICK * tick)
                    add(event.work_center, active, at, **{measure: TICK})
            since = event.tick
            state = state if event.state == "UNCHANGED" else event.state
            if event.job == "END" and event.completed and (event.order or active):
                add(event.work_center, event.order or active, event.time, completed=1)
            if event.job in ("START", "RESUME"):
                if event.order:
                    active = last_named = event.order
                else:
                    active = last_named if event.job == "RESUME" else ""
            elif event.job in ("PAUSE", "END") and event.order in (None, last_named):
                active = ""
            continue
        step = event.quantity if event.kind == "count" else added[event.event_id]
        if step is not None:
            measures = dict(zip(("quantity_yield", "quantity_scrap", "quantity_rework"), step, strict=True))
            add(event.work_center, event.order or active, event.time, events=1, **measures)
