"""A backlog of one tier never keeps a more urgent document waiting: slots, rate, retries, intake and alerts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError

from millrace.ledger import Ledger
from millrace.ledger.difference import PostingRules
from millrace.ledger.model import Step
from millrace.ledger.sla import breaches
from sinks.erp.driver import Attempt, Driver
from sinks.erp.replicas import part_of
from sinks.erp.settings import SystemSettings
from sinks.erp.tier_limits import LONGEST_RETRY_WAIT, RetryBudget, TierLimits
from sinks.erp.tier_settings import Tiers
from tests.conformance.erp_world import SYSTEM, Clock, World, document
from tests.unit.ledger_desk import want

BACKLOG = 50_000
ONE_FOR_ALL = {"tier1": {"share": 1.0}, "tier2": {"share": 1.0}, "tier3": {"share": 1.0}}


class Unanswered(Driver):
    """The ERP takes as long as it likes: no attempt ends before it is told to."""

    def __init__(self, *arguments, **named) -> None:
        super().__init__(*arguments, **named)
        self.sent: list[Step] = []
        self.answer = asyncio.Event()

    async def attempt(self, step: Step) -> Attempt:
        self.sent.append(step)
        await self.answer.wait()
        return await super().attempt(step)


def sent_while_nothing_is_answered(folder: Path, *, backlog: int, **settings) -> tuple[list[int], int]:
    """Tiers in the order of sending, when an urgent document comes behind a backlog; and rounds of intake for it."""
    world = World(folder, concurrency=8, **settings)
    driver = Unanswered(world.connector, world.channel, world.settings, clock=world.clock)
    world.poster._driver = driver
    world.ledger.put_desired(document(1, f"{n:07d}", tier=3, **{"yield": "1"}) for n in range(backlog))

    async def run() -> None:
        await world.poster._claim()
        world.ledger.put_desired([document(1, "urgent", tier=1, **{"yield": "1"})])
        world.ledger.intake(lambda plant, kind: SYSTEM)  # noqa: ARG005
        await world.poster._claim()
        await asyncio.sleep(0)
        driver.answer.set()
        await world.poster._drain()

    try:
        world.ledger.intake(lambda plant, kind: SYSTEM)  # noqa: ARG005
        world.run(run())
        return [step.tier for step in driver.sent], world.ledger.unfinished()
    finally:
        world.close()


def test_an_urgent_document_waits_for_no_posting_of_a_backlog_of_50000(tmp_path: Path) -> None:
    """All slots of the third tier wait for the ERP, and most of the backlog has not even been taken in."""
    tiers, left = sent_while_nothing_is_answered(tmp_path, backlog=BACKLOG)
    assert tiers == [3, 3, 3, 3, 1]
    assert left > BACKLOG - 10


def test_without_reserved_slots_the_urgent_document_waits(tmp_path: Path) -> None:
    """Negative control: one queue for all."""
    tiers, _ = sent_while_nothing_is_answered(tmp_path, backlog=20, tiers=ONE_FOR_ALL)
    assert tiers == [3] * 8


def test_a_rate_is_shared_out_and_what_a_tier_leaves_is_free_for_the_others() -> None:
    clock = Clock()
    settings = system(rate=10, burst=10, concurrency=100)
    limits = TierLimits(settings, clock.seconds)
    assert limits.rooms([], 100) == {1: 10, 2: 7, 3: 5}
    limits.spend([step(3)] * 5)
    assert limits.rooms([], 100) == {1: 5, 2: 2, 3: 0}
    limits.spend([step(1)] * 5)
    assert limits.rooms([], 100) == {1: 0, 2: 2, 3: 0}
    clock.advance(1)
    assert limits.rooms([], 100) == {1: 10, 2: 7, 3: 5}


def test_every_tier_has_a_slot_however_few_there_are() -> None:
    limits = TierLimits(system(concurrency=1), Clock().seconds)
    assert limits.rooms([], 1) == {1: 1, 2: 1, 3: 1}
    assert limits.rooms([step(3)], 0) == {1: 0, 2: 0, 3: 0}


def test_more_retries_than_the_budget_are_put_off_and_never_for_ever() -> None:
    clock = Clock()
    budget = RetryBudget(60, clock.seconds)
    assert [budget.wait() for _ in range(60)] == [0.0] * 60
    assert [round(budget.wait(), 3) for _ in range(3)] == [1.0, 2.0, 3.0]
    assert max(budget.wait() for _ in range(2000)) <= LONGEST_RETRY_WAIT
    clock.advance(3600)
    assert budget.wait() == 0.0


def test_replicas_together_have_one_rate_and_one_retry_budget() -> None:
    whole = system(rate=30.0, tiers={"tier2": {"retries_per_minute": 90}})
    part = part_of(whole, 3)
    assert (part.rate, part.tiers.tier2.retries_per_minute, part.tiers.tier1.retries_per_minute) == (10, 30, 200)
    clock = Clock()
    limits = [TierLimits(part, clock.seconds) for _ in range(3)]
    assert sum(each.retry_wait(2) == 0 for each in limits for _ in range(90)) == 90
    assert part_of(system(), 3).rate is None


def test_a_less_urgent_tier_cannot_have_the_larger_share() -> None:
    with pytest.raises(ValidationError, match="share of a tier"):
        Tiers.model_validate({"tier2": {"share": 0.2}})


def test_claims_respect_the_room_of_each_tier_and_of_those_behind_it(ledger: Ledger) -> None:
    want(ledger, *(document(1, f"{tier}{n:06d}", tier=tier, **{"yield": "1"}) for tier in (1, 2, 3) for n in range(9)))
    connector = PostingRules(lambda name, attributes: 1, lambda amounts: [amounts])  # noqa: ARG005
    steps = ledger.claim(SYSTEM, {1: 6, 2: 4, 3: 3}, connector, (2, 3))
    assert [step.tier for step in steps] == [2] * 4
    steps = ledger.claim(SYSTEM, {1: 6, 2: 4, 3: 3}, connector)
    assert [step.tier for step in steps] == [1] * 6
    assert [step.tier for step in ledger.claim(SYSTEM, {1: 9, 2: 7, 3: 1}, connector)] == [1, 1, 1, 2, 2, 2, 2, 2, 3]


def test_documents_that_are_later_than_their_tier_allows_are_told(ledger: Ledger, clock: Clock) -> None:
    want(ledger, *(document(1, f"100000{tier}", tier=tier, **{"yield": "1"}) for tier in (1, 2, 3)))
    since = clock()
    clock.advance(120)
    want(ledger, document(1, "1000001", 2, **{"yield": "2"}))
    [late] = ledger.ask(lambda connection: breaches(connection, clock()))
    assert (late.system, late.tier, late.count, late.since) == (SYSTEM, 1, 1, since), "a newer total does not reset it"
    clock.advance(7200)
    assert [late.tier for late in ledger.ask(lambda connection: breaches(connection, clock()))] == [1, 2, 3]


def system(**settings) -> SystemSettings:
    return SystemSettings(name=SYSTEM, connector="sap_confirmation", base_url="http://erp.test", **settings)


def step(tier: int) -> Step:
    return Step(
        external_reference="r",
        document_key="k",
        step=1,
        action="book",
        system=SYSTEM,
        kind="ProductionConfirmation",
        plant="P1",
        order_id="1",
        operation="0010",
        quantities={},
        attributes={},
        final=False,
        revision=1,
        reference_version=1,
        tier=tier,
    )
