"""One run: a plant's day through flow, ledger and posters into two ERPs, while everything fails in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

from millrace.ledger import Ledger
from sandbox.demo_process import DemoFailed
from sandbox.plant import Plant
from tests.chaos.erp_faults import ErpFaults
from tests.chaos.feed import PacedFeed
from tests.chaos.full import movements, stock
from tests.chaos.full.cast import Cast
from tests.chaos.full.faults import OUTAGE, PAUSE
from tests.chaos.full.injector import Injector
from tests.chaos.full.options import Options, write_flow, write_posters
from tests.chaos.full.plan import plan
from tests.chaos.full.site import Site
from tests.chaos.full.stock import Issue
from tests.chaos.full.watch import Watch
from tests.chaos.outside import Outside
from tests.chaos.world import PACE_S, QUIET_S, REPORT_EVERY_S, TICK_S

SETTLE_S = 180.0
#: How far deaths may be ahead of the other faults, as a share of all.
AHEAD = 0.1
FLUSH_S = 120.0


class Feed(PacedFeed):
    """Waits for a broker that is away."""

    def _flush(self) -> None:
        if self._producer.flush(FLUSH_S):
            raise DemoFailed(f"the broker did not take all records within {FLUSH_S:.0f} s")


class World:
    """Everything that goes on during a run.

    Args:
        options: What is run.
        site: Its servers, running.
        say: Takes progress lines.
    """

    def __init__(self, options: Options, site: Site, say: Callable[[str], None]) -> None:
        self._options, self._site, self._say = options, site, say
        rng = Random(f"full:{options.seed}")
        start = datetime.now(UTC) - timedelta(hours=options.hours + 6)
        self._plant = Plant(options.seed, start.replace(minute=0, second=0), options.hours)
        self._feed = Feed(self._plant, site.kafka.bootstrap, self.share)
        self.day = movements.day(options.seed, options.movements if site.tryton else 0)
        self._told = 0
        self.cast = Cast(options, site, self.share, rng)
        self.fates = self.cast.fates
        faults = plan(options, site, self.cast.flow, self.cast.posters, self, rng)
        self.fates.is_ahead = self._deaths_are_ahead
        self.fates.kills = max(0, options.kills - sum(fault.kills for fault in faults))
        self.erp_faults = ErpFaults(self.cast.erp_client.url, rng, options.erp_faults)
        self.ledger = Ledger(site.ledger, who="chaos")
        self._outside = Outside(self.ledger, self._feed.sent)
        self._watch = Watch(self._outside)
        self.injector = Injector(faults, self._watch.mark, rng, say)
        self._begun = self._reported = self._moved = time.monotonic()
        self._done, self._over = 0, 0.0

    def live(self) -> None:
        """From an empty folder until everything has settled and all processes have ended.

        Raises:
            DemoFailed: A process ended that was not to end.
            NotRecovered: Something stood still after a fault.
        """
        try:
            self._begin()
            while not (self.fates.over and self.injector.over and self._feed.done and self._all_told):
                self._tick()
                self.injector.tick()
                self.erp_faults.tick()
            self.erp_faults.end()
            self._settle()
            self.cast.drain()
        finally:
            self._feed.halt()
            self.cast.clear()
            self.erp_faults.close()

    @property
    def kills(self) -> int:
        """SIGKILLs so far, over all processes."""
        return self.fates.done + self.injector.kills

    def plant_seconds(self) -> float:
        """How much of the plant's day is over."""
        return self._feed.reached

    def read(self) -> int:
        """Records that the flow has read, as seen last."""
        return self._watch.seen.read

    def _deaths_are_ahead(self) -> bool:
        """Deaths and faults are to last equally long."""
        planned = self.injector.planned
        return bool(planned) and self.fates.done / self.fates.kills > len(self.injector.incidents) / planned + AHEAD

    def share(self) -> float:
        """How much of the day is over: deaths and faults, and the time since the last one as a part of one.

        While no ERP can be reached the plant goes on without regard to them, and while a poster is to be paused: it
        stops at a posting, of which there may be none without new pieces.
        """
        done, now = self.fates.done + len(self.injector.incidents), time.monotonic()
        total = self.fates.kills + self.injector.planned
        if done > self._done:
            self._done, self._moved = done, now
        since = (now - self._moved) / PACE_S
        ahead = since if self.injector.doing.startswith((OUTAGE, PAUSE)) else min(1.0, since)
        self._over = 1.0 if done >= total else min(1.0, max(self._over, (done + ahead) / total))
        return self._over

    def issues(self) -> Iterator[Issue]:
        """Material taken from the second ERP's stock, in all places."""
        if self._site.tryton is not None:
            after = stock.of(self._site.tryton)
            found = partial(stock.issues, self.day.truth, before=self.stock_before, after=after)
            yield from self.ledger.ask(lambda connection: list(found(connection)))

    # -- the run

    def _begin(self) -> None:
        options, site = self._options, self._site
        self.stock_before = stock.of(site.tryton) if site.tryton else {}
        self._plant.truth.write(options.folder / "truth.json")
        broker = f"127.0.0.1:{site.to_broker.port}"
        write_flow(options.folder, site.disk.folder, broker, site.ledger_over(site.to_ledger))
        write_posters(options.folder, options.posters, site)
        self._feed.opening()
        self.cast.start(self._release)
        self._feed.start()

    def _release(self) -> None:
        """Make the day's orders known to the sandbox ERP."""
        released: dict[str, list[str]] = {}
        for order, operation in self._plant.truth.operations:
            released.setdefault(order, []).append(operation)
        self.cast.erp_client.release(released)

    def _tick(self) -> None:
        flow, is_quiet = self.cast.flow, self.injector.quiet
        flow.may_drain = is_quiet
        if is_quiet:
            flow.may_end(False)
        self.cast.tick()
        if self._feed.error is not None:
            raise DemoFailed(f"feed: {self._feed.error}")
        self._tell()
        self._report()
        time.sleep(TICK_S)

    def _tell(self) -> None:
        """Let material be taken from stock as the day goes on."""
        until = round(self.share() * len(self.day.lines))
        if until > self._told:
            with self.cast.movements_file.open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in self.day.lines[self._told : until])
            self._told = until

    @property
    def _all_told(self) -> bool:
        return self._told == len(self.day.lines)

    def _report(self) -> None:
        self._watch.look()
        now, seen = time.monotonic(), self._watch.seen
        if now - self._reported < REPORT_EVERY_S:
            return
        self._reported = now
        injector, kills = self.injector, f"{self.kills}/{self._options.kills}"
        self._say(
            f"{now - self._begun:5.0f} s  kills {kills}  faults {len(injector.incidents)}/{injector.planned}"
            f"  sent {seen.sent:,}  read {seen.read:,}  pending {seen.unfinished:,}  booked {seen.booked:,}"
            f"  {injector.doing}"
        )

    def _settle(self) -> None:
        """Wait until everything is read, every window closed and everything booked."""
        deadline = time.monotonic() + SETTLE_S
        seen, since = self._outside.fingerprint(), time.monotonic()
        while min(time.monotonic() - since, self.cast.flow.awake) < QUIET_S:
            if time.monotonic() > deadline:
                self._say(f"not settled after {SETTLE_S:.0f} s, {self._outside.unfinished()} documents unfinished")
                return
            self._tick()
            found = self._outside.fingerprint()
            if found != seen or not self._outside.is_done():
                seen, since = found, time.monotonic()
