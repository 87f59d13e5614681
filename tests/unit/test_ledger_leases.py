"""Leases on orders: what a paused, a dead and a restarted replica may do, and what becomes of its work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from millrace.ledger import Ledger, Status
from millrace.ledger.model import Outcome
from millrace.ledger.replica import identity, known_dead
from sinks.erp.driver import Driver
from sinks.erp.leases import HeldLeases
from tests.conformance.erp_world import SYSTEM, Clock, World, document
from tests.unit.ledger_desk import RULES, claim, want

LEASE = 30
DIE = "import sys; from millrace.ledger.replica import identity; print(identity('poster'))"


def booked(step) -> list[Outcome]:
    return [Outcome(step, Status.BOOKED, erp_document="1/1")]


def test_a_replica_that_was_paused_beyond_its_lease_cannot_write_an_outcome(
    ledger: Ledger, clock: Clock, tmp_path: Path
) -> None:
    want(ledger, document(**{"yield": "1"}))
    [mine] = claim(ledger)
    clock.advance(LEASE)
    with Ledger(f"sqlite:///{tmp_path}/ledger.db", clock=clock, who="other") as other:
        [taken] = other.claim(SYSTEM, 1, RULES)
        assert (taken.status, taken.external_reference) == (Status.UNKNOWN, mine.external_reference)
        assert taken.fence > mine.fence
        assert [lost.step for lost in ledger.record_outcomes(booked(mine))] == [mine]
        assert other.record_outcomes(booked(taken)) == []
    assert ledger.record_outcomes(booked(mine)) != []
    assert ledger.inconsistent() == []
    [report] = ledger.order_report("1000001")
    assert "the lease of test~" in report.audit[1]["why"]


def test_an_outcome_that_is_written_twice_is_not_taken_for_lost(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "1"}))
    [step] = claim(ledger)
    assert ledger.record_outcomes(booked(step)) == []
    assert ledger.record_outcomes(booked(step)) == []
    assert ledger.inconsistent() == []


def test_a_heartbeat_keeps_a_lease_and_tells_what_is_lost(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    want(ledger, *(document(1, order, **{"yield": "1"}) for order in ("1000001", "1000002")))
    steps = claim(ledger)
    lanes = {(step.plant, step.order_id) for step in steps}
    with Ledger(f"sqlite:///{tmp_path}/ledger.db", clock=clock) as other:
        clock.advance(LEASE - 1)
        assert ledger.extend_leases(SYSTEM, [("P1", "1000001")]) == {("P1", "1000001")}
        clock.advance(2)
        assert [step.order_id for step in other.claim(SYSTEM, 10, RULES)] == ["1000002"]
        assert ledger.extend_leases(SYSTEM, lanes) == {("P1", "1000001")}


def test_leases_of_a_process_that_died_on_this_machine_end_at_once(ledger: Ledger, clock: Clock) -> None:
    dead = subprocess.run([sys.executable, "-c", DIE], capture_output=True, text=True, check=True).stdout.strip()
    assert known_dead(dead)
    assert not known_dead(identity("poster"))
    assert not known_dead("poster~elsewhere~1.1~00")
    want(ledger, document(**{"yield": "1"}))
    [step] = claim(ledger)
    with ledger.changing() as connection:
        connection.exec_driver_sql(f"UPDATE lanes SET lease_owner = '{dead}'")  # noqa: S608
    assert claim(ledger) == []
    ledger.recover(SYSTEM)
    [taken] = claim(ledger)
    assert (taken.external_reference, taken.status) == (step.external_reference, Status.UNKNOWN)
    assert taken.sent_at == clock(), "it may have been sent as late as now"


def test_a_clock_that_was_put_back_keeps_nothing_waiting(ledger: Ledger, clock: Clock) -> None:
    want(ledger, document(**{"yield": "1"}))
    claim(ledger)
    clock.advance(-3600)
    assert claim(ledger) == []
    ledger.mend(SYSTEM, 400)
    clock.advance(LEASE)
    [step] = claim(ledger)
    assert step.status is Status.UNKNOWN
    assert step.sent_at <= clock()


def bookings_after_a_late_send(folder: Path, margin: float) -> int:
    """A replica sends just before its lease ends; its request arrives after another has looked it up."""
    world = World(folder, settle_seconds=0)
    try:
        leases = HeldLeases(LEASE, margin, world.clock.seconds)
        driver = Driver(world.connector, world.channel, world.settings, clock=world.clock, may_send=leases.may_send)
        world.want(document(**{"yield": "1"}))
        with Ledger(world.url, clock=world.clock, who="slow") as slow:
            asked_at = world.clock.seconds()
            steps = slow.claim(SYSTEM, 1, world.rules)
            leases.taken(steps, asked_at)
            world.clock.advance(LEASE - 1)
            world.erp.faults.add(kind="late", seconds=10)
            world.run(driver.attempt(steps[0]))
            world.erp.faults.clear()
            world.clock.advance(1)
            world.settle()
            world.clock.advance(10)
            world.settle()
        return int(world.erp.store.counts()["documents"])
    finally:
        world.close()


def test_nothing_is_sent_that_may_arrive_after_the_lease(tmp_path: Path) -> None:
    assert bookings_after_a_late_send(tmp_path, margin=20) == 1


def test_without_a_margin_the_same_case_books_twice(tmp_path: Path) -> None:
    """Negative control: the request of the first replica arrives when the second has found nothing and sent."""
    assert bookings_after_a_late_send(tmp_path, margin=0) == 2
