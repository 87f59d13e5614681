"""What the ledger holds follows the flow on the real engine: cancelled orders, and pieces that find a job later."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from dataflows.settings import ConfirmationsSettings
from millrace.ledger import Ledger
from millrace.ledger.letters import LetterFilter, page
from millrace.ledger.model import Action
from millrace.ledger.tables import audit
from schemas.contracts import contract
from schemas.types import polars_schema
from sinks.ledger import LedgerPartition
from tests.flows.memory import START, Script, batch, cycle, order, run
from tests.unit.ledger_desk import SYSTEM, book_all

CANCELLED = {"status": "CANCELLED"}


def settings(**values: Any) -> ConfirmationsSettings:
    return ConfirmationsSettings(**{"window": "10m", "lateness_s": 30, "default_zone": "UTC", **values})


class Books:
    """A flow's sink into a ledger, and a poster behind it."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder}/ledger.db"
        self.sink, self.ledger = LedgerPartition(url, "confirmations"), Ledger(url, who="poster")

    def take(self, items: list[Any]) -> None:
        self.sink.write_batch(items)

    def post(self) -> list[Action]:
        self.ledger.intake(lambda _plant, _kind: SYSTEM)
        return [step.action for step in book_all(self.ledger)]

    def booked(self) -> dict[str, Decimal]:
        totals = self.ledger.booked_totals()
        return {order_id: amounts["yield"] for (_, order_id, _), amounts in totals.items() if amounts}

    def letters(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for letter in self.ledger.ask(lambda connection: page(connection, LetterFilter())).letters:
            found.setdefault(letter.state, []).append(letter.reason)
        return found


@pytest.fixture
def books(tmp_path: Path):
    made = Books(tmp_path)
    yield made
    made.sink.close()
    made.ledger.close()


@dataclass
class Plant:
    """What there is to read so far; each `go` reads what is new, and keeps what is open."""

    books: Books
    folder: Path
    values: dict[str, Any] = field(default_factory=dict)
    lanes: list[Any] = field(default_factory=list)
    orders: list[Any] = field(default_factory=list)
    made: dict[str, int] = field(default_factory=dict)

    def events(self, name: str, *records: dict[str, Any]) -> None:
        at = self.made.get(name, 0)
        self.lanes.append(batch(name, records, 0, at))
        self.made[name] = at + len(records)

    def say(self, *records: dict[str, Any]) -> None:
        self.orders.append(batch("WorkOrder", records, 0, len(self.orders)))

    def go(self, abort_after: int | None = None, workers: int = 1) -> None:
        drain = len(self.lanes) if abort_after is None else None
        script = Script([self.lanes], self.orders, abort_after=abort_after, drain_after=drain)
        run(settings(**self.values), script, self.books, self.folder / "recovery", workers=workers)


def pieces(first: int, count: int, at: float, **values: Any) -> list[dict[str, Any]]:
    return [cycle(first + n, "A", at + 15.0 * n, **values) for n in range(count)]


def test_a_cancelled_order_is_reversed_through_crashes_and_booked_again_when_it_comes_back(
    books: Books, tmp_path: Path
) -> None:
    plant = Plant(books, tmp_path)
    plant.say(order("O1"), order("O2"))
    plant.events("MachineCycle", *pieces(0, 100, 0), *pieces(100, 20, 1500, order_id="O2"))
    plant.events("MachineCycle", *pieces(120, 5, 3000, order_id="O2"))
    plant.go()
    assert books.post() == [Action.BOOK] * 4
    assert books.booked() == {"O1": Decimal(100), "O2": Decimal(20)}
    plant.say(order("O1", 2) | CANCELLED)
    plant.events("MachineCycle", *pieces(125, 40, 3075))
    plant.events("MachineCycle", *pieces(165, 40, 3675, order_id="O2"))
    plant.go(abort_after=1)
    taken_back = books.post()
    plant.go()
    taken_back += books.post()
    assert taken_back.count(Action.REVERSE) == 3, "one for each window of the order"
    assert "O1" not in books.booked()
    plant.say(order("O1", 3))
    plant.events("MachineCycle", *pieces(205, 40, 9000, order_id="O2"))
    plant.go()
    books.post()
    assert books.booked()["O1"] == Decimal(140)
    assert books.ledger.inconsistent() == []


@pytest.mark.parametrize("job_starts_at", [-60.0, 300.0])
def test_pieces_that_find_their_job_later_resolve_their_letter_and_only_if_all_do(
    books: Books, tmp_path: Path, job_starts_at: float
) -> None:
    plant = Plant(books, tmp_path, {"wait_s": 1800})
    plant.say(order("O1"))
    plant.events("MachineCycle", *pieces(0, 30, 0, order_id=None, operation=None))
    plant.events("MachineCycle", *pieces(30, 5, 7200, order_id="O1"))
    plant.events("MachineCycle", *pieces(35, 5, 7300, order_id="O1"))
    plant.go()
    assert books.letters() == {"open": ["no_active_job"]}
    plant.events("MachineState", job(1, job_starts_at, "START"), job(2, 700, "END"))
    plant.events("MachineCycle", *pieces(40, 5, 14400, order_id="O1"))
    plant.events("MachineCycle", *pieces(45, 5, 18000, order_id="O1"))
    plant.events("MachineCycle", *pieces(50, 5, 21600, order_id="O1"))
    plant.go()
    assert books.letters() == {"resolved" if job_starts_at < 0 else "open": ["no_active_job"]}
    why = books.ledger.ask(
        lambda c: c.execute(select(audit.c.who, audit.c.why).where(audit.c.letter_id.is_not(None))).all()
    )
    assert [who for who, _ in why] == (["confirmations"] if job_starts_at < 0 else [])


def job(number: int, at: float, event: str) -> dict[str, Any]:
    """A MachineState of machine A that starts or ends order O1."""
    record = dict.fromkeys(polars_schema(contract("MachineState")))
    named = {"plant": "P1", "source": "A-plc", "sequence": number, "work_center": "WC-A", "state": "PRODUCTION"}
    told = {"job_event": event, "order_id": "O1", "operation": "0010", "completed": False}
    return {**record, "event_id": f"A-s{number}", "event_time": START + timedelta(seconds=at), **named, **told}
