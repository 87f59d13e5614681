"""The demo's plant day in a cluster: flows, poster and ERP are pods, and this feeds them and counts at the end.

`python -m sandbox.cluster_day play ...` is the Job `plant` of `k8s/overlays/demo`: topics, reference data, a day of
records, faults of the ERP, suppliers; then every piece, movement and request is compared. Exit status 1 where one
differs. `python -m sandbox.cluster_day wait ...` lets a flow begin once the reference data are there: a flow that had
met silence before the day would take its records, which lie in the past, for late ones.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from rich.console import Console

from millrace.errors import MillraceError
from millrace.ledger import Ledger
from sandbox.demo_check import reconcile_folder
from sandbox.demo_feed import Feed
from sandbox.demo_script import Script
from sandbox.demo_settings import FLOW, MOVEMENTS, REPLENISHMENT, ledger_url
from sandbox.demo_watch import Erp, Watch
from sandbox.live import LiveView
from sandbox.plant import Plant
from sandbox.plant_components import COMPONENTS
from sandbox.plant_layout import ALL_TOPICS
from sandbox.plant_material import MaterialDay
from sandbox.procurement import Procurement
from sandbox.report_tables import tables
from schemas.contracts import contracts

PARTITIONS = 4
#: What is sent last before the day begins.
LAST = ALL_TOPICS["InventoryBalance"]
TICK_S, AGREED_S = 1.0, 3.0
#: Hours between the end of the day and now, as in `make demo`: the suppliers' evening lies in the past too.
MARGIN_H = 6
#: What every client here is made with; what it would log again and again is told once.
_QUIET = {"log_level": "0", "socket.timeout.ms": "10000"}


class NotInTime(MillraceError):
    """Something did not come about within the time that it was given."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Wait, or play."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.cluster_day", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("wait", "play"):
        command = commands.add_parser(name)
        command.add_argument("--bootstrap", required=True, help="address of the broker")
        command.add_argument("--patience", type=float, default=1800.0, help="seconds to wait for other pods")
    command.add_argument("--erp", required=True, help="base URL of the sandbox ERP")
    command.add_argument("--shared", type=Path, required=True, help="folder with ledger.db and erp.db")
    command.add_argument("--history", type=Path, action="append", default=[], help="history of a flow; again for more")
    command.add_argument("--work", type=Path, required=True, help="empty folder")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--hours", type=float, default=24.0, help="length of the plant's day")
    command.add_argument("--seconds", type=float, default=180.0, help="seconds in which it is sent")
    options = parser.parse_args(arguments)
    try:
        if options.command == "wait":
            _until(lambda: opened(options.bootstrap), "the plant has sent no reference data", options.patience)
            return 0
        return Day(options).play()
    except MillraceError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def opened(bootstrap: str) -> bool:
    """Whether everything that comes before the day is there."""
    try:
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "demo-wait", **_QUIET})
        ends = (consumer.get_watermark_offsets(TopicPartition(LAST, n), timeout=5) for n in range(PARTITIONS))
        return sum(high for _, high in ends) >= len(COMPONENTS)
    except (KafkaException, TypeError):  # no answer is no pair
        return False


def make_topics(bootstrap: str) -> bool:
    """One per contract; False where no broker answers yet.

    Raises:
        MillraceError: The broker refuses.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap, **_QUIET})
    wanted = [NewTopic(each.topic, num_partitions=PARTITIONS, replication_factor=1) for each in contracts().values()]
    done: Iterable[tuple[str, Future[None]]] = admin.create_topics(wanted, request_timeout=10).items()
    for topic, made in done:
        try:
            made.result()
        except KafkaException as error:
            told: KafkaError = error.args[0]
            if told.code() in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError.REQUEST_TIMED_OUT):
                return False
            if told.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise MillraceError(f"topic {topic}: {told.str()}") from error
    return True


class Day:
    """One day of the plant.

    Args:
        options: Of the command line.
    """

    def __init__(self, options: Any) -> None:
        self._options = options
        self._console = Console(width=120)
        self._erp = Erp(options.erp)

    def play(self) -> int:
        """Everything, from empty topics to the verdict."""
        options = self._options
        start = datetime.now(UTC) - timedelta(hours=options.hours + MARGIN_H)
        plant = Plant(options.seed, start.replace(minute=0, second=0), options.hours)
        day = MaterialDay(plant, options.seed)
        _until(lambda: make_topics(options.bootstrap), "no broker answers", options.patience)
        _until(self._erp.ready, "the sandbox ERP does not answer", options.patience)
        _until((options.shared / "ledger.db").exists, "the poster has made no ledger", options.patience)
        released: dict[str, list[str]] = {}
        for order, operation in plant.truth.operations:
            released.setdefault(order, []).append(operation)
        self._erp.release(released)
        feed = Feed(plant, options.bootstrap, options.seconds, day.emissions)
        procurement = Procurement(day, plant.truth, feed, options.erp, options.bootstrap, options.seed)
        feed.opening()
        procurement.opening()
        for name in ("ledger.db", "erp.db"):
            (options.work / name).symlink_to(options.shared / name)
        with Ledger(ledger_url(options.work), who="demo") as ledger:
            watch = Watch(ledger, self._erp, feed, procurement)
            _until(lambda: any(_begun(watch)), "no flow has read reference data", options.patience)
            watch = Watch(ledger, self._erp, feed, procurement)
            with LiveView(feed.plant_seconds, self._console, every=5.0) as view:
                self._live_through(watch, view, feed, procurement)
                self._settle(watch, view, procurement)
        result = reconcile_folder(options.work)
        self._console.print(tables(result))
        return result.exit_status

    def _live_through(self, watch: Watch, view: LiveView, feed: Feed, procurement: Procurement) -> None:
        script = Script(self._erp, watch, None, self._options.seconds)
        feed.start()
        procurement.start()
        while not (feed.done and script.over and procurement.done):
            script.play()
            procurement.awaited = watch.may_ask()
            for thread in (feed, procurement):
                if thread.error is not None:
                    raise MillraceError(f"{thread.name}: {thread.error}")
            view.update(watch.sample())
            time.sleep(TICK_S)

    def _settle(self, watch: Watch, view: LiveView, procurement: Procurement) -> None:
        """Until the books agree with the plant and stay so, or patience ends; the verdict is given afterwards."""
        procurement.write(self._options.work)
        deadline, agreed = watch.now + self._options.patience, watch.now
        watch.note = "the day is over, last windows close"
        while watch.now < deadline and watch.now - agreed <= AGREED_S:
            view.update(watch.sample())
            self._link_histories()
            if not watch.all_read() or watch.unfinished() or not reconcile_folder(self._options.work).ok:
                agreed = watch.now
            time.sleep(TICK_S)

    def _link_histories(self) -> None:
        """Topics of all flows in one folder, as the demo on one machine has them."""
        whole = self._options.work / "history"
        whole.mkdir(exist_ok=True)
        for history in self._options.history:
            for topic in history.iterdir() if history.exists() else ():
                if topic.is_dir() and not (whole / topic.name).exists():
                    (whole / topic.name).symlink_to(topic)


def _begun(watch: Watch) -> Iterable[bool]:
    return (watch.read(("Material",), flow) > 0 for flow in (FLOW, MOVEMENTS, REPLENISHMENT))


def _until(holds: Callable[[], bool], what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise NotInTime(f"{what} after {seconds:g} s")
        time.sleep(TICK_S)


if __name__ == "__main__":
    sys.exit(main())
