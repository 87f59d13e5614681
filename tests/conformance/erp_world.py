"""A ledger, a poster and the sandbox ERP in one process, with a clock that only moves when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import httpx

from millrace.ledger import DesiredDocument, Ledger
from millrace.ledger.difference import PostingRules
from sandbox.erp import SERVICE, SandboxErp
from sandbox.erp_store import Store
from sinks.erp.channel import Channel
from sinks.erp.driver import Driver
from sinks.erp.poster import Poster
from sinks.erp.registry import create
from sinks.erp.settings import SystemSettings
from tests.conformance.httpx_wire import HttpxWire

T = TypeVar("T")
SYSTEM = "sap"
ACTIVITY = {"activity1": "setup_time", "activity2": "machine_time", "activity3": "labour_time"}


class Clock:
    """Time in microseconds and in seconds, moved by hand."""

    def __init__(self) -> None:
        self.micros = 1_700_000_000_000_000

    def __call__(self) -> int:
        return self.micros

    def seconds(self) -> float:
        return self.micros / 1e6

    def advance(self, seconds: float) -> None:
        self.micros += int(seconds * 1e6)


def document(
    number: int = 1,
    order: str = "1000001",
    revision: int = 1,
    *,
    operation: str = "0010",
    final: bool = False,
    tier: int = 1,
    plant: str = "P1",
    **amounts: str,
) -> DesiredDocument:
    """A confirmation total; amounts by measure, `scrap_X` for scrap of reason X."""
    quantities = {name.replace("scrap_", "scrap:"): Decimal(amount) for name, amount in amounts.items()}
    return DesiredDocument(
        key=f"{plant}|{order}|{operation}|{number}",
        kind="ProductionConfirmation",
        plant=plant,
        order_id=order,
        sort_key=f"{number:06d}",
        tier=tier,
        revision=revision,
        reference_version=1,
        quantities=quantities,
        attributes={
            "operation": operation,
            "work_center": "PRESS1",
            "unit": "C62",
            "shift": "E",
            "posting_date": "2026-03-02",
            "first_event_time": "2026-03-02T06:00:00+00:00",
            "last_event_time": "2026-03-02T06:05:00+00:00",
        },
        final=final,
    )


class World:
    """Everything between a desired total and a booking.

    Args:
        folder: For the ledger's file.
        url: Of the ledger, where it is no file in `folder`.
        lookup: False for the negative control.
        transport: Replaces the way to the sandbox.
        settings: System settings to differ from the fast defaults here.
    """

    def __init__(
        self,
        folder: Path,
        *,
        url: str | None = None,
        lookup: bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
        connector: str = "sap_confirmation",
        options: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.clock = Clock()
        self.loop = asyncio.new_event_loop()
        self.erp = SandboxErp(Store(":memory:"), self.sleep)
        self.url = url or f"sqlite:///{folder / 'ledger.db'}"
        self.ledger = Ledger(self.url, clock=self.clock, who="test")
        self.settings = SystemSettings(
            **{
                "name": SYSTEM,
                "connector": connector,
                "base_url": f"http://erp.test{SERVICE}",
                "options": dict(options or {}),
                "settle_seconds": 30,
                "breaker_threshold": 1000,
                "reject_window": 1000,
                **settings,
            }
        )
        self.connector = create(connector, self.settings.options)
        self.rules = PostingRules(self.connector.quantum, self.connector.split)
        self._transport = transport or httpx.ASGITransport(self.erp)
        self._lookup = lookup
        self.start()

    async def sleep(self, seconds: float) -> None:
        """The ERP waits by the world's clock."""
        until = self.clock() + int(seconds * 1e6)
        while self.clock() < until:
            await asyncio.sleep(0.001)

    def start(self) -> None:
        """A new poster process: nothing is remembered but the ledger."""
        self.channel = Channel(self.settings, HttpxWire(self._transport))
        self.driver = Driver(
            self.connector,
            self.channel,
            self.settings,
            clock=self.clock,
            chance=lambda: 0.5,
            lookup_before_resend=self._lookup,
        )
        self.poster = Poster(self.ledger, self.driver, self.connector, self.settings, clock=self.clock.seconds)
        self.ledger.recover(SYSTEM)

    def close(self) -> None:
        self.run(self.channel.__aexit__(None, None, None))
        self.clock.advance(3600)
        self.run(_end_others())  # whatever the ERP still waits for
        self.run(self.loop.shutdown_asyncgens())
        self.loop.close()
        self.ledger.close()

    def run(self, awaitable: Awaitable[T]) -> T:
        return self.loop.run_until_complete(_of(awaitable))

    def want(self, *documents: DesiredDocument) -> None:
        self.ledger.put_desired(documents)
        self.ledger.intake(lambda plant, kind: SYSTEM)  # noqa: ARG005

    def post(self) -> int:
        """One round of the poster."""
        return self.run(self.poster.run_once())

    def settle(self, rounds: int = 500) -> None:
        """Let time pass until nothing is left to post."""
        for _ in range(rounds):
            if not self.post():
                self.clock.advance(61)
                if not self.post() and not self.ledger.unfinished():
                    return
        raise AssertionError("the poster does not come to rest")

    def booked(self) -> dict[tuple[str, str], dict[str, Decimal]]:
        """What the ERP says it has booked, in our measures."""
        return {
            key: {ACTIVITY.get(name, name): amount for name, amount in total.items()}
            for key, total in self.erp.store.totals().items()
        }

    def statuses(self, order: str = "1000001") -> list[tuple[str, str]]:
        """(action, status) of every posting of an order."""
        return [
            (posting["action"], posting["status"])
            for report in self.ledger.order_report(order)
            for posting in report.postings
        ]


async def _of(awaitable: Awaitable[T]) -> T:
    return await awaitable


async def _end_others() -> None:
    """A moment for tasks to come to their end by themselves; those that don't are ended, and waited for."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        _, late = await asyncio.wait(others, timeout=0.002)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
