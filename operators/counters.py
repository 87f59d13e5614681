"""Cumulative counters: from readings to increments, by a policy that is declared per source.

Real machines differ, and each guess is wrong for some: a counter may be kept per machine, article or job,
start anywhere, be reset by hand, roll over or be corrected. So nothing is guessed. What the policy does not
explain is quarantined: reported with both numbers, counted as no increment and not taken for the next
baseline. A counter that runs on from a quarantined level for `confirm_after` further readings has confirmed
it; counting goes on from there, and what lies between the old and the new level stays with the report.

Increments are a function of the *set* of readings: they are sorted by the policy's order, ties by event_id,
so the order of arrival never matters. Good, scrap and rework are three registers of one reading and are
judged together. Only `signed_correction` yields negative increments; that no negative total leaves is the
timeline's care.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from operators.counter_policy import INCREMENTS, QUARANTINED, READING, REGISTERS, CounterPolicy
from operators.counter_steps import ACCEPTED, REASONS, Readings, Verdicts, settle
from operators.jobs import WORK_CENTER
from operators.micro_units import (
    Longs,
    Mask,
    group_numbers,
    group_starts,
    latest,
    quantity,
    take,
    to_millionths,
)

__all__ = ["INCREMENTS", "QUARANTINED", "READING", "CounterPolicy", "Increments", "increments"]

#: How a row of a baseline was judged before: 0 a new reading, 1 accepted, 2 quarantined.
CARRIED = "carried"


@dataclass(frozen=True, slots=True)
class Increments:
    """What a set of readings adds up to.

    Args:
        rows: Readings that count, with INCREMENTS as decimal(18,6).
        quarantined: The others, with the columns of QUARANTINED.
        baselines: What the next call needs to go on from here: plain rows, to be passed as `baselines`.
    """

    rows: pl.DataFrame
    quarantined: pl.DataFrame
    baselines: pl.DataFrame


def increments(readings: pl.DataFrame, policy: CounterPolicy, baselines: pl.DataFrame | None = None) -> Increments:
    """Turn readings of any number of counters into increments.

    Args:
        readings: Columns of READING, quantities not null; any order.
        policy: What they mean.
        baselines: What a former call returned; those readings lie before these in the policy's order.
    """
    new = readings.with_columns(pl.lit(0, pl.Int8).alias(CARRIED))
    rows = new if baselines is None else pl.concat([baselines, new], how="diagonal_relaxed")
    judged = judge(rows, policy)
    everything = np.ones(judged.rows.height, np.bool_)
    return Increments(judged.counted(), judged.quarantined(), judged.baselines(everything))


@dataclass(frozen=True, slots=True)
class Judged:
    """Readings in the order of their counters with a verdict each.

    Args:
        rows: Readings sorted by counter and policy order, with CARRIED.
        verdicts: One per row.
        counter: Position of the first row of the same counter.
        parent: Number of the scope within which an opening event opens counters.
        opening: Rows of opening events.
        rank: Position in the order of the scope.
        needed: Earliest event time (microseconds) of a row whose increment may depend on this one.
        policy: What the readings mean.
    """

    rows: pl.DataFrame
    verdicts: Verdicts
    counter: Longs
    parent: Longs
    opening: Mask
    rank: Longs
    needed: Longs
    policy: CounterPolicy

    def counted(self) -> pl.DataFrame:
        """New readings that count, with INCREMENTS."""
        steps = [pl.Series(name, self.verdicts.steps[:, n]) for n, name in enumerate(INCREMENTS)]
        mine = (self.verdicts.reasons == ACCEPTED) & ~self._carried()
        return self.rows.with_columns(steps).filter(mine).with_columns(quantity(pl.col(n)) for n in INCREMENTS)

    def quarantined(self) -> pl.DataFrame:
        """New readings that do not count, with the columns of QUARANTINED."""
        mine = np.flatnonzero((self.verdicts.reasons != ACCEPTED) & ~self._carried())
        register = self.verdicts.registers[mine]
        values = self.verdicts.values
        base = self.verdicts.base[mine]
        previous = pl.Series(values[base, register]).set(pl.Series(base < 0), None)
        report = self.rows[mine].with_columns(
            pl.Series("reason", [REASONS[code] for code in self.verdicts.reasons[mine]], pl.String),
            pl.Series("register", [REGISTERS[code] for code in register], pl.String),
            quantity(pl.lit(previous)).alias("previous"),
            quantity(pl.lit(pl.Series(values[mine, register]))).alias("found"),
        )
        return report.select(list(QUARANTINED))

    def baselines(self, gone: Mask) -> pl.DataFrame:
        """What is to be kept of the rows in `gone` so that the others are judged the same without them."""
        accepted = (self.verdicts.reasons == ACCEPTED) & gone
        base = self.verdicts.base[~gone]
        keep = np.zeros(len(gone), np.bool_)
        keep[base[base >= 0]] = True
        keep[_last(np.flatnonzero(accepted), self.counter)] = True
        openings = np.flatnonzero(self.opening & gone)
        keep[_last(openings[np.argsort(self.rank[openings])], self.parent)] = True
        keep[self._suspects(accepted, gone)] = True
        marked = pl.Series(CARRIED, np.where(accepted, 1, 2), pl.Int8)
        return self.rows.with_columns(marked).filter(keep & gone)

    def _suspects(self, accepted: Mask, gone: Mask) -> list[int]:
        """The last quarantined rows of each counter that a later reading may still confirm."""
        last = np.full(len(gone), -1)
        positions = np.flatnonzero(accepted)
        last[self.counter[positions]] = positions
        found: dict[int, list[int]] = {}
        for row in np.flatnonzero(~accepted & gone).tolist():
            if row > last[self.counter[row]]:
                found.setdefault(int(self.counter[row]), []).append(row)
        keep = self.policy.confirm_after
        return [row for rows in found.values() for row in rows[len(rows) - min(keep, len(rows)) :]]

    def _carried(self) -> Mask:
        return (self.rows[CARRIED] != 0).to_numpy()


def judge(rows: pl.DataFrame, policy: CounterPolicy) -> Judged:
    """Judge readings (READING and CARRIED) against each other."""
    scope = [*WORK_CENTER, *(name for name in policy.identity if name != "counter")]
    ties = [~pl.col("opening"), pl.col("sequence"), pl.col("event_id")]
    rows = rows.with_columns(_named(policy.opening_event).alias("opening"), _named(policy.reset_event).alias("restart"))
    rows = rows.with_columns(group_numbers(rows, scope).alias("scope"))
    rows = rows.sort("scope", policy.order_by, *ties, nulls_last=False)
    parent = group_starts(rows, ["scope"])
    needed = pl.col("event_time")
    if policy.order_by == "sequence":
        needed = needed.cum_min(reverse=True).over(scope)
    rows = rows.with_columns(
        take(rows["event_time"], latest(rows["opening"].to_numpy(), parent)).alias("epoch"),
        needed.to_physical().alias("needed"),
    )
    counter = group_numbers(rows, [*WORK_CENTER, *policy.identity])
    rank = np.argsort(counter.to_numpy(), kind="stable")
    rows = rows[rank]
    return Judged(
        rows=rows.drop("scope", "opening", "restart", "epoch", "needed"),
        verdicts=settle(_readings(rows, policy), policy),
        counter=group_starts(rows, [*WORK_CENTER, *policy.identity]),
        parent=parent[rank],
        opening=rows["opening"].to_numpy(),
        rank=rank,
        needed=rows["needed"].to_numpy(),
        policy=policy,
    )


def _readings(rows: pl.DataFrame, policy: CounterPolicy) -> Readings:
    segment = group_starts(rows, [*WORK_CENTER, *policy.identity, "epoch"])
    return Readings(
        values=np.column_stack([to_millionths(rows[name]) for name in REGISTERS]),
        first=segment == np.arange(rows.height),
        segment=segment,
        opening=rows["opening"].to_numpy(),
        restart=rows["restart"].to_numpy(),
        from_zero=rows["epoch"].is_not_null().to_numpy() | (policy.start == "zero"),
        unordered=rows["sequence"].is_null().to_numpy() & (policy.order_by == "sequence"),
        carried=rows[CARRIED].to_numpy(),
    )


def _named(event: str | None) -> pl.Expr:
    """Rows read at the named event."""
    return pl.col("reading_event").eq_missing(pl.lit(event)) if event else pl.lit(value=False)


def _last(positions: Longs, group: Longs) -> Longs:
    """The last of `positions`, which ascend, per group."""
    last = dict(zip(group[positions].tolist(), positions.tolist(), strict=True))
    return np.array(list(last.values()), np.int64)
