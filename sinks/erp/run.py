"""`millrace post`: one poster per ERP system over one ledger; any number of such processes may share the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog

from millrace.health import health
from millrace.ledger import Ledger
from millrace.ledger.alerts import ALERTS
from millrace.ledger.ledger import LEDGER_DOWN
from millrace.ledger.results import RESULTS
from millrace.telemetry import speak_as
from sinks.dead_letter import owner_of
from sinks.erp.channel import Channel
from sinks.erp.driver import Driver
from sinks.erp.leases import HeldLeases
from sinks.erp.metrics import EVERY_SECONDS, LedgerMetrics
from sinks.erp.poster import Counts, Poster, sleep_or_stop
from sinks.erp.registry import create
from sinks.erp.replicas import part_of
from sinks.erp.reports import no_route
from sinks.erp.results import KafkaTopic, Publisher
from sinks.erp.results_settings import ResultsSettings
from sinks.erp.rules import posting_rules
from sinks.erp.settings import PosterSettings, SystemSettings

log = structlog.get_logger("millrace.post")


async def run_poster(
    settings: PosterSettings,
    stop_event: asyncio.Event,
    *,
    lookup_before_resend: bool = True,
    on_start: Callable[[dict[str, Counts]], None] | None = None,
) -> dict[str, Counts]:
    """Post until `stop_event` is set, then finish what is in flight and return.

    Args:
        settings: Ledger, systems, routes.
        stop_event: Set by the SIGTERM handler.
        lookup_before_resend: Off only in the negative control.
        on_start: Receives the live counts by system, for metrics.

    Returns:
        Counts by system.

    Raises:
        Misconfigured: One sentence that says what to mend; what was in flight is finished and recorded.
    """
    systems = [system.name for system in settings.systems]
    speak_as(poster=settings.name)
    health.begin(settings.name, max(settings.stall_s, settings.lease), expected=systems)
    with await _open_ledger(settings) as ledger:
        async with AsyncExitStack() as stack:
            posters = {
                system.name: await _poster(ledger, settings, system, stack, lookup_before_resend)
                for system in settings.systems
            }
            counts = {name: poster.counts for name, poster in posters.items()}
            log.info("poster_started", poster=settings.name, replica=ledger.replica, systems=list(posters))
            if on_start:
                on_start(counts)
            await _run_all(ledger, settings, list(posters.values()), stop_event)
            return counts


async def _open_ledger(settings: PosterSettings) -> Ledger:
    while True:
        try:
            return await asyncio.to_thread(
                Ledger,
                settings.ledger,
                who=settings.name,
                lease_seconds=settings.lease,
                answers_for=lambda kind: owner_of(kind, settings.owner),
            )
        except LEDGER_DOWN as error:
            health.waits("ledger")
            log.warning("ledger_unavailable", error=str(error))
            await asyncio.sleep(1.0)


async def _poster(
    ledger: Ledger, settings: PosterSettings, system: SystemSettings, stack: AsyncExitStack, ask: bool
) -> Poster:
    connector = create(system.connector, system.options)
    channel = await stack.enter_async_context(Channel(system))
    leases = HeldLeases(settings.lease, system.answer_timeout)
    driver = Driver(connector, channel, system, clock=ledger.now, may_send=leases.may_send, lookup_before_resend=ask)
    part = part_of(system, settings.replicas)
    rules = posting_rules(connector, settings)
    return Poster(ledger, driver, connector, part, leases=leases, poll_seconds=settings.poll_seconds, rules=rules)


async def _run_all(ledger: Ledger, settings: PosterSettings, posters: list[Poster], stop_event: asyncio.Event) -> None:
    """Run until told to stop or until one poster cannot go on; the others then finish too."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(poster.run(stop)) for poster in posters]
    tasks.append(asyncio.create_task(_intake(ledger, settings, stop)))
    if settings.metrics_port is not None:
        systems = [system.name for system in settings.systems]
        tasks.append(asyncio.create_task(_look(LedgerMetrics(ledger, systems), stop)))
    tasks += [asyncio.create_task(publisher.run(stop)) for publisher in _publishers(ledger, settings.results)]
    told = asyncio.create_task(stop_event.wait())
    await asyncio.wait([*tasks, told], return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    health.leaving()
    told.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for error in results:
        if isinstance(error, BaseException):
            raise error


def _publishers(ledger: Ledger, settings: ResultsSettings | None) -> list[Publisher]:
    if settings is None:
        return []
    boxes = [RESULTS] if settings.alerts is None else [RESULTS, ALERTS]
    return [Publisher(ledger, KafkaTopic(settings, outbox=outbox), outbox) for outbox in boxes]


async def _intake(ledger: Ledger, settings: PosterSettings, stop: asyncio.Event) -> None:
    """Route new totals to their systems as they come."""
    reported: set[tuple[str, str]] = set()
    while not stop.is_set():
        try:
            unrouted = set(await asyncio.to_thread(ledger.intake, settings.route))
            await asyncio.to_thread(ledger.put_alerts, [no_route(*each) for each in sorted(unrouted - reported)])
        except LEDGER_DOWN as error:
            log.warning("ledger_unavailable", error=str(error))
            await asyncio.sleep(1.0)
            continue
        for plant, kind in unrouted - reported:
            log.error("no_route", plant=plant, kind=kind)
        reported |= unrouted
        await asyncio.sleep(settings.poll_seconds)


async def _look(metrics: LedgerMetrics, stop: asyncio.Event) -> None:
    """Show what the ledger holds open; while it is down the last figures stay, with their time."""
    while not stop.is_set():
        try:
            await asyncio.to_thread(metrics.look)
        except LEDGER_DOWN as error:
            log.debug("ledger_unavailable", error=str(error))  # the posters tell it
        await sleep_or_stop(EVERY_SECONDS, stop)
