"""The timeline of work centres: rows whose effect depends on what else happened on the machine.

Rows without an order, counter readings and changes of state are kept for the correction horizon. When one
arrives, late or not, everything of its work centre is computed anew, and the parts of totals whose
revision rose are announced whole; a part that lost everything is announced with zero. The consumer keeps
the highest revision of each document key and part, so it ends with the totals of the complete set,
whatever the order of arrival.

**Announcements are held until the state that made them is durable.** A document announced from state that
a crash then rolls back might never be taken back: when after the restart a late job event comes in time,
the pieces go to another order from the start, and nobody remembers that the first one was told of them. So
`recompute` keeps what it makes; `snapshot` marks it as durable; the next `release`, made when input of a
later epoch arrives and the snapshot therefore stands, hands it out. After a crash in between, the restored
state hands it out again: at least once, each time with the same revision. Finite runs, which start again
from nothing, use `hold=False`.

The frontier of `evict` must not run ahead of the horizon by which the caller turns late rows away; rows
that lie before what was evicted are handed back by `add`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from millrace.errors import Misconfigured
from operators.jobs import WORK_CENTER
from operators.shifts import FIRST, CalendarBook
from operators.state_times import state_times
from operators.timeline_announced import (
    ANNOUNCED_PARTS,
    ANNOUNCED_REPORTS,
    ANNOUNCED_SHIFTS,
    STATE_TIMES,
    changed_parts,
    changed_shifts,
    new_reports,
)
from operators.timeline_carry import carry, cut_before
from operators.timeline_config import Output, TimelineConfig
from operators.timeline_negative import settle
from operators.timeline_parts import Happenings, contributions, understand
from operators.timeline_revisions import BASE, part_revisions, shift_revisions
from operators.timeline_rows import RETAINED, TIMELINE, retained
from operators.timeline_state import pack, unpack
from operators.windows import Window

__all__ = ["STATE_TIMES", "TIMELINE", "Output", "Timeline", "TimelineConfig"]

STATE_VERSION = 1
_CUTS: dict[str, pl.DataType] = {"plant": pl.String(), "parts": pl.Int64(), "shifts": pl.Int64()}
_NEVER = -(2**62)


class Timeline:
    """Timelines of the work centres of one shard; plain state, no engine.

    Args:
        config: How timelines are read.
        calendar: Shifts per plant; every plant must be known to it.
        hold: Announce only what a snapshot has made durable (see the module).
    """

    def __init__(self, config: TimelineConfig, calendar: CalendarBook, hold: bool = True) -> None:
        self._config = config
        self._calendar = calendar
        self._hold = hold
        self._rows = pl.DataFrame(schema=RETAINED)
        self._dirty = pl.DataFrame(schema=dict.fromkeys(WORK_CENTER, pl.String))
        self._base = pl.DataFrame(schema=BASE)
        self._cuts = pl.DataFrame(schema=_CUTS)
        self._parts = pl.DataFrame(schema=ANNOUNCED_PARTS)
        self._shifts = pl.DataFrame(schema=ANNOUNCED_SHIFTS)
        self._reports = pl.DataFrame(schema=ANNOUNCED_REPORTS)
        self._fresh: list[Output] = []
        self._durable: list[Output] = []
        self._saved: dict[str, Any] | None = None

    @property
    def rows(self) -> int:
        """Rows retained, baselines among them."""
        return self._rows.height

    def add(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Take in distinct events (columns of TIMELINE); hands back those before what was evicted."""
        rows = retained(frame)
        if self._cuts.height:
            late = rows.select(pl.col("event_time").to_physical() < self._cut("parts", rows)).to_series()
            frame, rows = frame.filter(late), rows.filter(~late)
        else:
            frame = frame.clear()
        if rows.height:
            self._rows = pl.concat([self._rows, rows])
            self._dirty = pl.concat([self._dirty, rows.select(WORK_CENTER)]).unique()
            self._saved = None
        return frame

    def recompute(self) -> Output:
        """Compute the work centres that got rows; what is new is returned at once or, with hold, kept."""
        self._compute()
        if self._hold:
            return Output.joined([])
        fresh, self._fresh = self._fresh, []
        return Output.joined(fresh)

    def release(self) -> Output:
        """Hand out what a snapshot has made durable; call it once that snapshot cannot be lost any more."""
        durable, self._durable = self._durable, []
        if durable:
            self._saved = None
        return Output.joined(durable)

    def evict(self, frontier: int) -> None:
        """Drop whole parts that end at or before `frontier` (microseconds UTC), keeping the baselines."""
        if frontier < FIRST:
            return  # a flow that has just begun: its clock stands before all time
        self._compute()
        plants = self._rows["plant"].unique().to_list()
        window, by_shift = self._config.window, Window("shift")
        cuts = [
            (
                plant,
                cut_before(frontier, plant, window, self._calendar),
                cut_before(frontier, plant, by_shift, self._calendar),
            )
            for plant in plants
        ]
        new = pl.DataFrame(cuts, schema=_CUTS, orient="row")
        cuts_before, self._cuts = (
            self._cuts,
            (pl.concat([self._cuts, new]).group_by("plant").agg(pl.col("parts").max(), pl.col("shifts").max())),
        )
        if self._cuts.sort("plant").equals(cuts_before.sort("plant")):
            return
        self._saved = None
        self._forget_announced()
        self._drop_rows()

    def snapshot(self) -> dict[str, Any]:
        """Plain values to restore from; what was computed so far becomes durable with them.

        What did not change since is not serialised again.
        """
        self._durable, self._fresh = [*self._durable, *self._fresh], []
        if self._saved is None:
            self._saved = self._serialised(Output.joined(self._durable))
        return self._saved

    def _serialised(self, output: Output) -> dict[str, Any]:
        frames = {
            "rows": self._rows,
            "dirty": self._dirty,
            "base": self._base,
            "cuts": self._cuts,
            "parts": self._parts,
            "shifts": self._shifts,
            "reports": self._reports,
            "contributions": output.contributions,
            "state_times": output.state_times,
            "quarantined": output.quarantined,
        }
        return {"version": STATE_VERSION, "frames": {name: pack(frame) for name, frame in frames.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot.

        Raises:
            Misconfigured: The snapshot has another version.
        """
        if state["version"] != STATE_VERSION:
            raise Misconfigured(f"timeline: snapshot of version {state['version']}, not {STATE_VERSION}")
        frames = {name: unpack(data) for name, data in state["frames"].items()}
        self._rows, self._dirty = frames["rows"], frames["dirty"]
        self._base, self._cuts = frames["base"], frames["cuts"]
        self._parts, self._shifts, self._reports = frames["parts"], frames["shifts"], frames["reports"]
        output = Output(frames["contributions"], frames["state_times"], frames["quarantined"])
        self._durable = [] if output.empty else [output]
        self._fresh, self._saved = [], dict(state)

    def _compute(self) -> None:
        if not self._dirty.height:
            return
        config = self._config
        touched = self._rows.join(self._dirty, on=WORK_CENTER, how="semi")
        happened = understand(touched, config.policies, config.micro_stop_micros)
        parts = contributions(happened, config.window, self._calendar, self._cut("parts", happened.rows))
        parts, clamped = settle(parts)
        output = Output(
            self._announce_parts(parts, happened),
            self._announce_shifts(happened),
            self._announce_reports(happened, clamped),
        )
        self._dirty, self._saved = self._dirty.clear(), None
        if not output.empty:
            self._fresh.append(output)

    def _announce_parts(self, parts: pl.DataFrame, happened: Happenings) -> pl.DataFrame:
        known, others = self._split(self._parts)
        shown, known = changed_parts(parts, known, lambda keys: part_revisions(keys, happened, self._base))
        self._parts = pl.concat([others, known])
        return shown

    def _announce_shifts(self, happened: Happenings) -> pl.DataFrame:
        micro_stop = self._config.micro_stop_micros
        start = pl.max_horizontal("start", self._cut("shifts", happened.intervals))
        measured = happened.intervals.with_columns(start.alias("start")).filter(pl.col("end") > pl.col("start"))
        known, others = self._split(self._shifts)
        shown, known = changed_shifts(
            state_times(measured, self._calendar),
            known,
            lambda keys: shift_revisions(keys, happened, self._base, micro_stop),
        )
        self._shifts = pl.concat([others, known])
        return shown

    def _announce_reports(self, happened: Happenings, clamped: pl.DataFrame) -> pl.DataFrame:
        reports = [judged.quarantined() for judged in happened.judged]
        new, remembered = new_reports(pl.concat([clamped, *reports]), self._reports)
        self._reports = pl.concat([self._reports, remembered])
        return new

    def _split(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Rows of the work centres being computed, and the others."""
        return (
            frame.join(self._dirty, on=WORK_CENTER, how="semi"),
            frame.join(self._dirty, on=WORK_CENTER, how="anti"),
        )

    def _cut(self, column: str, rows: pl.DataFrame) -> pl.Expr:
        """Cut of each row's plant in microseconds, as an expression over rows that have a plant."""
        cuts = dict(zip(self._cuts["plant"], self._cuts[column], strict=True))
        if not cuts or not rows.height:
            return pl.lit(_NEVER, pl.Int64)
        return pl.col("plant").replace_strict(cuts, default=_NEVER, return_dtype=pl.Int64)

    def _forget_announced(self) -> None:
        self._parts = self._parts.filter(pl.col("part") >= self._cut("parts", self._parts))
        start = pl.col("window_start").to_physical()
        self._shifts = self._shifts.filter(start >= self._cut("shifts", self._shifts))
        time = pl.col("event_time").to_physical()
        self._reports = self._reports.filter(time >= self._cut("parts", self._reports))

    def _drop_rows(self) -> None:
        """Evict rows before both cuts; the baselines of the work centres concerned take their place."""
        cut = pl.min_horizontal(self._cut("parts", self._rows), self._cut("shifts", self._rows))
        gone = (pl.col("event_time").to_physical() < cut) & (pl.col("carried") == 0)
        leaving = self._rows.filter(gone)
        if not leaving.height:
            return
        concerned = leaving.select(WORK_CENTER).unique()
        mine = self._rows.join(concerned, on=WORK_CENTER, how="semi")
        baselines = carry(mine, cut, self._config.policies)
        silent = (pl.col("row_kind") == "reading") & (
            pl.col("event_time").to_physical() < cut - self._config.forget_micros
        )
        kept = mine.filter((pl.col("event_time").to_physical() >= cut) & (pl.col("carried") == 0))
        others = self._rows.join(concerned, on=WORK_CENTER, how="anti")
        self._rows = pl.concat([others, kept, baselines.filter(~silent).select(list(RETAINED))])
        self._count_base(leaving)

    def _count_base(self, leaving: pl.DataFrame) -> None:
        counts = leaving.group_by(WORK_CENTER).agg(
            pl.len().cast(pl.Int64).alias("events"),
            (pl.col("row_kind") == "state").sum().cast(pl.Int64).alias("state_events"),
        )
        self._base = pl.concat([self._base, counts]).group_by(WORK_CENTER).agg(pl.all().sum())
