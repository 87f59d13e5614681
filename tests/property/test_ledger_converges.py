"""Whatever happens between ledger and ERP, booked ends as desired, and nothing is booked twice."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from millrace.ledger import DesiredDocument
from tests.conformance.erp_world import SYSTEM, World, document
from tests.property.sums import plain_sums

_FAULTS = ("lose_answer", "drop", "half_answer", "lock", "down", "html", "throttle", "expire")
_BOUNDED = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


class Posting(RuleBasedStateMachine):
    """Totals rise and fall, answers are lost, the poster dies; in the end the books agree."""

    lookup: ClassVar[bool] = True

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name), lookup=self.lookup)
        self.newest: dict[str, DesiredDocument] = {}

    @rule(
        number=st.integers(1, 3),
        order=st.sampled_from(["1000001", "1000002"]),
        revision=st.integers(1, 9),
        good=st.integers(0, 5),
        scrap=st.integers(0, 2),
        other_scrap=st.integers(0, 2),
        seconds=st.integers(0, 100),
        final=st.booleans(),
    )
    def desire(self, *, number, order, revision, good, scrap, other_scrap, seconds, final) -> None:
        wanted = document(
            number,
            order,
            revision,
            final=final,
            **{"yield": str(good), "scrap_S1": str(scrap), "scrap_S2": str(other_scrap)},
            machine_time=str(seconds),
        )
        known = self.newest.get(wanted.key)
        if known is None or known.version < wanted.version:
            self.newest[wanted.key] = wanted
        self.world.want(wanted)

    @rule()
    def post(self) -> None:
        self.world.post()

    @rule(kind=st.sampled_from(_FAULTS), count=st.integers(1, 3))
    def fault(self, kind: str, count: int) -> None:
        self.world.erp.faults.add(kind=kind, count=count)

    @rule(seconds=st.integers(1, 120))
    def wait(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @rule()
    def die_after_the_mark(self) -> None:
        self.world.ledger.claim(SYSTEM, 4, self.world.rules)
        self.world.start()

    @rule()
    def die_before_the_outcome(self) -> None:
        for step in self.world.ledger.claim(SYSTEM, 4, self.world.rules):
            self.world.run(self.world.driver.attempt(step))
        self.world.start()

    @rule()
    def write_an_outcome_twice(self) -> None:
        claimed = self.world.ledger.claim(SYSTEM, 4, self.world.rules)
        outcomes = [self.world.run(self.world.driver.attempt(step)).outcome for step in claimed]
        self.world.ledger.record_outcomes(outcomes)
        self.world.ledger.record_outcomes(outcomes)

    def teardown(self) -> None:
        try:
            self.world.erp.faults.clear()
            self.world.settle()
            self._agree()
        finally:
            self.world.close()
            self.folder.cleanup()

    def _agree(self) -> None:
        world = self.world
        assert world.erp.store.counts()["doubled_references"] == 0, "booked twice"
        assert world.ledger.inconsistent() == []
        wanted = plain_sums(self.newest.values())
        assert {key: total for key, total in world.booked().items() if total} == wanted
        booked = world.ledger.booked_totals()
        assert {key[1:]: total for key, total in booked.items() if total} == wanted


class PostingWithoutLookup(Posting):
    """The same with blind re-sends."""

    lookup: ClassVar[bool] = False


def test_booked_converges_to_desired_and_every_reference_books_once() -> None:
    run_state_machine_as_test(Posting, settings=_BOUNDED)


def test_without_the_lookup_the_same_test_finds_doubled_bookings() -> None:
    """Negative control: blind re-sending is caught."""
    quick = settings(_BOUNDED, phases=[Phase.generate], report_multiple_bugs=False, max_examples=200)
    with pytest.raises(AssertionError, match="booked twice"):
        run_state_machine_as_test(PostingWithoutLookup, settings=quick)
