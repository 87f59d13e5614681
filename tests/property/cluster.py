"""Several poster replicas over one ledger, each of which may stop for any time between any two of its steps."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from millrace.ledger import DesiredDocument, Ledger
from millrace.ledger.model import Step
from sinks.erp.driver import Attempt, Driver
from sinks.erp.leases import HeldLeases
from tests.conformance.erp_world import SYSTEM, World, document
from tests.property.sums import plain_sums

LEASE, MARGIN = 60.0, 20.0
_REPLICAS = st.integers(0, 2)
_FAULTS = ("lose_answer", "drop", "half_answer", "lock", "late")


class Replica:
    """A poster in slow motion: it claims, sends and records when it is told to, and may be forgotten in between."""

    def __init__(self, world: World, *, careful: bool) -> None:
        self.world = world
        self.ledger = Ledger(world.url, clock=world.clock, who="replica", lease_seconds=LEASE)
        self.leases = HeldLeases(LEASE, MARGIN, world.clock.seconds)
        self.driver = Driver(
            world.connector,
            world.channel,
            world.settings,
            clock=world.clock,
            chance=lambda: 0.5,
            may_send=self.leases.may_send if careful else lambda step: True,  # noqa: ARG005
        )
        self.claimed: list[Step] = []
        self.attempts: list[Attempt] = []

    def claim(self) -> None:
        asked_at = self.leases.clock()
        steps = self.ledger.claim(SYSTEM, 2, self.world.rules)
        self.leases.taken(steps, asked_at)
        self.claimed += steps

    def send(self) -> None:
        self.attempts += [self.world.run(self.driver.attempt(step)) for step in self.claimed]
        self.claimed = []

    def record(self) -> None:
        self.ledger.record_outcomes([attempt.outcome for attempt in self.attempts])
        self.leases.given_back(attempt.outcome.step for attempt in self.attempts)
        self.attempts = []

    def heartbeat(self) -> None:
        held, asked_at = self.leases.lanes(), self.leases.clock()
        self.leases.extended(asked_at, held, self.ledger.extend_leases(SYSTEM, held))


class Cluster(RuleBasedStateMachine):
    """Three replicas, lost and late answers, pauses and deaths; in the end the books agree."""

    careful: ClassVar[bool] = True
    #: Makes an empty ledger and returns its URL; None: a file.
    fresh: ClassVar[Callable[[], str] | None] = None

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        url = type(self).fresh() if type(self).fresh else None
        self.world = World(Path(self.folder.name), url=url)
        self.replicas = [Replica(self.world, careful=self.careful) for _ in range(3)]
        self.newest: dict[str, DesiredDocument] = {}

    @rule(
        number=st.integers(1, 2),
        order=st.sampled_from(["1000001", "1000002"]),
        revision=st.integers(1, 9),
        good=st.integers(0, 5),
        tier=st.integers(1, 3),
    )
    def desire(self, *, number, order, revision, good, tier) -> None:
        wanted = document(number, order, revision, tier=tier, **{"yield": str(good)})
        known = self.newest.get(wanted.key)
        if known is None or known.version < wanted.version:
            self.newest[wanted.key] = wanted
        self.world.want(wanted)

    @rule(number=_REPLICAS)
    def claim(self, number: int) -> None:
        self.replicas[number].claim()

    @rule(number=_REPLICAS)
    def send(self, number: int) -> None:
        self.replicas[number].send()

    @rule(number=_REPLICAS)
    def record(self, number: int) -> None:
        self.replicas[number].record()

    @rule(number=_REPLICAS)
    def go_all_the_way(self, number: int) -> None:
        self.replicas[number].claim()
        self.replicas[number].send()
        self.replicas[number].record()

    @rule(number=_REPLICAS)
    def heartbeat(self, number: int) -> None:
        self.replicas[number].heartbeat()

    @rule(number=_REPLICAS)
    def die(self, number: int) -> None:
        self.replicas[number].ledger.close()
        self.replicas[number] = Replica(self.world, careful=self.careful)

    @rule(kind=st.sampled_from(_FAULTS))
    def fault(self, kind: str) -> None:
        self.world.erp.faults.add(kind=kind, seconds=15)

    @rule(seconds=st.sampled_from([1, 15, 31, 61]))
    def wait(self, seconds: int) -> None:
        self.world.clock.advance(seconds)
        self.world.run(asyncio.sleep(0.003))  # requests that are under way arrive

    def teardown(self) -> None:
        try:
            self.world.erp.faults.clear()
            self.world.settle()
            self._the_paused_wake_up()
            self.world.settle()
            self._agree()
        finally:
            for replica in self.replicas:
                replica.ledger.close()
            self.world.close()
            self.folder.cleanup()

    def _the_paused_wake_up(self) -> None:
        for replica in self.replicas:
            replica.send()
            replica.record()

    def _agree(self) -> None:
        world = self.world
        assert world.erp.store.counts()["doubled_references"] == 0, "booked twice"
        assert world.ledger.inconsistent() == [], "the ledger does not add up"
        wanted = plain_sums(self.newest.values())
        assert {key: total for key, total in world.booked().items() if total} == wanted


class CarelessCluster(Cluster):
    """The same, but a replica sends without asking whether its lease lasts."""

    careful: ClassVar[bool] = False
