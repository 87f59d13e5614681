"""A small plant whose flow ran with history and ledger, and ways to replay it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import select

from dataflows.master_data import MasterData
from dataflows.replay import Replay
from dataflows.replay_changes import Compared
from dataflows.replay_compare import compare_with, standing_documents
from dataflows.replay_flows import replayable
from dataflows.replay_late import late_additions
from dataflows.replay_range import Range
from dataflows.settings import ConfirmationsSettings, CounterRule
from millrace.ledger import Ledger
from millrace.ledger.tables import audit, documents
from operators.counter_policy import CounterPolicy
from operators.shifts import CalendarBook, utc_calendar
from schemas.contracts import contract
from schemas.types import polars_schema
from sinks.ledger import LedgerSink
from tests.flows import memory
from tests.flows.memory import START, Script, batch, cycle, order

FLOW = replayable("confirmations")
#: A rule for counters that fall back, and what it adds each time: the counter of machine C falls to 2.
RESET = (CounterRule(policy=CounterPolicy(lower="reset", reset_below=10)),)
ONE_STEP = Decimal(2)
HOUR = 3_600_000_000
BEGIN = int(START.timestamp() * 1e6)


def settings(folder: Path, **values: Any) -> ConfirmationsSettings:
    known = {
        "window": "1h",
        "lateness_s": 60,
        "horizon_h": 6,
        "default_zone": "UTC",
        "shards": 2,
        "ring": 8,
        "work_center_shards": 4,
        "history": folder / "history",
        "ledger": f"sqlite:///{folder}/ledger.db",
    }
    return ConfirmationsSettings(**{**known, **values})


def counter(number: int, machine: str, at: float, reading: int) -> dict[str, Any]:
    """A cumulative reading of a machine that names no order."""
    values = {"order_id": None, "operation": None, "counting": "CUMULATIVE", "quantity_good": Decimal(reading)}
    return cycle(number, machine, at, counter="good", **values)


def state(number: int, machine: str, at: float, **values: Any) -> dict[str, Any]:
    """A MachineState, `at` seconds after START."""
    record = dict.fromkeys(polars_schema(contract("MachineState")))
    return {
        **record,
        "event_id": f"{machine}-s{number}",
        "event_time": START + timedelta(seconds=at),
        "plant": "P1",
        "source": f"{machine}-plc",
        "sequence": number,
        "work_center": f"WC-{machine}",
        "state": "PRODUCTION",
        "job_event": None,
        "order_id": None,
        "operation": None,
        "completed": False,
        **values,
    }


def records(seed: int, hours: int = 30) -> dict[str, list[dict[str, Any]]]:
    """Machines that count by order, a counter under changing jobs, and what they do."""
    chance = random.Random(seed)
    cycles = [
        cycle(n, machine, n * 900.0 + chance.random() * 60, order_id=f"O{1 + n // 40}", quantity_good=Decimal(n % 5))
        for machine in ("A", "B")
        for n in range(hours * 4)
    ]
    reading, readings = 0, []
    for n in range(hours * 4):
        reading = 2 if n and n % 37 == 0 else reading + chance.randrange(4)
        readings.append(counter(n, "C", n * 900.0 + 30, reading))
    jobs = [
        state(n, "C", n * 9000.0, job_event="START", order_id=f"O{1 + n % 3}", operation="0010", state="PRODUCTION")
        for n in range(hours * 2 // 5)
    ]
    # The flow goes on for a while, so that what it holds back until it is durable comes out.
    later = [cycle(n, "Z", hours * 3600.0 + n * 60, order_id="O6") for n in range(0, 400, 4)]
    counted = sorted([*cycles, *readings], key=lambda record: record["event_time"])
    return {"MachineCycle": [*counted, *later], "MachineState": jobs}


ORDERS = [f"O{n}" for n in range(1, 7)]


def known_orders() -> list[dict[str, Any]]:
    return [order(name, target_quantity=Decimal(60)) for name in ORDERS]


def polls(made: Mapping[str, Sequence[dict[str, Any]]]) -> Iterator[tuple[int, Any]]:
    """Two hours of each topic at a time, as a flow that keeps up reads them."""
    for name, rows in made.items():
        for hour, some in groupby(
            enumerate(rows), key=lambda each: (each[1]["event_time"] - START) // timedelta(hours=2)
        ):
            listed = list(some)
            yield int(hour), batch(name, [row for _, row in listed], 0, listed[0][0])


def run_flow(
    folder: Path,
    made: Mapping[str, Sequence[dict[str, Any]]],
    given: ConfirmationsSettings,
    known: Sequence[dict[str, Any]] | None = None,
) -> None:
    """The flow over records in memory, to the end, with its history and ledger."""
    merged = [b for _, b in sorted(polls(made), key=lambda each: each[0])]
    script = Script([merged], [batch("WorkOrder", known_orders() if known is None else known, 0, 0)])
    sink = LedgerSink(str(given.ledger), given.flow).build("ledger", 0, 1)

    class Into(memory.Consumer):
        def take(self, items: list[Any]) -> None:
            sink.write_batch(items)

    memory.run(given, script, Into(), folder / "recovery")
    sink.close()


def master(given: Sequence[dict[str, Any]] | None = None) -> MasterData:
    rows = given if given is not None else known_orders()
    frame = pl.DataFrame(list(rows), schema=polars_schema(contract("WorkOrder")))
    return MasterData([("WorkOrder", frame)], CalendarBook([], utc_calendar()))


def replay(folder: Path, given: ConfirmationsSettings, wanted: Range | None = None, **values: Any) -> Replay:
    """A replay that has run to its end."""
    made = Replay(FLOW, given, wanted or Range(), values.pop("master", master()), folder / "replay", **values)
    made.plan()
    with Ledger(str(given.ledger)) as ledger:
        late = late_additions(ledger, standing_documents(ledger, FLOW.kinds, made.wanted, made.touched))
    made = replace(made, late=late)
    made.compute()
    return made


def compared(given: ConfirmationsSettings, made: Replay) -> Compared:
    with Ledger(str(given.ledger)) as ledger:
        return compare_with(ledger, made)


def in_ledger(given: ConfirmationsSettings) -> dict[str, tuple[int, str]]:
    """Revision and quantities by document."""
    with Ledger(str(given.ledger)) as ledger:
        query = select(documents.c.key, documents.c.revision, documents.c.quantities)
        return {row.key: (row.revision, row.quantities) for row in ledger.ask(lambda c: c.execute(query).all())}


def audited(given: ConfirmationsSettings) -> list[tuple[str | None, str]]:
    with Ledger(str(given.ledger)) as ledger:
        rows = ledger.ask(lambda c: c.execute(select(audit.c.document_key, audit.c.why)).all())
        return [(row.document_key, row.why) for row in rows]
