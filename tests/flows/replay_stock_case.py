"""A stockroom whose replenishment flow ran with history and ledger, and ways to replay it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from dataflows.master_data import MasterData
from dataflows.replay import Replay
from dataflows.replay_changes import Compared
from dataflows.replay_flows import replayable
from dataflows.replay_range import Range
from dataflows.replenishment_settings import ReplenishmentSettings
from millrace.ledger import Ledger
from operators.shifts import CalendarBook, utc_calendar
from schemas.contracts import contract
from schemas.types import polars_schema
from sinks.ledger import LedgerSink
from tests.flows import stock_memory
from tests.flows.stock_records import Record, balance, issue, material, order, receipt

FLOW = replayable("replenishment")
#: Minutes that the records of `plant` span.
SPAN = 2400


def settings(folder: Path, **values: Any) -> ReplenishmentSettings:
    """s = 100, S = 300, five minutes of lateness."""
    kept = {"history": folder / "history", "ledger": f"sqlite:///{folder}/ledger.db", "recovery": None}
    return stock_memory.settings(**{"lateness_s": 300, **kept, **values})


def number(crossing: int) -> str:
    return f"P1||STEEL|RM01|{crossing}"


def plant(seed: int) -> list[Record]:
    """Two days of issues, orders and receipts, of which the first answer requests; in the order of event time."""
    chance = random.Random(seed)
    used = [issue(n, 30.0 * n + chance.uniform(0, 9), chance.randrange(15, 40)) for n in range(1, SPAN // 30)]
    ordered = [order(300.0 * n, 200, f"{n}0", request_number=number(n) if n < 6 else None) for n in range(1, 10)]
    came = [receipt(f"R{n}", 300.0 * n + 120, 200, item=f"{n}0", delivery_completed=True) for n in range(1, 10)]
    counted = [balance(0, 260), balance(1450, 330), *elsewhere(SPAN, 60)]
    return sorted([*used, *ordered, *came, *counted], key=lambda record: record["event_time"])


def elsewhere(span: int, every: int) -> list[Record]:
    """Counts of another place every so many minutes, by which time passes on the topic of balances."""
    return [balance(float(at), 500, storage_location="RM09") for at in range(0, span, every)]


def run_flow(folder: Path, records: Sequence[Record], given: ReplenishmentSettings) -> None:
    """The flow over records to the end, with its history and ledger; reads them one at a time."""
    sink = LedgerSink(str(given.ledger), given.flow).build("ledger", 0, 1)

    class Into(stock_memory.Heard):
        def take(self, items: list[Any]) -> None:
            sink.write_batch(items)

    stock_memory.run(given, [stock_memory.polled(records)], Into(), folder / "recovery")
    sink.close()


def master(record: Record | None = None) -> MasterData:
    frame = pl.DataFrame([record or material()], schema=polars_schema(contract("Material")))
    return MasterData([("Material", frame)], CalendarBook([], utc_calendar()))


def replay(folder: Path, given: ReplenishmentSettings, wanted: Range | None = None, **values: Any) -> Replay:
    """A replay that has run to its end."""
    made = Replay(FLOW, given, wanted or Range(), values.pop("master", master()), folder / "replay", **values)
    made.plan()
    made.compute()
    return replace(made)


def compared(given: ReplenishmentSettings, made: Replay) -> Compared:
    with Ledger(str(given.ledger)) as ledger:
        return made.flow.compare(ledger, made)
