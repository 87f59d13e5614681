"""The table of a run: each fault with its times, what was lost or doubled meanwhile, and the seconds to recover.

Where a loss or a double came from is told by time alone: it stands with every fault that was on between the first and
the last change of its operation's postings, and with none where nothing was ever posted. Faults overlap with deaths
all the time, and what a process did under one shows after the next, so no record of the run could name the one cause.
The last line of a run counts every operation once, and is exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, func, select

from millrace.ledger.tables import postings
from tests.chaos.full.injector import Incident
from tests.chaos.full.verdict import FullVerdict, amounts
from tests.chaos.full.world import World

_HEAD = ("fault", "times", "lost", "doubled", "seconds to recover (mean, max)")


@dataclass(slots=True)
class Row:
    """One fault.

    Args:
        fault: Its name.
        times: How often it came about.
        lost: What operations lost that were posted to while it was on; one loss may stand in several rows.
        doubled: What they doubled.
        recovery: Seconds from the end of each to when everything went on; empty where it was not measured.
    """

    fault: str
    times: int = 0
    lost: Decimal = Decimal(0)
    doubled: Decimal = Decimal(0)
    recovery: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        rounded = [round(seconds, 2) for seconds in self.recovery]
        return {**asdict(self), "lost": str(self.lost), "doubled": str(self.doubled), "recovery": rounded}

    @property
    def cells(self) -> tuple[str, ...]:
        """As printed."""
        mean = sum(self.recovery) / len(self.recovery) if self.recovery else 0.0
        recovery = f"{mean:.1f}, {max(self.recovery):.1f}" if self.recovery else "-"
        amounts = (f"{amount.normalize():f}" if amount else "0" for amount in (self.lost, self.doubled))
        return (self.fault, str(self.times), *amounts, recovery)


def rows(world: World, verdict: FullVerdict) -> list[Row]:
    """All faults and deaths of a run."""
    spans = world.ledger.ask(lambda connection: list(_spans(connection, verdict)))
    found = [*_of_incidents(world.injector.incidents, spans), *_of_deaths(world)]
    found += [Row(f"ERP fault: {kind}", times) for kind, times in sorted(world.erp_faults.kinds.items())]
    return found


Span = tuple[int, int, Decimal, Decimal]  # first and last change of an operation's postings, lost, doubled


def _spans(connection: Connection, verdict: FullVerdict) -> Iterator[Span]:
    for row in verdict.wrong:
        query = select(func.min(postings.c.created_at), func.max(postings.c.updated_at)).where(
            postings.c.order_id == row.order_id, postings.c.operation == row.operation
        )
        first, last = connection.execute(query).one()
        yield (first or 0, last or 0, *amounts(row))


def _of_incidents(incidents: Sequence[Incident], spans: Sequence[Span]) -> list[Row]:
    found: dict[str, Row] = {}
    for incident in incidents:
        row = found.setdefault(incident.name, Row(incident.name))
        row.times += 1
        row.recovery.append(incident.recovery)
        for first, last, lost, doubled in spans:
            if first <= incident.ended and last >= incident.begun:
                row.lost += lost
                row.doubled += doubled
    return [found[name] for name in sorted(found)]


def _of_deaths(world: World) -> Iterable[Row]:
    seconds: dict[str, list[float]] = defaultdict(list)
    for stopwatch in world.cast.stopwatches:
        seconds[stopwatch.kind] += stopwatch.seconds
    for kind in sorted(seconds):
        yield Row(f"{kind} killed", world.cast.deaths(kind), recovery=seconds[kind])


def lines(found: Sequence[Row]) -> Iterator[str]:
    """As text, columns aligned."""
    table = [_HEAD, *(row.cells for row in found)]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(_HEAD))]
    for cells in table:
        first, *others = (f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        yield "  ".join([f"{cells[0]:<{len(first)}}", *others])
