"""Whatever replicas do to each other, booked ends as desired and nothing is booked twice; on SQLite."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from millrace.ledger import outcomes
from tests.property.cluster import CarelessCluster, Cluster

_BOUNDED = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
_QUICK = settings(_BOUNDED, phases=[Phase.generate], report_multiple_bugs=False, max_examples=200)


def test_replicas_that_pause_and_die_anywhere_book_everything_once() -> None:
    run_state_machine_as_test(Cluster, settings=_BOUNDED)


def test_without_fences_the_same_test_finds_outcomes_that_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: an outcome that comes after its lease is written all the same."""
    monkeypatch.setattr(outcomes, "_still_claimed", lambda found, fences, owner: list(found))  # noqa: ARG005
    with pytest.raises(AssertionError, match=r"booked twice|does not add up"):
        run_state_machine_as_test(Cluster, settings=_QUICK)


def test_without_a_look_at_the_lease_the_same_test_finds_doubled_bookings() -> None:
    """Negative control: a replica that was paused sends what it claimed long ago."""
    with pytest.raises(AssertionError, match="booked twice"):
        run_state_machine_as_test(CarelessCluster, settings=_QUICK)
