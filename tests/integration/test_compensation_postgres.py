"""Dependencies and compensation on a ledger in a real PostgreSQL."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.test_compensation import BOUNDED, Compensating
from tests.servers import Postgres

pytestmark = pytest.mark.server
_NUMBERS = itertools.count()


def test_what_is_booked_ends_as_desired_in_the_erps_order(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    def fresh(folder: Path) -> str:  # noqa: ARG001 - the database is on the server
        return postgres.create(f"compensation_{next(_NUMBERS)}")

    monkeypatch.setattr(Compensating, "fresh", staticmethod(fresh))
    run_state_machine_as_test(Compensating, settings=settings(BOUNDED, max_examples=5))
