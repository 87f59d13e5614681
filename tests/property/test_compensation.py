"""Totals rise, fall and are withdrawn, periods close, answers get lost, posters die: the ERP ends with what is desired.

The ERP insists on order at every moment, so what depends on something is posted after it and taken back before it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from millrace.ledger import DesiredDocument, Ledger, Status
from millrace.ledger.dependencies import Dependencies, DependencyRule
from millrace.ledger.difference import PostingRules
from millrace.ledger.model import Action, Step
from tests.conformance.erp_world import Clock
from tests.property.strict_erp import COUNTERED, StrictErp

TODAY = date(2026, 5, 4)
ORDERS = ("1000001", "1000002")
#: What an order consists of: kind, role, measure, final.
PARTS = {
    "hold": (COUNTERED, "hold", "quantity", False),
    "release": (COUNTERED, "release", "quantity", False),
    "issue": ("GoodsMovement", "issue", "quantity", False),
    "setup": ("ProductionConfirmation", None, "setup_time", False),
    "first": ("ProductionConfirmation", None, "yield", False),
    "last": ("ProductionConfirmation", None, "yield", True),
}
CONFIRMATION = {"kind": "ProductionConfirmation"}
RULES = (
    {
        "name": "hold before release",
        "document": {"kind": COUNTERED, "role": "release"},
        "waits_for": {"kind": COUNTERED, "role": "hold"},
        "missing": "wait",
    },
    {
        "name": "release before confirmation",
        "document": CONFIRMATION,
        "waits_for": {"kind": COUNTERED, "role": "release"},
        "undo": "independent",
    },
    {
        "name": "setup before final",
        "document": {**CONFIRMATION, "final": True},
        "waits_for": {**CONFIRMATION, "measure": "setup_time"},
        "operation": "same",
        "missing": "wait",
    },
    {
        "name": "issue before final",
        "document": {**CONFIRMATION, "final": True},
        "waits_for": {"kind": "GoodsMovement", "role": "issue"},
        "holds": "final",
        "missing": "wait",
        "on_reject": "undo",
    },
)
BOUNDED = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
_part = st.sampled_from(sorted(PARTS))
_order = st.sampled_from(ORDERS)


def total(order: str, part: str, amount: int, revision: int, *, cancelled: bool = False) -> DesiredDocument:
    """One document of an order."""
    kind, role, measure, final = PARTS[part]
    return DesiredDocument(
        key=f"P1|{order}|0010|{part}",
        kind=kind,
        plant="P1",
        order_id=order,
        sort_key=f"{sorted(PARTS).index(part)}",  # by name: not the order in which they depend on each other
        tier=1,
        revision=revision,
        reference_version=1,
        quantities={} if cancelled else {measure: Decimal(amount)},
        attributes={"operation": "0010", "role": role, "what": part, "posting_date": "2026-04-30"},
        final=final,
        cancelled=cancelled,
    )


class Compensating(RuleBasedStateMachine):
    """Two posters, two systems, two orders, one ERP that forgives nothing."""

    declared: ClassVar[tuple[dict[str, object], ...]] = RULES

    @staticmethod
    def fresh(folder: Path) -> str:
        """URL of an empty ledger."""
        return f"sqlite:///{folder / 'ledger.db'}"

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.erp = StrictErp()
        self.newest: dict[str, DesiredDocument] = {}
        self.planning = PostingRules(
            lambda name, attributes: Decimal(1),  # noqa: ARG005
            lambda amounts: [amounts],
            Dependencies(DependencyRule.model_validate(each) for each in self.declared),
            frozenset({COUNTERED}),
            lambda plant, now: TODAY,  # noqa: ARG005
        )
        url = self.fresh(Path(self.folder.name))
        self.posters = [Ledger(url, clock=self.clock, who=who, lease_seconds=30) for who in ("one", "other")]
        self.want_all(ORDERS[0], 3)
        self.post_all()

    def put(self, order: str, part: str, amount: int, *, cancelled: bool = False) -> None:
        known = self.newest.get(f"P1|{order}|0010|{part}")
        document = total(order, part, amount, known.revision + 1 if known else 1, cancelled=cancelled)
        self.newest[document.key] = document
        self.posters[0].put_desired([document])
        self.posters[0].intake(lambda _, kind: "wms" if kind == COUNTERED else "erp")

    def steps(self, poster: int) -> list[Step]:
        ledger = self.posters[poster]
        due = [name for name in ("erp", "wms") if ledger.due_tiers(name)]
        return [step for name in due for step in ledger.claim(name, 4, self.planning)]

    @rule(order=_order, part=_part, amount=st.integers(1, 6))
    def want(self, order: str, part: str, amount: int) -> None:
        self.put(order, part, amount)

    @rule(order=_order, amount=st.integers(1, 3))
    def want_all(self, order: str, amount: int) -> None:
        for part in PARTS:
            self.put(order, part, amount)

    @rule(order=_order, part=_part)
    def withdraw(self, order: str, part: str) -> None:
        self.put(order, part, 0, cancelled=True)

    @rule(order=_order)
    def cancel_the_order(self, order: str) -> None:
        for part in PARTS:
            self.put(order, part, 0, cancelled=True)

    @rule(poster=st.integers(0, 1), rounds=st.integers(1, 8))
    def post(self, poster: int, rounds: int) -> None:
        for _ in range(rounds):
            self.work(poster)

    @rule()
    def post_all(self) -> None:
        for _ in range(400):
            if not self.work(0) and not self.work(1):
                self.clock.advance(61)
                if not self.work(0) and not self.work(1):
                    return
        raise AssertionError("the posters do not come to rest")

    def work(self, poster: int) -> int:
        claimed = self.steps(poster)
        outcomes = [
            self.erp.answer(step) if step.status is Status.PENDING else self.erp.look_up(step) for step in claimed
        ]
        assert self.posters[poster].record_outcomes(outcomes) == []
        return len(claimed)

    @rule(poster=st.integers(0, 1), booked=st.booleans())
    def die(self, poster: int, booked: bool) -> None:
        """After the mark: before or after the ERP has booked."""
        for step in self.steps(poster):
            if booked and step.status is Status.PENDING:
                self.erp.answer(step)
        for name in ("erp", "wms"):
            self.posters[poster].recover(name)

    @rule(poster=st.integers(0, 1))
    def pause_for_longer_than_the_lease(self, poster: int) -> None:
        claimed = self.steps(poster)
        late = [self.erp.answer(step) for step in claimed if step.status is Status.PENDING]
        self.clock.advance(31)
        self.work(1 - poster)
        self.posters[poster].record_outcomes(late)

    @rule(order=_order, part=_part)
    def refuse(self, order: str, part: str) -> None:
        self.erp.refuses.add(f"P1|{order}|0010|{part}")

    @rule()
    def refuse_nothing(self) -> None:
        self.erp.refuses.clear()

    @rule(closed=st.booleans())
    def close(self, closed: bool) -> None:
        self.erp.closed_before = "2026-05-01" if closed else ""

    def teardown(self) -> None:
        try:
            assert not self.erp.breaches, self.erp.breaches[0]
            self._mend()
            self.post_all()
            self._agree()
        finally:
            for poster in self.posters:
                poster.close()
            self.folder.cleanup()

    def _mend(self) -> None:
        """Newer versions of everything, and whatever an order that is not withdrawn as a whole still needs."""
        self.erp.refuses.clear()
        for order in ORDERS:
            wanted = {part: self.newest.get(f"P1|{order}|0010|{part}") for part in PARTS}
            dead = all(document is None or document.cancelled for document in wanted.values())
            for part, known in wanted.items():
                if dead and known is not None:
                    self.put(order, part, 0, cancelled=True)
                elif not dead:
                    amount = 2 if known is None or known.cancelled else int(sum(known.quantities.values()))
                    self.put(order, part, amount)

    def _agree(self) -> None:
        assert not self.erp.breaches, self.erp.breaches[0]
        assert self.erp.doubled() == []
        ledger = self.posters[0]
        assert ledger.inconsistent() == []
        wanted = {key: dict(document.quantities) for key, document in self.newest.items() if document.quantities}
        assert self.erp.totals() == wanted
        for step in self.erp.booked:
            corrects = step.action is Action.REVERSE or any(amount < 0 for amount in step.quantities.values())
            assert bool(step.reverses and step.reverses_document) == corrects, "link of a correction"
            moved = "original_posting_date" in step.attributes
            assert step.attributes["posting_date"] == (TODAY.isoformat() if moved else "2026-04-30")
        assert all(
            (report.document["state"], report.document["booked_final"])
            == ("settled", report.document["final"] and not report.document["cancelled"])
            for order in ORDERS
            for report in ledger.order_report(order)
        )


class WithoutRules(Compensating):
    """The same with nothing declared."""

    declared: ClassVar[tuple[dict[str, object], ...]] = ()


class WithoutOrderOfReversals(Compensating):
    """The same where corrections do not care for what depends on them."""

    declared: ClassVar[tuple[dict[str, object], ...]] = tuple({**each, "undo": "independent"} for each in RULES)


@contextmanager
def _caught(match: str) -> Iterator[None]:
    with pytest.raises(AssertionError, match=match):
        yield


def test_what_is_booked_ends_as_desired_and_the_erps_order_is_never_broken() -> None:
    run_state_machine_as_test(Compensating, settings=BOUNDED)


@pytest.mark.parametrize(
    ("machine", "breach"),
    [(WithoutRules, "before its|link"), (WithoutOrderOfReversals, "before its")],
    ids=["rules off", "naive order of reversals"],
)
def test_the_same_test_finds_the_breach(machine: type[Compensating], breach: str) -> None:
    """Negative control."""
    quick = settings(BOUNDED, phases=[Phase.generate], report_multiple_bugs=False, max_examples=300)
    with _caught(breach):
        run_state_machine_as_test(machine, settings=quick)
