"""Fixtures that several files of tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from millrace.ledger import Ledger
from tests.conformance.erp_world import Clock


@pytest.fixture(params=[True, False], ids=["together", "singly"])
def in_batches(request: pytest.FixtureRequest) -> bool:
    """Whether a codec decodes its records together; each test that asks for it runs both ways."""
    return bool(request.param)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands until it is advanced."""
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    """An empty ledger in a file of its own."""
    with Ledger(f"sqlite:///{tmp_path}/ledger.db", clock=clock, who="test") as opened:
        yield opened
