"""A ledger's life: flows count, orders are cancelled and released, rules are replayed, old orders are archived, the way
to the ERP fails and posters die, in any order. In the end the ERP has the plain sum of what is wanted."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from millrace.ledger import desired, replaying
from millrace.ledger.archiving import archive
from millrace.ledger.letter_states import Person
from millrace.ledger.model import DesiredDocument
from millrace.ledger.replaying import Fate
from millrace.ledger.withdrawals import OrderStanding
from tests.conformance.erp_world import document
from tests.property.test_ledger_converges import _BOUNDED, Posting

ORDERS = ("1000001", "1000002")
SOMEBODY = Person("ann", "rules were mended")
_order, _number = st.sampled_from(ORDERS), st.integers(1, 3)


class Life(Posting):
    """Beside posting with faults: standings of orders, replays and the archive."""

    @initialize()
    def begin(self) -> None:
        super().begin()
        self.versions = dict.fromkeys(ORDERS, 1)
        self.cancelled = dict.fromkeys(ORDERS, False)

    def _of(self, order: str) -> list[DesiredDocument]:
        return [each for each in self.newest.values() if each.order_id == order]

    @rule(order=_order, number=_number, revision=st.integers(1, 9), good=st.integers(0, 5), seconds=st.integers(0, 100))
    def desire(self, order: str, number: int, revision: int, good: int, seconds: int) -> None:
        """As the flow, which knows how its orders stand."""
        made = document(number, order, revision, **{"yield": str(good)}, machine_time=str(seconds))
        made = replace(made, reference_version=self.versions[order], cancelled=self.cancelled[order])
        known = self.newest.get(made.key)
        if known is None or known.version < made.version:
            self.newest[made.key] = made
        self.world.want(made)

    @rule(order=_order, cancelled=st.booleans())
    def change_the_order(self, order: str, cancelled: bool) -> None:
        self.versions[order] += 1
        self.cancelled[order] = cancelled
        standing = OrderStanding("P1", order, "ProductionConfirmation", self.versions[order], cancelled)
        self.world.ledger.put_desired([], [standing])
        self.world.want()
        for each in self._of(order):
            if each.cancelled != cancelled:
                self.newest[each.key] = replace(each, reference_version=self.versions[order], cancelled=cancelled)

    @rule(order=_order, number=_number, good=st.integers(0, 5), more=st.integers(0, 1))
    def replay(self, order: str, number: int, good: int, more: int) -> None:
        """The same version with another content, or one of more events."""
        known = self.newest.get(document(number, order).key)
        if known is None:
            return
        amounts = {} if known.cancelled else {"yield": Decimal(good)}
        made = replace(known, quantities=amounts, revision=known.revision + more)
        put = self.world.ledger.change(
            lambda engine, connection, now: replaying.put(engine, connection, [made], SOMEBODY, now)
        )
        if put.counts[Fate.PUT]:
            self.newest[made.key] = made
        self.world.want()

    @rule(seconds=st.integers(0, 30))
    def night(self, seconds: int) -> None:
        """Whatever is settled at all."""
        self.world.clock.advance(1 + seconds)
        archive(self.world.ledger, Path(self.folder.name) / "archive", 0, "night")

    @rule()
    def a_flow_repeats_itself(self) -> None:
        """From a state of before: everything once more, and what was less."""
        less = [replace(each, revision=each.revision - 1, quantities={}) for each in self.newest.values()]
        self.world.want(*less, *self.newest.values())

    def _agree(self) -> None:
        wanted = {key: replace(each, quantities={}) if each.cancelled else each for key, each in self.newest.items()}
        self.world.want(*self.newest.values())
        self.world.settle()
        self.newest = wanted
        super()._agree()


def test_whatever_happens_to_a_ledger_the_erp_has_the_plain_sum() -> None:
    run_state_machine_as_test(Life, settings=_BOUNDED)


def test_where_nothing_is_brought_back_the_same_test_finds_what_is_booked_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Negative control: an archived order is then one that nothing is known of."""
    monkeypatch.setattr(desired, "bring_back", lambda *_: set())
    quick = settings(_BOUNDED, phases=[Phase.generate], report_multiple_bugs=False, max_examples=200)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Life, settings=quick)
