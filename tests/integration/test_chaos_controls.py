"""Each safeguard of posting against the fault that it is there for; without it the totals are wrong.

The faults happen at chosen points of the posters, on PostgreSQL and the sandbox ERP, so nothing here is left to chance.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.chaos.full.desk import Desk, go_on, until_dead, until_stopped
from tests.servers import Postgres

pytestmark = [pytest.mark.chaos, pytest.mark.server, pytest.mark.timeout(180)]


@pytest.fixture
def ledger(postgres: Postgres) -> str:
    return postgres.create(f"controls-{uuid.uuid4().hex[:8]}")


def booked_unheard(desk: Desk) -> None:
    """The ERP books and its answers are lost."""
    desk.erp.order_fault("lose_answer", 3)
    desk.poster()
    desk.until_booked()


def killed_before_the_outcome(desk: Desk) -> None:
    """A poster dies when the ERP has answered and the ledger does not know it yet."""
    until_dead(desk.poster(dies="poster.before_outcome"))
    desk.poster()
    desk.until_booked()


def paused_before_the_outcome(desk: Desk) -> None:
    """A poster stops with answers in hand, another one takes its orders over and books on; then it goes on."""
    paused = desk.poster(pause="poster.before_outcome")
    until_stopped(paused)
    desk.poster()
    desk.until_booked()
    go_on(paused)


def paused_before_sending(desk: Desk) -> None:
    """A poster stops with orders claimed and nothing sent, another one books them; then it goes on."""
    paused = desk.poster(pause="poster.after_mark")
    until_stopped(paused)
    desk.poster()
    desk.until_booked()
    go_on(paused)


FAULTS = {
    "lookup": booked_unheard,
    "mark": killed_before_the_outcome,
    "fencing": paused_before_the_outcome,
    "lease": paused_before_sending,
}


def differs(folder: Path, ledger: str, fault: str, off: str | None) -> bool:
    with Desk(folder, ledger, off) as desk:
        FAULTS[fault](desk)
        desk.drain()
        return any(desk.differences()) or bool(desk.ledger.inconsistent())


@pytest.mark.parametrize("safeguard", FAULTS)
def test_everything_is_booked_once_over_the_fault(tmp_path: Path, ledger: str, safeguard: str) -> None:
    assert not differs(tmp_path, ledger, safeguard, off=None)


@pytest.mark.parametrize("safeguard", FAULTS)
def test_without_its_safeguard_the_fault_shows(tmp_path: Path, ledger: str, safeguard: str) -> None:
    assert differs(tmp_path, ledger, safeguard, off=safeguard)
