"""Revisions: how many distinct events a part of a total depends on, so that more events supersede fewer.

A running number would not do: after a crash batches fall differently, and a total with *less* in it could
carry a higher number than one that was announced before. The number of events is unique for the complete
set.

A part that ends at `e` depends on the events of its work centre before `e`, since jobs, baselines and
states run on from there; and on whether any state event lies at or after `e`, since that closes the time of
the state that runs at `e`. A counter ordered by `sequence` may take its baseline from a reading with a
later event time: such a reading counts from the earliest event time of a row that may depend on it. Times
by shift also depend on what follows within the micro-stop threshold, since that tells a micro-stop from a
delay. Each of these numbers only grows when events are added, and events that left the state stay counted.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from operators.jobs import WORK_CENTER
from operators.micro_units import Longs, group_numbers
from operators.timeline_parts import Happenings

#: Events that left the state, per work centre.
BASE: dict[str, pl.DataType] = {
    "plant": pl.String(),
    "work_center": pl.String(),
    "events": pl.Int64(),
    "state_events": pl.Int64(),
}


def part_revisions(keys: pl.DataFrame, happened: Happenings, base: pl.DataFrame) -> pl.Series:
    """Revision per row of `keys` (plant, work_center, part_end)."""
    judged = [one.rows.select(*WORK_CENTER, "carried", at=pl.Series(one.needed)) for one in happened.judged]
    others = happened.rows.filter(pl.col("row_kind") != "reading").select(
        *WORK_CENTER, "carried", at=pl.col("event_time").to_physical()
    )
    events = pl.concat([others, *judged]).filter(pl.col("carried") == 0)
    ends = keys["part_end"]
    count = _count_before(keys, ends.to_numpy(), events)
    return _revision(keys, happened, base.select(*WORK_CENTER, gone="events"), ends, count)


def shift_revisions(keys: pl.DataFrame, happened: Happenings, base: pl.DataFrame, micro_stop: int) -> pl.Series:
    """Revision per row of `keys` (plant, work_center, window_end) of times by shift."""
    events = happened.rows.filter((pl.col("row_kind") == "state") & (pl.col("carried") == 0)).select(
        *WORK_CENTER, at=pl.col("event_time").to_physical()
    )
    ends = keys["window_end"].to_physical() + micro_stop
    count = _count_before(keys, ends.to_numpy(), events)
    return _revision(keys, happened, base.select(*WORK_CENTER, gone="state_events"), ends, count)


def _revision(keys: pl.DataFrame, happened: Happenings, gone: pl.DataFrame, ends: pl.Series, count: Longs) -> pl.Series:
    """Retained events before the end, events that are gone, one if a state event lies at or after it."""
    states = happened.rows.filter(pl.col("row_kind") == "state")
    last = states.group_by(WORK_CENTER).agg(last=pl.col("event_time").max().to_physical())
    known = keys.select(*WORK_CENTER, ends.alias("end"), pl.Series("count", count))
    for frame in (gone, last):
        known = known.join(frame, on=WORK_CENTER, how="left", maintain_order="left")
    closed = (pl.col("last") >= pl.col("end")).fill_null(value=False).cast(pl.Int64)
    return known.select((pl.col("count") + pl.col("gone").fill_null(0) + closed).alias("revision")).to_series()


def _count_before(keys: pl.DataFrame, before: Longs, events: pl.DataFrame) -> Longs:
    """Events of each key's work centre with `at` before the instant given."""
    both = pl.concat([keys.select(WORK_CENTER), events.select(WORK_CENTER)])
    centers = group_numbers(both, WORK_CENTER).cast(pl.Int64).to_numpy()
    times = np.sort(events["at"].to_numpy())
    # Work centre and rank of the time in one number: no product of times that could overflow.
    span = len(times) + 1
    marks = np.sort(centers[keys.height :] * span + np.searchsorted(times, events["at"].to_numpy()))
    own = centers[: keys.height] * span
    limits = own + np.searchsorted(times, before)
    return np.searchsorted(marks, limits) - np.searchsorted(marks, own)
