"""Documents of one shard of orders: totals meet reference data and become confirmations.

Keeps the shard's orders, what each operation has come to, totals that wait for an order, and completions that are
held until the state that produced them is durable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from operators.cancellations import Cancellations, flipped_operations, standings
from operators.clock import Tick
from operators.completion import PROGRESS, add_deltas, completion_documents, judge, near_completion
from operators.confirmations import CONFIRMATION, IDENTITY, choose, confirmations, convert_units
from operators.document_alerts import mismatches, negative_totals, over_deliveries
from operators.frames import from_bytes, to_bytes
from operators.held import HeldCompletions
from operators.reference_lane import ReferenceOutput
from operators.references import ORDER_ID, References
from operators.totals import OPERATION_KEY, Closed, by_operation
from operators.waiting import (
    NO_ACTIVE_JOB,
    OPERATION_OPEN,
    ORDER_UNKNOWN,
    UNIT_UNKNOWN,
    Waiting,
    totals_given_up,
)
from operators.windows import Window

STATE_VERSION = 2
HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class DocumentConfig:
    """How documents are made.

    Args:
        window: How time is cut.
        wait: Microseconds of event time that a total waits for its order.
        most_waiting: Rows that may wait per shard.
        hold: Keep completions back until their state is durable; False for finite runs without recovery.
        mismatch_percent: Machine count and reported pieces may differ by this much before an alert.
    """

    window: Window
    wait: int = HOUR
    most_waiting: int = 100_000
    hold: bool = True
    mismatch_percent: float = 5.0


@dataclass(slots=True)
class DocumentsOutput:
    """Confirmations to book, how their orders stand, totals given up or emptied, and what a person should know."""

    confirmations: list[pl.DataFrame] = field(default_factory=list)
    orders: list[pl.DataFrame] = field(default_factory=list)
    given_up: list[dict[str, Any]] = field(default_factory=list)
    emptied: list[dict[str, Any]] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to announce."""
        return not (self.confirmations or self.orders or self.given_up or self.emptied or self.alerts)


class Documents:
    """State of one shard."""

    def __init__(self, config: DocumentConfig) -> None:
        self._config = config
        self.references = References()
        self.progress = pl.DataFrame(schema=PROGRESS)
        self.waiting = Waiting(config.wait, config.most_waiting)
        self._cancellations = Cancellations()
        self._watermark = self._frontier = -(2**62)
        self._held = HeldCompletions()
        self._ending = False

    def batch(self, values: Sequence[ReferenceOutput | Closed | Tick | pl.DataFrame], output: DocumentsOutput) -> None:
        """Take what came together, in the order in which each slot sent it.

        Reference data goes first, so that what comes with its order need not wait. Only a tick releases what is held:
        what comes from the slots may have been stirred by the wall clock, in an epoch whose predecessor is not
        committed yet, while a tick stems from a source, and sources wait for the commit.
        """
        for value in values:
            if isinstance(value, ReferenceOutput):
                self.reference(value, output)
        if closed := [value for value in values if isinstance(value, Closed)]:
            self.closed(Closed.join(closed), output)
        for value in values:
            if isinstance(value, pl.DataFrame):
                self.late(value, output)
            elif isinstance(value, Tick):
                self.tick(value.watermark, value.frontier, output)

    def closed(self, closed: Closed, output: DocumentsOutput) -> None:
        """Take totals that are due."""
        if closed.deltas.height:
            self.progress = add_deltas(self.progress, closed.deltas)
        self._announce(closed.rows.with_columns(pl.lit("").alias("adjustment")), output)
        self._complete(closed.deltas.select(OPERATION_KEY).unique(), output)
        self._tell_cancelled(closed.deltas, output, after=True)

    def late(self, rows: pl.DataFrame, output: DocumentsOutput) -> None:
        """Take late additions, one document each: rows of PARTIAL with `adjustment`."""
        rows = rows.with_columns(pl.col("events").alias("revises"))
        closed = Closed(rows, by_operation(rows))
        self.progress = add_deltas(self.progress, closed.deltas)
        self._announce(rows, output)
        self._complete(closed.deltas.select(OPERATION_KEY).unique(), output)
        self._tell_cancelled(closed.deltas, output, after=True)

    def reference(self, reference: ReferenceOutput, output: DocumentsOutput) -> None:
        """Take orders and materials."""
        for record in reference.materials:
            self.material(record, output)
        if reference.orders.height:
            self.orders(reference.orders, output)

    def orders(self, operations: pl.DataFrame, output: DocumentsOutput) -> None:
        """Take rows of ORDER; what waited for them goes on."""
        before = self.references.orders
        changed = self.references.put_orders(operations)
        if not changed.height:
            return
        standing = standings(before, self.references.orders, changed)
        if standing.height:
            output.orders.append(standing.drop("flipped"))
            self._cancellations.heard(self.references.orders)
            self._held.drop(standing.filter(pl.col("cancelled") & pl.col("flipped")))
        self._announce(self.waiting.take(changed), output)
        touched = self.progress.join(changed, on=list(ORDER_ID), how="semi")
        self._complete(touched.select(OPERATION_KEY), output, standing.filter("flipped"))
        self._tell_cancelled(touched, output, after=False)

    def _tell_cancelled(self, touched: pl.DataFrame, output: DocumentsOutput, *, after: bool) -> None:
        output.alerts.extend(self._cancellations.alerts(self.progress, self.references, touched, after=after))

    def material(self, record: dict[str, Any], output: DocumentsOutput) -> None:
        """Take a record of Material; totals that waited for its conversions go on."""
        self.references.conversions.put(record)
        stuck = self.waiting.rows.filter(pl.col("reason") == UNIT_UNKNOWN)
        if stuck.height:
            self._announce(stuck.select(self.waiting.take(stuck.clear()).columns), output)
        made = (pl.col("plant") == record["plant"]) & (pl.col("material") == record["material"])
        self._complete(self.references.orders.filter(made).select(OPERATION_KEY), output)

    def _announce(self, rows: pl.DataFrame, output: DocumentsOutput) -> None:
        if not rows.height:
            return
        joined = rows.join(self.references.orders, on=list(OPERATION_KEY), how="left")
        unknown = joined["version"].is_null()
        if unknown.any():
            self._wait(rows.filter(unknown))
            joined = joined.filter(~unknown)
        if not joined.height:
            return
        good, stuck = convert_units(joined, self.references.conversions)
        if stuck.height:
            self._keep(stuck, UNIT_UNKNOWN)
        if good.height:
            if self.waiting.rows.height:
                self.waiting.settle(good.select(IDENTITY).unique())
            documents = confirmations(choose(good))
            output.alerts.extend(negative_totals(documents))
            documents = documents.select(list(CONFIRMATION))
            if self._config.window.kind == "operation":
                documents = self._complete_only(documents, good)
            output.confirmations.append(documents)

    def _wait(self, rows: pl.DataFrame) -> None:
        nobody = rows["order_id"] == ""
        for mask, reason in ((nobody, NO_ACTIVE_JOB), (~nobody, ORDER_UNKNOWN)):
            if mask.any():
                self._keep(rows.filter(mask), reason)

    def _keep(self, rows: pl.DataFrame, reason: str) -> None:
        columns = [name for name in self.waiting.rows.columns if name not in ("reason", "since", "given_up")]
        self.waiting.put(rows.select(columns), reason, self._watermark)

    def _complete_only(self, documents: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        """With one window per operation the document itself is final, and is announced from then on."""
        judged = judge(self.progress, self.references.orders, self.references.conversions)
        if not self._ending:
            judged = judged.filter(pl.col("now_final") | (pl.col("status") != "RELEASED"))
        done = judged.select(*OPERATION_KEY, "now_final", "now_over")
        waiting = documents.join(done, on=list(OPERATION_KEY), how="anti")
        if waiting.height:
            self._keep(rows.join(waiting, on=list(OPERATION_KEY), how="semi"), OPERATION_OPEN)
        return (
            documents.drop("is_final", "over_delivery")
            .join(done, on=list(OPERATION_KEY), how="inner")
            .rename({"now_final": "is_final", "now_over": "over_delivery"})
            .select(list(CONFIRMATION))
        )

    def _complete(self, operations: pl.DataFrame, output: DocumentsOutput, flipped: pl.DataFrame | None = None) -> None:
        """Hold a completion for each operation whose final flag or over-delivery changed, or whose order `flipped`."""
        if not operations.height:
            return
        touched = self.progress.join(operations, on=list(OPERATION_KEY), how="semi")
        near = near_completion(touched, self.references.orders)
        if not near.height:
            return
        judged = judge(near, self.references.orders, self.references.conversions)
        moved = (pl.col("now_final") != pl.col("final")) | (pl.col("now_over") != pl.col("over"))
        fresh, changed = judged.filter(moved), judged.filter(moved | flipped_operations(judged, flipped))
        if not changed.height:
            return
        self._mark(changed)
        output.alerts.extend(over_deliveries(fresh))
        output.alerts.extend(mismatches(fresh, self._config.mismatch_percent))
        if self._config.window.kind == "operation":
            self._announce(self.waiting.take(changed.select(ORDER_ID).unique()), output)
            return
        documents = completion_documents(changed)
        if self._config.hold:
            self._held.add(documents)
        else:
            output.confirmations.append(documents)

    def _mark(self, changed: pl.DataFrame) -> None:
        marks = changed.select(*OPERATION_KEY, final=pl.col("now_final"), over=pl.col("now_over"))
        same = self.progress.join(marks, on=list(OPERATION_KEY), how="anti")
        moved = self.progress.drop("final", "over").join(marks, on=list(OPERATION_KEY), how="inner")
        self.progress = pl.concat([same, moved.select(list(PROGRESS))])

    def tick(self, watermark: int, frontier: int, output: DocumentsOutput) -> None:
        """Time has moved on: release what is durable, give up what waited too long, forget closed orders."""
        self.release(output)
        self._watermark = max(self._watermark, watermark)
        self._give_up(self._watermark, frontier, output)
        if frontier - self._frontier >= HOUR:
            self._frontier = frontier
            self._forget(frontier)

    def flush(self, output: DocumentsOutput) -> None:
        """The end of a finite input: open operations are announced as they are, the others given up."""
        self._held.made_durable()
        self.release(output)
        self._ending = True
        open_rows = self.waiting.rows.filter(pl.col("reason") == OPERATION_OPEN)
        self._announce(self.waiting.take(open_rows.select(ORDER_ID).unique()), output)
        self._give_up(2**62, -(2**62), output)

    def _give_up(self, watermark: int, frontier: int, output: DocumentsOutput) -> None:
        told, empty = self.waiting.expired(watermark, frontier)
        output.given_up.extend(totals_given_up(told))
        output.emptied.extend(totals_given_up(empty))

    def release(self, output: DocumentsOutput) -> None:
        """Announce held completions that a snapshot holds; call when input of a later epoch has come."""
        output.confirmations.extend(self._held.release())

    def _forget(self, frontier: int) -> None:
        """Orders that take no more confirmations leave the state once the correction horizon has passed.

        It is counted from their end in event time: a backlog read long after may still hold their events.
        """
        orders, key = self.references.orders, list(ORDER_ID)
        past = pl.col("changed").is_null() | (pl.col("changed").to_physical() <= frontier)
        ended = orders.filter((pl.col("status") != "RELEASED") & past).select(key).unique()
        recent = self.progress.filter(pl.col("last_time").to_physical() > frontier).select(key).unique()
        gone = ended.join(recent, on=key, how="anti")
        if gone.height:
            self.references.drop(gone)
            self._cancellations.heard(self.references.orders)
        kept = pl.concat([recent, self.references.orders.select(key)]).unique()
        self.progress = self.progress.join(kept, on=key, how="semi")

    def snapshot(self) -> dict[str, Any]:
        """Versioned plain values. What is held becomes durable with the epoch that this snapshot closes."""
        self._held.made_durable()
        return {
            "version": STATE_VERSION,
            "references": self.references.snapshot(),
            "progress": to_bytes(self.progress),
            "waiting": self.waiting.snapshot(),
            "clock": (self._watermark, self._frontier),
            "held": self._held.snapshot(),
            "cancelled": self._cancellations.snapshot(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self.references.restore(state["references"])
        self.progress = from_bytes(state["progress"], PROGRESS)
        self.waiting.restore(state["waiting"])
        self._watermark, self._frontier = state["clock"]
        self._held.restore(state["held"])
        self._cancellations.restore(state.get("cancelled", []), self.references.orders)  # new with version 2
