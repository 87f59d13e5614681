"""Flows, intakes, posters and heartbeats at the same orders on PostgreSQL: nobody waits for another in a circle."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from psycopg.errors import DeadlockDetected
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from millrace.ledger import Ledger, claims, outcomes
from tests.conformance.erp_world import SYSTEM, document
from tests.servers import Postgres
from tests.unit.ledger_desk import RULES, finish, want

pytestmark = pytest.mark.server
ORDERS, PUTS = 40, 15
HOLD = text("SELECT key FROM documents WHERE key = :key FOR UPDATE")
WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
_NUMBERS = itertools.count()


class Crowd:
    """Threads that do all that writes to a ledger, with batches that overlap and are in no order.

    Args:
        url: Ledger.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._revisions = itertools.count(1)
        self._over = threading.Event()
        self.deadlocks: list[str] = []

    def work(self) -> None:
        """Let three flows put totals, and two replicas book them meanwhile; ends with the flows."""
        with ThreadPoolExecutor(10) as threads:
            others = [threads.submit(self._repeat, act) for act in (self._intake, self._post, self._mend) * 2]
            flows = [threads.submit(self._flow, random.Random(seed)) for seed in range(3)]
            for flow in flows:
                flow.result()
            self._over.set()
            for other in others:
                other.result()

    def _flow(self, chance: random.Random) -> None:
        with Ledger(self.url) as ledger:
            for _ in range(PUTS):
                revision = next(self._revisions)
                some = [(order, n) for order in chance.sample(range(ORDERS), 20) for n in (1, 2)]
                batch = [document(n, f"{order:07d}", revision, **{"yield": str(revision)}) for order, n in some]
                self._try("put", partial(ledger.put_desired, batch))

    def _repeat(self, act: Callable[[Ledger], None]) -> None:
        with Ledger(self.url) as ledger:
            while not self._over.is_set():
                act(ledger)

    def _intake(self, ledger: Ledger) -> None:
        self._try("intake", lambda: ledger.intake(lambda plant, kind: SYSTEM))  # noqa: ARG005

    def _mend(self, ledger: Ledger) -> None:
        self._try("mend", lambda: ledger.mend(SYSTEM, 300))
        self._over.wait(0.02)

    def _post(self, ledger: Ledger) -> None:
        steps = self._try("claim", lambda: ledger.claim(SYSTEM, 10, RULES)) or []
        held = {(step.plant, step.order_id) for step in steps}
        self._try("extend", lambda: ledger.extend_leases(SYSTEM, held))
        random.Random(len(steps)).shuffle(steps)
        self._try("record", lambda: finish(ledger, steps))

    def _try(self, name: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except OperationalError as error:
            if not isinstance(error.orig, DeadlockDetected):
                raise
            self.deadlocks.append(f"{name}: {error}")
            return None


@pytest.fixture
def crowd(postgres: Postgres) -> Crowd:
    """Over an empty ledger whose server finds deadlocks at once."""
    name = f"locks_{next(_NUMBERS)}"
    url = postgres.create(name)
    Ledger(url).close()
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} SET deadlock_timeout = '20ms'"))
    engine.dispose()
    return Crowd(url)


def test_a_crowd_hardly_ever_waits_in_a_circle(crowd: Crowd) -> None:
    """Without the order there are dozens; what is left is repeated by whoever called."""
    crowd.work()
    assert len(crowd.deadlocks) <= 1, crowd.deadlocks


Act = Callable[[Ledger], object]


@pytest.fixture(params=["claim", "record"])
def backwards(request: pytest.FixtureRequest, crowd: Crowd) -> Iterator[tuple[Ledger, Act]]:
    """Something that writes the documents of two orders, the last one first."""
    with Ledger(crowd.url) as ledger:
        for order in ("0000002", "0000001"):
            want(ledger, document(1, order, **{"yield": "1"}))
        if request.param == "claim":
            yield ledger, lambda mine: mine.claim(SYSTEM, 10, RULES)
        else:
            steps = ledger.claim(SYSTEM, 10, RULES)
            assert [step.order_id for step in steps] == ["0000002", "0000001"]
            yield ledger, lambda mine: finish(mine, steps)


def meet(ledger: Ledger, act: Act) -> None:
    """Hold the first document until `act` waits for it, then take the second, as a flow's batch does."""
    with ThreadPoolExecutor(1) as thread:
        with ledger.changing() as connection:
            connection.execute(HOLD, {"key": document(1, "0000001").key})
            acting = thread.submit(act, ledger)
            while not connection.scalar(WAITING):
                assert not acting.done()
            connection.execute(HOLD, {"key": document(1, "0000002").key})
        acting.result()


def test_a_poster_takes_documents_in_the_order_of_the_flows(backwards: tuple[Ledger, Act]) -> None:
    meet(*backwards)


def test_without_one_order_flow_and_poster_wait_for_each_other(
    backwards: tuple[Ledger, Act], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    monkeypatch.setattr(claims, "lock_documents_of", lambda *_, **__: set())
    monkeypatch.setattr(outcomes, "lock_documents", lambda *_: None)
    with pytest.raises(OperationalError, match="deadlock detected"):
        meet(*backwards)
