"""One run of the crash test: plant day, broker, flow cluster, poster, ERP, and the deaths of all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import yaml

from millrace.ledger import Ledger
from sandbox import demo_settings
from sandbox.demo_process import Child, DemoFailed
from sandbox.demo_watch import Erp
from sandbox.plant import Plant
from tests.chaos import fates
from tests.chaos.erp_faults import ErpFaults
from tests.chaos.fates import Fates
from tests.chaos.feed import PacedFeed
from tests.chaos.lives import Cluster, Life, Single
from tests.chaos.outside import Outside
from tests.chaos.verdict import Verdict, judge
from tests.servers.process import free_port

TICK_S = 0.05
#: A share of the day goes out even while nobody dies: one death's worth in so many seconds.
PACE_S = 3.0
REPORT_EVERY_S = 5.0
#: Partitions fall idle soon, so that windows close early and often and totals are revised many times.
IDLE_S, EPOCH_S = 0.4, 0.5
#: Silence lets event time reach the wall clock, so what waits for its order waits in real seconds.
WAIT_S = 3.0
#: Nothing may change for so long before the run counts as settled.
QUIET_S = WAIT_S + IDLE_S + 4 * EPOCH_S + 1.0
SETTLE_S = 120.0
FLOW_SETTINGS: dict[str, Any] = {
    "lanes": 4,
    "window": "20m",
    "idle_s": IDLE_S,
    "wait_s": WAIT_S,
    "epoch_s": EPOCH_S,
    "recovery_partitions": 3,
}


@dataclass(frozen=True, slots=True)
class Options:
    """What is run.

    Args:
        folder: Empty folder for everything that is made.
        bootstrap: Broker with the plant's topics.
        kills: SIGKILLs before everything may settle.
        seed: Of the day and of all choices; how the processes race is not repeatable.
        hours: Length of the plant's day.
        sizes: Processes of the flow, one number after the other.
        flow: Command of the flow.
        poster: Command of the poster.
        mortals: Who dies.
        faults: Faults of the ERP; all where none is named.
    """

    folder: Path
    bootstrap: str
    kills: int
    seed: int = 1
    hours: float = 8.0
    sizes: Sequence[int] = (2, 3, 1, 2)
    flow: Sequence[str] = ("-m", "millrace", "run", "confirmations")
    poster: Sequence[str] = ("-m", "millrace", "post")
    mortals: Sequence[str] = ("flow", "poster", "erp")
    faults: Sequence[str] = ()


class World:
    """Everything that lives during a run.

    Args:
        options: What is run.
        say: Takes progress lines.
    """

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        self._options, self._say = options, say
        self._begun = self._reported = time.monotonic()
        rng = Random(f"chaos:{options.seed}")
        self.fates = Fates(options.kills, rng)
        self._last_death, self._deaths_seen = time.monotonic(), 0
        self._logs = options.folder / "logs"
        self._logs.mkdir()
        port = free_port()
        self._erp_client = Erp(f"http://127.0.0.1:{port}")
        self._erp = self._single("erp", fates.ERP, *self._erp_command(port))
        self._poster = self._single("poster", fates.POSTER, *options.poster, "--config", self._path("poster.yaml"))
        layout = options.folder / "recovery" / "layout.json"
        self._flow = Cluster(self._flow_life, layout, options.sizes, self._share_of_kills, rng)
        self._faults = ErpFaults(self._erp_client.url, rng, options.faults)
        self._feed: PacedFeed | None = None
        self._ledger: Ledger | None = None

    def _path(self, name: str) -> str:
        return str(self._options.folder / name)

    def _erp_command(self, port: int) -> list[str]:
        return ["-m", "sandbox.erp", "--port", str(port), "--state", self._path("erp.db")]

    def _single(self, name: str, dying: fates.Dying, *command: str) -> Single:
        on_start = self._wait_for_erp if name == "erp" else None
        return Single(self._life(name, command, dying), on_start)

    def _flow_life(self, number: int) -> Life:
        command = [*self._options.flow, "--config", self._path("flow.yaml")]
        return self._life(f"flow-{number}", command, fates.FLOW)

    def _life(self, name: str, command: Sequence[str], dying: fates.Dying) -> Life:
        is_mortal = name.partition("-")[0] in self._options.mortals
        return Life(name, command, self._logs, self.fates if is_mortal else Fates(0, Random(0)), dying)

    def _wait_for_erp(self, child: Child) -> None:
        child.wait_for(self._erp_client.ready, "did not answer")

    # -- the run

    def live(self) -> Verdict:
        """From an empty folder to the verdict.

        Raises:
            DemoFailed: A process ended that was not to end, or the run did not settle.
        """
        try:
            outside = self._begin()
            while not (self.fates.over and self._done_feeding()):
                self._tick(outside)
            self._faults.end()
            self._settle(outside)
            self._flow.drain()
            self._poster.drain()
        finally:
            self.clear()
        return judge(self._options.folder)

    def _begin(self) -> Outside:
        options = self._options
        start = datetime.now(UTC) - timedelta(hours=options.hours + 6)
        plant = Plant(options.seed, start.replace(minute=0, second=0), options.hours)
        plant.truth.write(options.folder / "truth.json")
        self._write_settings()
        self._feed = PacedFeed(plant, options.bootstrap, self._share)
        self._feed.opening()
        self._erp.start()
        self._release(plant)
        self._flow.start()
        self._poster.start()
        self._ledger = Ledger(demo_settings.ledger_url(options.folder), who="chaos")
        self._feed.start()
        return Outside(self._ledger, self._feed.sent)

    def _write_settings(self) -> None:
        options = self._options
        flow = demo_settings.write_flow(options.folder, options.bootstrap)
        settings = {**yaml.safe_load(flow.read_text()), **FLOW_SETTINGS}
        flow.write_text(yaml.safe_dump(settings, sort_keys=False))
        demo_settings.write_poster(options.folder, self._erp_client.url)

    def _release(self, plant: Plant) -> None:
        released: dict[str, list[str]] = {}
        for order, operation in plant.truth.operations:
            released.setdefault(order, []).append(operation)
        self._erp_client.release(released)

    def _tick(self, outside: Outside) -> None:
        for actor in (self._flow, self._poster, self._erp, self._faults):
            actor.tick()
        if self._feed is not None and self._feed.error is not None:
            raise DemoFailed(f"feed: {self._feed.error}")
        self._report(outside)
        time.sleep(TICK_S)

    def _done_feeding(self) -> bool:
        return self._feed is not None and self._feed.done

    def _share_of_kills(self) -> float:
        return self.fates.done / max(self.fates.kills, 1)

    def _share(self) -> float:
        """Deaths, and the time since the last one as a part of one."""
        done, now = self.fates.done, time.monotonic()
        if done > self._deaths_seen:
            self._deaths_seen, self._last_death = done, now
        if self.fates.over:
            return 1.0
        return min(1.0, (done + min(1.0, (now - self._last_death) / PACE_S)) / self.fates.kills)

    def _report(self, outside: Outside) -> None:
        if time.monotonic() - self._reported < REPORT_EVERY_S:
            return
        self._reported = time.monotonic()
        self._say(
            f"{self._reported - self._begun:5.0f} s  kills {self.fates.done}/{self.fates.kills}"
            f" ({self.fates.at_points.total()} at fail points)  processes {self._flow.size}"
            f"  sent {outside.sent():,}  read {outside.read():,}  documents {outside.documents():,}"
            f"  pending {outside.unfinished():,}  booked {outside.booked():,}"
        )

    def _settle(self, outside: Outside) -> None:
        """Wait until everything is read, every window closed and everything booked."""
        deadline = time.monotonic() + SETTLE_S
        seen, since = outside.fingerprint(), time.monotonic()
        while min(time.monotonic() - since, self._flow.awake) < QUIET_S:
            if time.monotonic() > deadline:
                self._say(f"not settled after {SETTLE_S:.0f} s, {outside.unfinished()} documents unfinished")
                return
            for actor in (self._flow, self._poster, self._erp):
                actor.tick()
            self._report(outside)
            found = outside.fingerprint()
            if found != seen or not outside.is_done():
                seen, since = found, time.monotonic()
            time.sleep(TICK_S)

    def clear(self) -> None:
        """No process is left, whatever happened."""
        if self._feed is not None:
            self._feed.halt()
        for actor in (self._flow, self._poster, self._erp):
            actor.kill()
        self._faults.close()
        self._erp_client.close()
        if self._ledger is not None:
            self._ledger.close()

    @property
    def drains(self) -> int:
        """How often the flow was drained by SIGTERM."""
        return self._flow.drains

    @property
    def faults(self) -> int:
        """Faults ordered at the ERP."""
        return self._faults.ordered
