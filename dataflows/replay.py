"""A flow over its history: the same events through the same rules, into a folder.

The run keeps its state in the folder, so that one that was killed goes on where it stood when it is called again with
the same history, range, settings and master data; when any of these has changed it begins anew. Nothing else is
written: `dataflows.replay_changes` compares, `dataflows.replay_apply` puts into a ledger.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import polars as pl
from bytewax.dataflow import Dataflow
from bytewax.outputs import Sink

from dataflows import parts
from dataflows.file_run import FOREVER_H
from dataflows.flow_settings import FlowSettings
from dataflows.master_data import MasterData
from dataflows.replay_late import Late, late_frame
from dataflows.replay_range import Orders, Range, days_of, margin, needed, touched_orders
from dataflows.replayable import Replayable
from dataflows.run import run
from millrace.errors import MillraceError, Misconfigured
from millrace.failpoints import hit
from millrace.shutdown import draining
from operators.routes import origin_code
from operators.windows import Window
from sinks.announced import Announced, AnnouncedSink
from sinks.batches import Batch
from sinks.history.rows import HistoryRows
from sources.history import LANE, HistoryAccount, HistoryDay, HistoryLanes

WORK = "work"


@dataclass(slots=True)
class Replay:
    """One replay of a flow in a folder.

    Args:
        flow: How the flow is replayed.
        settings: Its settings.
        wanted: What it is about.
        master: Reference data.
        folder: Where its state and results are.
        late: Rows that are documents of their own in the ledger.
        history: Folder that a copy of the rows read is written to; None writes none.
        workers: Worker threads; they change no total.
        widen: Read what documents at the edges depend on; False only in negative controls.
    """

    flow: Replayable
    settings: FlowSettings
    wanted: Range
    master: MasterData
    folder: Path
    late: Sequence[Late] = ()
    history: Path | None = None
    workers: int = 1
    widen: bool = True
    days: list[HistoryDay] = field(default_factory=list)
    touched: Orders | None = None
    newest: int = 0
    resumed: bool = False

    @property
    def rows(self) -> HistoryRows:
        """The history that is read."""
        if self.settings.history is None:
            raise Misconfigured("history: the settings name no history to replay")
        topics = {name: self.settings.topic(name) for name in self.flow.reads(self.settings)}
        return HistoryRows(self.settings.history, topics, self.wanted.plants or None)

    @property
    def announced(self) -> Announced:
        """What it made."""
        return Announced(self.folder / WORK / "announced")

    def plan(self) -> int:
        """Look at the history; returns how many rows the days hold.

        Raises:
            Misconfigured: There is no history, or a file of it is damaged; or orders are named to a flow without any.
        """
        rows = self.rows
        if self.flow.decides and self.wanted.orders:
            raise Misconfigured(f"--order: {self.settings.flow} knows no orders; give --plant, --from or --to")
        self.days = days_of(rows)
        if not self.days:
            raise Misconfigured(f"{rows.root}: holds no rows of {', '.join(rows.topics.values())} to replay")
        self.newest = rows.newest(_date(self.days[-1].start))
        if not (self.wanted.whole or self.flow.decides):
            dates = [_date(day.start) for day in self.days]
            self.touched = touched_orders(rows, dates, self.wanted, self.settings.window, self.flow.linear)
        return sum(day.rows for day in self.days)

    def compute(self, heard: Callable[[int], None] = lambda _rows: None) -> HistoryAccount:
        """Run to the end of the history, from where an earlier call was interrupted.

        Args:
            heard: Told how many of the rows that `plan` counted are behind.

        Raises:
            MillraceError: A signal ended it early, or a file can't be read.
        """
        work, digest = self.folder / WORK, self._print()
        done = work / "computed.json"
        self.resumed = _known(work) == digest
        if not self.resumed:
            _begin(work, digest, self.history)
        if done.exists():
            heard(sum(day.rows for day in self.days))
            return HistoryAccount(**json.loads(done.read_text(encoding="utf-8")))
        hit("replay.before_compute")
        account = self._run(HistoryAccount(heard=heard), work / "state", digest)
        hit("replay.before_computed")
        _write(done, account.plain())
        return account

    def _run(self, account: HistoryAccount, state: Path, digest: str) -> HistoryAccount:
        begun = time.monotonic()
        flow = self._build(account, state)
        # A snapshot after each batch: only what is in one leaves the state.
        run(flow, state, partitions=1, layout={"replay": digest}, epoch_s=0.0, workers=self.workers)
        account.seconds = time.monotonic() - begun
        if account.failure is not None:
            raise account.failure
        if draining.is_set():
            raise MillraceError(f"{self.folder}: interrupted; call it again to go on")
        return account

    def _build(self, account: HistoryAccount, state: Path) -> Dataflow:
        settings = self._settings(state)
        rows = self.rows
        topics = dict(rows.topics)
        build = parts.lane_builder(settings, {}, self.master.calendar, topics, route=self.flow.route(settings))
        load = partial(load_rows, rows, self._needed)
        lanes = HistoryLanes(self.days, load, build, self._late_by_contract(topics), account, self.flow.decides)
        sinks: dict[str, Sink[Batch]] = {"replayed": AnnouncedSink(self.announced)}
        return self.flow.wire(settings, lanes, self.master.lasting(), sinks, [LANE])

    def _needed(self, contract: str) -> pl.Expr:
        if not self.widen:
            return self.wanted.inside()
        return needed(contract, self.flow.linear, self.touched, self.wanted.inside(margin(self.settings.window)))

    def _settings(self, state: Path) -> FlowSettings:
        """Settings as they hold here: nothing goes out, and totals of whole operations stay to the end."""
        unbound = Window.parse(self.settings.window).kind == "operation"
        return self.settings.model_copy(
            update={
                "kafka": None,
                "ledger": None,
                "publish": False,
                "recovery": state,
                "history": self.history,
                "horizon_h": float(FOREVER_H) if unbound else self.settings.horizon_h,
                "mappings": {},
            }
        )

    def _late_by_contract(self, topics: Mapping[str, str]) -> dict[str, pl.DataFrame]:
        """By contract those of its own topic, and those of topics of foreign records."""
        foreign = list(self.settings.mappings)
        return {name: late_frame(self.late, {topic, *foreign}) for name, topic in topics.items()}

    def _print(self) -> str:
        """What the state depends on."""
        told = {
            "settings": self.settings.model_dump(mode="json", exclude={"kafka", "registry", "ledger", "recovery"}),
            "range": [self.wanted.first, self.wanted.until, sorted(self.wanted.plants), sorted(self.wanted.orders)],
            "master": self.master.print(),
            "days": [[day.start, day.rows] for day in self.days],
            "late": sorted(map(list, self.late)),
            "history": str(self.history),
            "widen": self.widen,
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def load_rows(
    rows: HistoryRows, condition: Callable[[str], pl.Expr], first: int, until: int
) -> dict[str, pl.DataFrame]:
    """Rows of a piece of one day by contract, in the order of event time, each record once."""
    found = {}
    for name in rows.topics:
        frame = rows.load(name, _date(first), partial(_piece, condition(name), first, until))
        if frame.height:
            origin = (pl.col("partition") | origin_code(name, 0)).cast(pl.Int32).alias("origin")
            once = frame.unique(["plant", "partition", "offset", "event_id"], keep="first", maintain_order=False)
            found[name] = once.sort("event_time", "event_id", "offset").with_columns(origin).drop("partition")
    return found


def _piece(condition: pl.Expr, first: int, until: int, frame: pl.LazyFrame) -> pl.LazyFrame:
    inside = pl.col("event_time").to_physical().is_between(first, until, closed="left")
    return frame.filter(inside & condition)


def _date(at: int) -> date:
    return datetime.fromtimestamp(at / 1e6, UTC).date()


def _known(work: Path) -> str | None:
    try:
        return str(json.loads((work / "plan.json").read_text(encoding="utf-8"))["digest"])
    except (OSError, ValueError, KeyError):
        return None


def _begin(work: Path, digest: str, history: Path | None) -> None:
    """Empty folders for a fresh start; what a replay of something else left is removed."""
    for folder in (work, history):
        if folder is not None and folder.exists():
            shutil.rmtree(folder)
    (work / "announced").mkdir(parents=True)
    _write(work / "plan.json", {"digest": digest})


def _write(path: Path, content: Mapping[str, object]) -> None:
    partial_file = path.with_suffix(".partial")
    partial_file.write_text(json.dumps(content), encoding="utf-8")
    partial_file.rename(path)


__all__ = ["WORK", "Replay", "load_rows"]
