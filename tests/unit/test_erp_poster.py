"""The poster: outages, limits, stopping, and a ledger that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import structlog
from sqlalchemy.exc import OperationalError

from millrace.errors import Misconfigured
from millrace.ledger import queries
from tests.conformance.erp_world import World, document


@pytest.fixture
def make(tmp_path: Path) -> Iterator:
    made: list[World] = []

    def build(**settings) -> World:
        made.append(World(tmp_path, **settings))
        return made[-1]

    yield build
    for world in made:
        world.close()


def documents(count: int):
    return [document(1, f"{1000001 + n}", **{"yield": "1"}) for n in range(count)]


def test_during_an_outage_single_probes_are_sent_and_afterwards_everything_is_booked(make) -> None:
    world = make(breaker_threshold=3, concurrency=4)
    world.erp.faults.add(kind="down", count=None)
    world.want(*documents(20))
    for _ in range(3600):
        world.post()
        world.clock.advance(1)
    assert world.erp.requests < 150
    assert world.ledger.ask(queries.dead_letters_by_reason) == {}
    world.erp.faults.clear()
    world.settle()
    assert world.erp.store.counts() == {"documents": 20, "doubled_references": 0}


def test_the_rate_limit_bounds_what_is_started(make) -> None:
    world = make(rate=5, burst=5, concurrency=64)
    world.want(*documents(30))
    assert world.post() == 5
    world.clock.advance(2 / 5 + 0.001)
    assert world.post() == 2


def test_most_documents_rejected_stops_the_poster_before_the_rest_is(make) -> None:
    world = make(reject_window=4, concurrency=2)
    world.erp.faults.add(kind="reject", count=None)
    world.want(*documents(40))
    with pytest.raises(Misconfigured, match="most of the latest documents were rejected"):
        world.settle()
    assert sum(world.ledger.ask(queries.dead_letters_by_reason).values()) == 4


def test_a_booking_that_comes_late_is_found_and_not_repeated(make) -> None:
    world = make()
    world.erp.faults.add(kind="late", seconds=20)
    world.want(*documents(1))
    world.post()
    world.clock.advance(10)
    world.post()
    assert world.erp.store.counts()["documents"] == 0
    world.clock.advance(10)
    world.run(asyncio.sleep(0.01))
    world.settle()
    assert world.erp.store.counts() == {"documents": 1, "doubled_references": 0}


def test_without_waiting_for_the_erp_to_settle_a_late_booking_doubles(make) -> None:
    """Negative control for `settle_seconds`."""
    world = make(settle_seconds=0)
    world.erp.faults.add(kind="late", seconds=20)
    world.want(*documents(1))
    world.post()
    world.clock.advance(10)
    world.post()
    world.post()
    world.clock.advance(10)
    world.run(asyncio.sleep(0.01))
    assert world.erp.store.counts() == {"documents": 2, "doubled_references": 1}


def test_told_to_stop_it_finishes_what_is_in_flight(make) -> None:
    world = make(concurrency=4)
    world.erp.faults.add(kind="latency", count=None, seconds=0.5)
    world.want(*documents(10))

    async def run_and_stop() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(world.poster.run(stop))
        while not running.done():
            world.clock.advance(0.05)
            await asyncio.sleep(0.001)
            if world.erp.store.counts()["documents"]:
                stop.set()

    world.run(run_and_stop())
    statuses = world.ledger.ask(queries.postings_by_status)
    assert set(statuses) == {"booked"}
    assert world.erp.store.counts()["documents"] == statuses["booked"] < 10


def test_a_ledger_that_goes_away_is_waited_for(make, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make()
    world.poster._ledger_retry = 0.01
    failures = {"claim": 2, "record_outcomes": 3}
    for name in failures:
        _fail_first(world.ledger, name, failures, monkeypatch)
    world.want(*documents(3))
    world.settle()
    assert failures == {"claim": 0, "record_outcomes": 0}
    assert world.erp.store.counts() == {"documents": 3, "doubled_references": 0}


def _fail_first(ledger, name: str, failures: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The call fails some times although it took effect: the worst that a lost commit can do."""
    real = getattr(ledger, name)

    def flaky(*arguments):
        result = real(*arguments)
        if failures[name]:
            failures[name] -= 1
            raise OperationalError("COMMIT", {}, Exception("disk I/O error"))
        return result

    monkeypatch.setattr(ledger, name, flaky)


def test_a_month_that_was_closed_makes_a_line_a_minute_and_none_for_each_document(make) -> None:
    world = make(concurrency=2)
    world.clock.advance((date(2026, 3, 5) - date(2023, 11, 14)).days * 86_400)
    world.erp.rules.open_from = date(2026, 3, 3)
    world.want(*documents(40))
    with structlog.testing.capture_logs() as lines:
        world.run(until_booked(world, 40))
    told = [line for line in lines if line["event"] == "closed_period"]
    assert len(told) <= 2, "one when the minute is over, one at the end"
    assert sum(line["count"] for line in told) == 40
    assert all({"first", "correlation_id", "system"} <= line.keys() for line in told)
    assert world.erp.store.counts() == {"documents": 40, "doubled_references": 0}


async def until_booked(world: World, count: int) -> None:
    """The poster at work, as its process runs it."""
    stop = asyncio.Event()
    running = asyncio.create_task(world.poster.run(stop))
    while world.erp.store.counts()["documents"] < count and not running.done():
        world.clock.advance(0.01)
        await asyncio.sleep(0.005)
    stop.set()
    await running
