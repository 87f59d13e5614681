"""The main job end to end: simulated plant, broker, flow, poster and sandbox ERP as separate processes.

Nothing here helps the flow or the poster: they run as in an installation, from settings files, and are told
nothing. What they made of the day is compared with what the plant really did.
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

from rich.console import Console

from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from sandbox import demo_settings
from sandbox.demo_check import REFERENCES, reconcile_folder
from sandbox.demo_feed import Feed
from sandbox.demo_process import Child, DemoFailed
from sandbox.demo_script import Script
from sandbox.demo_watch import Erp, Watch
from sandbox.live import LiveView
from sandbox.plant import Plant
from sandbox.plant_layout import TOPICS
from sandbox.reconcile import Reconciliation
from sandbox.report import render
from sandbox.report_tables import tables

MARKER = "demo.json"
TICK_S, SETTLE_TICK_S = 0.15, 0.4
#: Seconds after the day: how long the books may differ before the verdict, and must agree before it.
SETTLE_S, AGREED_S = 60.0, 1.0
START_S = 60.0
RESTARTS = 3


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
    with _ended_by_sigterm():
        stage = Stage(folder, options, console)
        try:
            return stage.play()
        finally:
            stage.clear()


def fresh_folder(out: Path, *, keep: bool) -> Path:
    """An empty folder; what an earlier demo left there is removed, or moved aside.

    Raises:
        Misconfigured: It holds something that no demo made.
    """
    folder = out.resolve()
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise Misconfigured(f"{out} holds files that no demo made; name another folder with --out")
        if keep:
            folder.rename(_aside(folder))
        else:
            shutil.rmtree(folder)
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    return folder


def _aside(folder: Path) -> Path:
    numbers = range(1, 10_000)
    return next(p for n in numbers if not (p := folder.with_name(f"{folder.name}.{n}")).exists())


class Stage:
    """The processes of one run.

    Args:
        folder: Fresh output folder.
        options: What was chosen.
        console: Where progress and tables go.
    """

    def __init__(self, folder: Path, options: DemoOptions, console: Console) -> None:
        self._folder, self._options, self._console = folder, options, console
        self._erp = Erp(f"http://127.0.0.1:{_free_port()}")
        self._ledger: Ledger | None = None
        self._feed: Feed | None = None
        self._crashes = 0
        self._broker = self._child(
            "broker",
            *("-m", "sandbox.broker", "--port-file", str(folder / "broker.address")),
            *(word for topic in TOPICS.values() for word in ("--topic", topic)),
        )
        port = self._erp.url.rpartition(":")[2]
        state = str(folder / "erp.db")
        self._erp_process = self._child("erp", "-m", "sandbox.erp", "--port", port, "--state", state)
        self._flow = self._millrace("flow", "run", "confirmations", "--config", str(folder / "flow.yaml"))
        self._poster = self._millrace("poster", "post", "--config", str(folder / "poster.yaml"))

    def _child(self, name: str, *arguments: str) -> Child:
        return Child(name, arguments, self._folder / "logs")

    def _millrace(self, name: str, *arguments: str) -> Child:
        return self._child(name, "-m", "millrace", *arguments)

    def play(self) -> Reconciliation:
        """Everything, from an empty folder to the verdict."""
        say = self._console.print
        say(f"Plant day of {self._options.hours:g} h, seed {self._options.seed}; all files in {self._folder}")
        feed, ledger = self._prepare()
        watch = Watch(ledger, self._erp, feed)
        with LiveView(feed.plant_seconds, self._console) as view:
            self._live_through(watch, view, feed)
            self._settle(watch, view)
        facts = self._facts(watch)
        self._stop_in_order()
        result = reconcile_folder(self._folder)
        self._publish(result, watch, facts)
        return result

    # -- before

    def _prepare(self) -> tuple[Feed, Ledger]:
        """Start broker and ERP, make the day, then start flow and poster on it."""
        self._broker.start()
        self._erp_process.start()
        plant = self._plant()
        plant.truth.write(self._folder / "truth.json")
        address = self._folder / "broker.address"
        self._broker.wait_for(address.exists, "gave no address")
        self._erp_process.wait_for(self._erp.ready, "did not answer")
        released: dict[str, list[str]] = {}
        for order, operation in plant.truth.operations:
            released.setdefault(order, []).append(operation)
        self._erp.release(released)
        bootstrap = address.read_text()
        demo_settings.write_flow(self._folder, bootstrap)
        demo_settings.write_poster(self._folder, self._erp.url)
        self._ledger = Ledger(demo_settings.ledger_url(self._folder), who="demo")
        self._feed = Feed(plant, bootstrap, self._options.seconds)
        self._feed.opening()
        self._flow.start()
        self._poster.start()
        known = Watch(self._ledger, self._erp, self._feed)
        self._flow.wait_for(lambda: known.read(REFERENCES) > 0, "read no reference data", START_S)
        return self._feed, self._ledger

    def _plant(self) -> Plant:
        """The day lies wholly in the past, so that silence at its end closes its last windows."""
        options = self._options
        start = datetime.now(UTC) - timedelta(hours=options.hours + 6)
        return Plant(options.seed, start.replace(minute=0, second=0), options.hours, options.scale)

    # -- during

    def _live_through(self, watch: Watch, view: LiveView, feed: Feed) -> None:
        """Send the day while things go wrong."""
        script = Script(self._erp, watch, self._flow.kill, self._options.seconds)
        feed.start()
        while not (feed.done and script.over):
            script.play()
            self._supervise(watch)
            view.update(watch.sample())
            time.sleep(TICK_S)

    def _settle(self, watch: Watch, view: LiveView) -> None:
        """Wait until the books agree with the plant and stay so, or for as long as that may take.

        This only chooses the moment; the verdict is given on what is there once flow and poster have ended.
        """
        deadline, agreed = watch.now + SETTLE_S, 0.0
        watch.note = "the day is over, last windows close"
        while watch.now < deadline:
            self._supervise(watch)
            view.update(watch.sample())
            if not watch.all_read() or watch.unfinished() or not reconcile_folder(self._folder).ok:
                agreed = watch.now
            elif watch.now - agreed > AGREED_S:
                return
            time.sleep(SETTLE_TICK_S)

    def _supervise(self, watch: Watch) -> None:
        """Start a dead flow again, as Kubernetes would; nothing else may die."""
        for child in (self._broker, self._erp_process, self._poster):
            child.expect()
        if self._feed is not None and self._feed.error is not None:
            raise DemoFailed(f"feed: {self._feed.error}")
        if self._flow.exit_status is None:
            return
        self._crashes += 1
        if self._crashes - watch.kills >= RESTARTS:
            self._flow.expect()
        self._flow.start()

    # -- after

    def _stop_in_order(self) -> None:
        """SIGTERM: flow and poster finish what they have in hand and exit with 0."""
        for child in (self._flow, self._poster):
            if (status := child.stop()) != 0:
                raise child.failed(f"ended with exit status {status} when it was told to stop")

    def _facts(self, watch: Watch) -> dict[str, str]:
        stats = watch.stats()
        met = stats["faults_met"]
        faults = ", ".join(f"{count:,} x {name.replace('_', ' ')}" for name, count in sorted(met.items()))
        return {
            "seed": str(self._options.seed),
            "simulated hours": f"{self._options.hours:g}",
            "kills of the flow": f"{watch.kills}",
            "restarts without a kill": str(self._crashes - watch.kills),
            "ERP faults met": faults or "none",
            "bookings doubled": str(stats["doubled_references"]),
        }

    def _publish(self, result: Reconciliation, watch: Watch, facts: dict[str, str]) -> None:
        self._console.print(tables(result))
        report, verdict = self._folder / "report.html", self._folder / "reconciliation.json"
        render(report, watch.samples, watch.marks, result, facts)
        verdict.write_text(json.dumps({**result.as_json(), "run": facts}, indent=1) + "\n", encoding="utf-8")
        for name, value in facts.items():
            self._console.print(f"{name}: {value}", highlight=False)
        self._console.print(f"report: {report}\nfigures: {verdict}", soft_wrap=True, highlight=False)

    def clear(self) -> None:
        """No process is left, whatever happened."""
        if self._feed is not None:
            self._feed.halt()
        for child in (self._flow, self._poster, self._erp_process, self._broker):
            child.kill()
        if self._ledger is not None:
            self._ledger.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does, so that its processes are ended too."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
