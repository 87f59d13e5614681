"""The main job end to end: simulated plant, broker, flows, poster and sandbox ERP as separate processes.

Nothing here helps the flows or the poster: they run as in an installation, from settings files, and are told
nothing. What they made of the day is compared with what the plant really did.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from millrace.ledger import Ledger
from sandbox import demo_settings
from sandbox.demo_check import reconcile_folder
from sandbox.demo_feed import Feed
from sandbox.demo_folder import MARKER, Ended, ended_by_signals, free_port, fresh_folder
from sandbox.demo_process import Child, DemoFailed
from sandbox.demo_script import Script
from sandbox.demo_stock_view import bands, stock_view
from sandbox.demo_watch import Erp, Watch
from sandbox.live import LiveView
from sandbox.plant import Plant
from sandbox.plant_layout import ALL_TOPICS
from sandbox.plant_material import MaterialDay
from sandbox.procurement import Procurement
from sandbox.reconcile import Reconciliation
from sandbox.report import render
from sandbox.report_materials import StockView
from sandbox.report_tables import tables

TICK_S, SETTLE_TICK_S = 0.15, 0.4
#: Seconds after the day: how long the books may differ before the verdict, and must agree before it.
SETTLE_S, AGREED_S = 60.0, 1.0
START_S = 60.0
RESTARTS = 3
#: Hours between the end of the day and now: the evening of the suppliers lies in the past too.
MARGIN_H = 6
#: A port of metrics that the environment names is for the first flow alone.
_NO_METRICS: Mapping[str, str | None] = {"MILLRACE_METRICS_PORT": None}


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What may be chosen.

    Args:
        out: Folder for everything that is made.
        seed: Same seed, same plant day (at the same time of day).
        hours: Length of the plant's day.
        scale: Events per machine hour, as a multiple of the plain plant's.
        seconds: Wall-clock seconds in which the day is sent.
        keep: Move an earlier run aside; else it is replaced.
    """

    out: Path
    seed: int = 1
    hours: float = 24.0
    scale: float = 1.0
    seconds: float = 16.0
    keep: bool = False


def run(options: DemoOptions, console: Console) -> Reconciliation:
    """Run the demo and compare.

    Raises:
        Misconfigured: The output folder holds something else.
        DemoFailed: A process ended or did not do its part; the message names its log.
    """
    folder = fresh_folder(options.out, keep=options.keep)
    (folder / MARKER).write_text(json.dumps({"seed": options.seed, "hours": options.hours}) + "\n")
    with ended_by_signals() as ended:
        stage = Stage(folder, options, console, ended)
        try:
            return stage.play()
        finally:
            stage.clear()


class Stage:
    """The processes of one run.

    Args:
        folder: Fresh output folder.
        options: What was chosen.
        console: Where progress and tables go.
        ended: Whether it was asked to end.
    """

    def __init__(self, folder: Path, options: DemoOptions, console: Console, ended: Ended) -> None:
        self._folder, self._options, self._console, self._ended = folder, options, console, ended
        self._erp = Erp(f"http://127.0.0.1:{free_port()}")
        self._ledger: Ledger | None = None
        self._feed: Feed | None = None
        self._procurement: Procurement | None = None
        self._crashes: Counter[str] = Counter()
        self._broker = self._child(
            "broker",
            *("-m", "sandbox.broker", "--port-file", str(folder / "broker.address")),
            *(word for topic in ALL_TOPICS.values() for word in ("--topic", topic)),
        )
        port = self._erp.url.rpartition(":")[2]
        state = str(folder / "erp.db")
        self._erp_process = self._child("erp", "-m", "sandbox.erp", "--port", port, "--state", state)
        self._flows = {
            demo_settings.FLOW: self._flow("flow", "confirmations", {}),
            demo_settings.MOVEMENTS: self._flow("movements", "goods-movements", _NO_METRICS),
            demo_settings.REPLENISHMENT: self._flow("replenishment", "replenishment", _NO_METRICS),
        }
        self._poster = self._child("poster", "-m", "millrace", "post", "--config", str(folder / "poster.yaml"))

    def _child(self, name: str, *arguments: str) -> Child:
        return Child(name, arguments, self._folder / "logs")

    def _flow(self, name: str, flow: str, env: Mapping[str, str | None]) -> Child:
        settings = str(self._folder / f"{name}.yaml")
        return Child(name, ["-m", "millrace", "run", flow, "--config", settings], self._folder / "logs", env)

    def play(self) -> Reconciliation:
        """Everything, from an empty folder to the verdict."""
        say = self._console.print
        say(f"Plant day of {self._options.hours:g} h, seed {self._options.seed}; all files in {self._folder}")
        feed, watch = self._prepare()
        with LiveView(feed.plant_seconds, self._console) as view:
            self._live_through(watch, view, feed)
            self._settle(watch, view)
        facts = self._facts(watch)
        self._stop_in_order()
        result = reconcile_folder(self._folder)
        self._publish(result, watch, facts)
        return result

    # -- before

    def _prepare(self) -> tuple[Feed, Watch]:
        """Start broker and ERP, make the day, then start flows and poster on it."""
        self._broker.start()
        self._erp_process.start()
        plant = self._plant()
        day = MaterialDay(plant, self._options.seed)
        address = self._folder / "broker.address"
        self._broker.wait_for(address.exists, "gave no address")
        self._erp_process.wait_for(self._erp.ready, "did not answer")
        released: dict[str, list[str]] = {}
        for order, operation in plant.truth.operations:
            released.setdefault(order, []).append(operation)
        self._erp.release(released)
        bootstrap = address.read_text()
        demo_settings.write_flow(self._folder, bootstrap)
        demo_settings.write_movements(self._folder, bootstrap)
        demo_settings.write_replenishment(self._folder, bootstrap, day.limits)
        demo_settings.write_poster(self._folder, self._erp.url, materials=True)
        self._ledger = Ledger(demo_settings.ledger_url(self._folder), who="demo")
        self._feed = Feed(plant, bootstrap, self._options.seconds, day.emissions)
        self._procurement = Procurement(day, plant.truth, self._feed, self._erp.url, bootstrap, self._options.seed)
        self._feed.opening()
        self._procurement.opening()
        for child in (*self._flows.values(), self._poster):
            child.start()
        known = Watch(self._ledger, self._erp, self._feed, self._procurement)
        # The first flow that is ready would take a pause before the day for silence; the others read what they missed.
        while not any(known.read(("Material",), flow) for flow in self._flows):
            self._supervise()
            if known.now > START_S:
                raise self._flows[demo_settings.FLOW].failed(f"read no reference data within {START_S:.0f} s")
            time.sleep(TICK_S)
        return self._feed, Watch(self._ledger, self._erp, self._feed, self._procurement)

    def _plant(self) -> Plant:
        """The day lies wholly in the past, so that silence at its end closes its last windows."""
        options = self._options
        start = datetime.now(UTC) - timedelta(hours=options.hours + MARGIN_H)
        return Plant(options.seed, start.replace(minute=0, second=0), options.hours, options.scale)

    # -- during

    def _live_through(self, watch: Watch, view: LiveView, feed: Feed) -> None:
        """Send the day while things go wrong."""
        script = Script(self._erp, watch, lambda flow: self._flows[flow].kill(), self._options.seconds)
        procurement = self._procurement
        if procurement is None:
            raise DemoFailed("procurement was not prepared")
        feed.start()
        procurement.start()
        while not (feed.done and script.over and procurement.done):
            script.play()
            procurement.awaited = watch.may_ask()
            if feed.done and script.over:
                watch.note = "the evening: flows catch up, suppliers deliver"
            self._supervise()
            view.update(watch.sample())
            time.sleep(TICK_S)

    def _settle(self, watch: Watch, view: LiveView) -> None:
        """Wait until the books agree with the plant and stay so, or for as long as that may take.

        This only chooses the moment; the verdict is given on what is there once flow and poster have ended.
        """
        if self._procurement is not None:
            self._procurement.write(self._folder)
        deadline, agreed = watch.now + SETTLE_S, 0.0
        watch.note = "the day is over, last windows close"
        while watch.now < deadline:
            self._supervise()
            view.update(watch.sample())
            if not watch.all_read() or watch.unfinished() or not reconcile_folder(self._folder).ok:
                agreed = watch.now
            elif watch.now - agreed > AGREED_S:
                return
            time.sleep(SETTLE_TICK_S)

    def _supervise(self) -> None:
        """Start a dead flow again, as Kubernetes would; nothing else may die."""
        self._ended.heed()
        for child in (self._broker, self._erp_process, self._poster):
            child.expect()
        for thread in (self._feed, self._procurement):
            if thread is not None and thread.error is not None:
                raise DemoFailed(f"{thread.name}: {thread.error}")
        for name, child in self._flows.items():
            if child.exit_status is not None:
                self._crashes[name] += 1
                if self._crashes[name] > RESTARTS:
                    child.expect()
                child.start()

    # -- after

    def _stop_in_order(self) -> None:
        """SIGTERM: flow and poster finish what they have in hand and exit with 0."""
        for child in (*self._flows.values(), self._poster):
            if (status := child.stop()) != 0:
                raise child.failed(f"ended with exit status {status} when it was told to stop")

    def _facts(self, watch: Watch) -> dict[str, str]:
        stats = watch.stats()
        met = stats["faults_met"]
        faults = ", ".join(f"{count:,} x {name.replace('_', ' ')}" for name, count in sorted(met.items()))
        return {
            "seed": str(self._options.seed),
            "simulated hours": f"{self._options.hours:g}",
            "kills of flows": f"{watch.kills}",
            "restarts without a kill": str(self._crashes.total() - watch.kills),
            "ERP faults met": faults or "none",
            "bookings doubled": str(stats["doubled_references"]),
        }

    def _publish(self, result: Reconciliation, watch: Watch, facts: dict[str, str]) -> None:
        self._console.print(tables(result))
        report, verdict = self._folder / "report.html", self._folder / "reconciliation.json"
        render(report, watch.samples, watch.marks, result, facts, self._stock())
        verdict.write_text(json.dumps({**result.as_json(), "run": facts}, indent=1) + "\n", encoding="utf-8")
        for name, value in facts.items():
            self._console.print(f"{name}: {value}", highlight=False)
        self._console.print(f"report: {report}\nfigures: {verdict}", soft_wrap=True, highlight=False)

    def _stock(self) -> StockView | None:
        """Materials over the day, for the report."""
        if self._procurement is None or self._ledger is None:
            return None
        day = self._procurement.day
        return stock_view(self._ledger, self._folder / "history", day.at(0.0), bands(day, self._procurement.outage))

    def clear(self) -> None:
        """No process is left, whatever happened."""
        for thread in (self._feed, self._procurement):
            if thread is not None:
                thread.halt()
        for child in (*self._flows.values(), self._poster, self._erp_process, self._broker):
            child.kill()
        if self._ledger is not None:
            self._ledger.close()
