"""The ledger on a real PostgreSQL: the same promises as on SQLite, and what only a server can do to it."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DataError

from millrace.ledger import Ledger, outcomes, postgres_text
from millrace.ledger.ledger import LEDGER_DOWN
from millrace.ledger.tables import metadata
from sinks.patience import patiently
from tests.conformance.erp_world import SYSTEM, Clock, World, document
from tests.property.cluster import CarelessCluster, Cluster
from tests.servers import Postgres
from tests.unit.archive_case import check_archive
from tests.unit.hostile_text import check_any_text
from tests.unit.ledger_desk import RULES, book_all, claim, finish
from tests.unit.ledger_upgrade import check_upgraded
from tests.unit.ledger_v1 import make_v1
from tests.unit.test_ledger_schema import start_at_once

pytestmark = pytest.mark.server
_NUMBERS = itertools.count()
_BOUNDED = settings(
    max_examples=10,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
_QUICK = settings(_BOUNDED, phases=[Phase.generate], report_multiple_bugs=False, max_examples=200)


@pytest.fixture
def url(postgres: Postgres) -> str:
    """An empty database of its own."""
    return postgres.create(f"ledger_{next(_NUMBERS)}")


@pytest.fixture
def cluster(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The state machine begins each example with empty tables."""
    Ledger(url).close()
    engine = create_engine(url)
    tables = ", ".join(table.name for table in metadata.sorted_tables if table.name != "schema_version")

    def empty() -> str:
        with engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {tables}"))
        return url

    monkeypatch.setattr(Cluster, "fresh", staticmethod(empty))
    yield
    engine.dispose()


@pytest.mark.usefixtures("cluster")
def test_replicas_that_pause_and_die_anywhere_book_everything_once() -> None:
    run_state_machine_as_test(Cluster, settings=_BOUNDED)


@pytest.mark.usefixtures("cluster")
def test_without_fences_outcomes_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    monkeypatch.setattr(outcomes, "_still_claimed", lambda found, fences, owner: list(found))  # noqa: ARG005
    with pytest.raises(AssertionError, match=r"booked twice|does not add up"):
        run_state_machine_as_test(Cluster, settings=_QUICK)


@pytest.mark.usefixtures("cluster")
def test_without_a_look_at_the_lease_bookings_are_doubled() -> None:
    """Negative control."""
    with pytest.raises(AssertionError, match="booked twice"):
        run_state_machine_as_test(CarelessCluster, settings=_QUICK)


def test_a_ledger_of_version_1_is_upgraded_by_several_processes_at_once(url: str) -> None:
    make_v1(url)
    start_at_once(url)
    check_upgraded(url)


def test_processes_that_start_at_once_make_the_tables_once(url: str) -> None:
    start_at_once(url)
    with Ledger(url) as ledger:
        assert ledger.unfinished() == 0


def test_late_revisions_of_archived_orders_book_their_difference_only(url: str, tmp_path: Path) -> None:
    clock = Clock()
    with Ledger(url, clock=clock) as ledger:
        check_archive(ledger, clock, tmp_path / "archive")


def test_replicas_that_claim_at_once_share_the_orders_out_and_wait_for_nobody(url: str) -> None:
    with Ledger(url) as ledger:
        ledger.put_desired(document(1, f"{n:07d}", **{"yield": "1"}) for n in range(400))
        ledger.intake(lambda plant, kind: SYSTEM)  # noqa: ARG005
    ready = threading.Barrier(4)

    def replica(_number: int) -> list[str]:
        with Ledger(url) as mine:
            ready.wait()
            return [step.order_id for _ in range(10) for step in mine.claim(SYSTEM, 10, RULES)]

    with ThreadPoolExecutor(4) as threads:
        claimed = [order for orders in threads.map(replica, range(4)) for order in orders]
    assert len(claimed) == len(set(claimed))
    assert set(claimed) <= {f"{n:07d}" for n in range(400)}
    assert len(claimed) > 300, "a lane that another replica looks at is skipped, not waited for"


def test_a_newer_total_that_comes_while_a_claim_is_made_is_not_lost(url: str) -> None:
    """Four flows raise totals while two posters book them: the last revision is booked in the end."""
    with Ledger(url) as ledger:
        done = threading.Event()

        def flow(number: int) -> None:
            for revision in range(1, 30):
                total = document(1, f"{number:07d}", revision, **{"yield": str(revision)})
                patiently(lambda total=total: ledger.put_desired([total]), LEDGER_DOWN)

        def poster() -> None:
            with Ledger(url) as mine:
                while not done.is_set():
                    patiently(lambda: mine.intake(lambda plant, kind: SYSTEM), LEDGER_DOWN)  # noqa: ARG005
                    while steps := patiently(lambda: claim(mine), LEDGER_DOWN):
                        patiently(lambda steps=steps: finish(mine, steps), LEDGER_DOWN)

        with ThreadPoolExecutor(6) as threads:
            posters = [threads.submit(poster) for _ in range(2)]
            for flow_done in [threads.submit(flow, number) for number in range(4)]:
                flow_done.result()
            done.set()
            for poster_done in posters:
                poster_done.result()
        ledger.intake(lambda plant, kind: SYSTEM)  # noqa: ARG005
        book_all(ledger)
        assert ledger.inconsistent() == []
        booked = ledger.booked_totals()
        assert {total["yield"] for total in booked.values()} == {29}
        assert len(booked) == 4


def test_a_deadlock_and_a_cut_connection_are_waited_out_like_an_outage(url: str, postgres: Postgres) -> None:
    with Ledger(url) as ledger:
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'ledger_%'"
        with pytest.raises(LEDGER_DOWN):
            ledger.ask(lambda connection: (postgres.ask(cut), connection.execute(text("SELECT 1"))))
        with pytest.raises(LEDGER_DOWN):
            _deadlock(ledger)
        assert ledger.unfinished() == 0


def _deadlock(ledger: Ledger) -> None:
    """Two transactions that wait for each other's advisory lock; the server ends one of them."""
    met = threading.Barrier(2)

    def take(first: int) -> None:
        def locks(connection) -> None:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({first})"))
            met.wait()
            connection.execute(text(f"SELECT pg_advisory_xact_lock({3 - first})"))

        ledger.ask(locks)

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(take, first) for first in (1, 2)]:
            done.result()


def test_poster_and_flow_wait_for_a_server_that_is_restarted_and_go_on(url: str, postgres: Postgres) -> None:
    world = World(Path(), url=url)
    world.want(*(document(1, f"{n:07d}", **{"yield": "2"}) for n in range(20)))
    world.erp.faults.add(kind="latency", count=None, seconds=0)

    async def restart(stop: asyncio.Event) -> None:
        await asyncio.to_thread(postgres.stop)
        late = [document(2, f"{n:07d}", **{"yield": "1"}) for n in range(20)]
        put = asyncio.create_task(asyncio.to_thread(patiently, lambda: world.ledger.put_desired(late), LEDGER_DOWN))
        await asyncio.sleep(0)
        await asyncio.sleep(1.0)
        postgres.start()  # in this thread: a server ends with the thread that started it
        await put
        await asyncio.to_thread(world.ledger.intake, lambda plant, kind: SYSTEM)  # noqa: ARG005
        while await asyncio.to_thread(world.ledger.unfinished):
            await asyncio.sleep(0.05)
            world.clock.advance(1)
        stop.set()

    async def both() -> None:
        stop = asyncio.Event()
        posting = asyncio.create_task(world.poster.run(stop))
        await asyncio.gather(posting, restart(stop))

    try:
        world.run(asyncio.wait_for(both(), 120))
        assert sum(total["yield"] for total in world.booked().values()) == 20 * 3
        assert world.erp.store.counts()["doubled_references"] == 0
        assert world.ledger.inconsistent() == []
    finally:
        world.close()


def test_texts_of_hostile_records_come_back_as_they_were(url: str) -> None:
    with Ledger(url) as ledger:
        check_any_text(ledger)


def test_without_the_escape_a_hostile_record_cannot_be_stored(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    monkeypatch.setattr(postgres_text, "escaped", lambda text: text)
    with Ledger(url) as ledger, pytest.raises(DataError, match="NUL"):
        check_any_text(ledger)
