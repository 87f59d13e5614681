"""Dependencies and compensation on a ledger in a real PostgreSQL."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import create_engine

from millrace.ledger.dialect import orders_alone
from tests.property.test_compensation import BOUNDED, Compensating
from tests.servers import Postgres

pytestmark = pytest.mark.server
_NUMBERS = itertools.count()


def test_an_order_is_planned_for_one_system_at_a_time(postgres: Postgres) -> None:
    engine = create_engine(postgres.create(f"compensation_{next(_NUMBERS)}"))
    orders = [("P1", "1000001"), ("P1", "1000002")]
    with engine.begin() as one:
        assert orders_alone(one, orders[:1]) == orders[:1]
        with engine.begin() as other:
            assert orders_alone(other, orders) == orders[1:]
    with engine.begin() as later:
        assert sorted(orders_alone(later, orders)) == orders
    engine.dispose()


def test_what_is_booked_ends_as_desired_in_the_erps_order(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    def fresh(folder: Path) -> str:  # noqa: ARG001 - the database is on the server
        return postgres.create(f"compensation_{next(_NUMBERS)}")

    monkeypatch.setattr(Compensating, "fresh", staticmethod(fresh))
    run_state_machine_as_test(Compensating, settings=settings(BOUNDED, max_examples=5))
