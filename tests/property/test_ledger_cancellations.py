"""Orders cancelled and released while flows, replays, posters and the archive work: the last version counts."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from millrace.ledger import Ledger, Status, withdrawals
from millrace.ledger.archiving import archive
from millrace.ledger.model import DesiredDocument
from millrace.ledger.tables import tombstones
from millrace.ledger.text import Quantities, load_quantities
from millrace.ledger.tombstones import archived_documents
from millrace.ledger.withdrawals import OrderStanding
from tests.conformance.erp_world import Clock, document
from tests.unit.ledger_desk import book_all, claim, finish, want
from tests.unit.replaying_case import put_one

ORDER = "1000001"
DAY = 86_400
WINDOWS, VERSIONS = 3, 4
#: What happens, to which window, and in which version of the order as its doer knows it.
Acts = st.lists(
    st.tuples(
        st.sampled_from(["count", "order", "post", "unsure", "archive", "replay"]),
        st.integers(1, WINDOWS),
        st.integers(1, VERSIONS),
    ),
    max_size=25,
)


class Plant:
    """An order with some windows, of which each event counts one piece, and a rule that may count each twice."""

    def __init__(self, folder: Path, cancelled: list[bool]) -> None:
        self.clock = Clock()
        self.ledger = Ledger(f"sqlite:///{folder}/ledger.db", clock=self.clock)
        self._archive, self._cancelled = folder / "archive", cancelled
        self._events = dict.fromkeys(range(1, WINDOWS + 1), 0)
        self.wanted: dict[int, int] = {}

    def act(self, act: str, window: int, version: int) -> None:
        """One thing happens."""
        match act:
            case "count":
                self._events[window] += 1
                self.wanted[window] = self._events[window]
                want(self.ledger, self._total(window, version))
            case "order":
                want_standing(self.ledger, self.standing(version))
            case "post":
                book_all(self.ledger)
            case "unsure":
                finish(self.ledger, claim(self.ledger), Status.UNKNOWN)
            case "archive":
                self.clock.advance(40 * DAY)
                archive(self.ledger, self._archive, 30, "ann")
            case "replay" if window in self.wanted:
                self._replay(window)

    def _total(self, window: int, version: int) -> DesiredDocument:
        made = document(window, ORDER, self._events[window], **{"yield": str(self.wanted[window])})
        return replace(made, reference_version=version, cancelled=self._cancelled[version - 1])

    def _replay(self, window: int) -> None:
        """Another content of what the ledger has, put while nothing of it is under way; else it is left."""
        twice = 2 * self._events[window]
        made = replace(self._total(window, VERSIONS), quantities={"yield": Decimal(twice)})
        if put_one(self.ledger, made).value in ("put", "same"):
            self.wanted[window] = twice

    def standing(self, version: int) -> OrderStanding:
        return OrderStanding("P1", ORDER, "ProductionConfirmation", version, self._cancelled[version - 1])

    def end(self) -> Decimal:
        """The last version of the order is heard, and everything is posted; what is booked then."""
        want_standing(self.ledger, self.standing(VERSIONS))
        for _ in range(3):
            self.clock.advance(DAY)
            book_all(self.ledger)
        assert self.ledger.inconsistent() == []
        totals = [*self.ledger.booked_totals().values(), *self.ledger.ask(_archived)]
        return sum((total.get("yield", Decimal(0)) for total in totals), Decimal(0))


def _archived(connection: Connection) -> list[Quantities]:
    packed = connection.scalars(select(tombstones.c.packed))
    return [load_quantities(each.booked) for some in packed for each in archived_documents(some)]


def want_standing(ledger: Ledger, standing: OrderStanding) -> None:
    ledger.put_desired([], [standing])
    want(ledger)


def lived(cancelled: list[bool], acts: list[tuple[str, int, int]]) -> tuple[Decimal, int]:
    """What is booked in the end, and what should be."""
    with TemporaryDirectory() as folder:
        plant = Plant(Path(folder), cancelled)
        with plant.ledger:
            for act in acts:
                plant.act(*act)
            right = 0 if cancelled[-1] else sum(plant.wanted.values())
            return plant.end(), right


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=VERSIONS, max_size=VERSIONS), Acts)
def test_what_is_booked_in_the_end_is_what_the_last_version_of_the_order_wants(
    cancelled: list[bool], acts: list[tuple[str, int, int]]
) -> None:
    booked, right = lived(cancelled, acts)
    assert booked == right


def test_without_the_order_windows_that_no_flow_keeps_stay_booked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    monkeypatch.setattr(withdrawals, "_documents", lambda *_: [])
    booked, right = lived([False, False, False, True], [("count", 1, 1), ("post", 1, 1)])
    assert (booked, right) == (1, 0)
