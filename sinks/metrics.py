"""What a flow tells Prometheus, once per batch. docs/metrics.md has what each metric means.

Records come from the lanes' running totals, which are part of the durable state; what was added since the last batch
goes into the counters, so that those are rates of this process and begin again with it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import polars as pl
from prometheus_client.metrics import MetricWrapperBase

from millrace.metrics import business
from millrace.metrics import flow as metrics
from operators.lane_output import LaneOutput
from operators.reference_lane import ReferenceOutput
from operators.replenishment_config import Announced
from operators.replenishment_rows import COUNTED, PAPERED
from operators.screen import NO_PROGRESS
from sinks.batches import Batch

MICROS = 1_000_000
#: A release that is older than this when it is read is a topic that is read anew, not a slow interface.
OLDEST_RELEASE_S = 86_400.0
#: What tells the time of the newest event in rows as lanes give them out.
_EVENT_TIMES = ("last_time", "event_time", "time", "as_of")


class Observer:
    """Counts what passes in one process of a flow.

    Args:
        flow: Name of the flow.
    """

    def __init__(self, flow: str) -> None:
        self._flow = flow
        self._counted: dict[str, Mapping[str, int]] = {}

    def observe(self, batch: Batch) -> Batch:
        """Count what a batch announces and pass it on."""
        for lane, counts in batch.counts.items():
            self._count(lane, counts)
        for frame in batch.documents:
            metrics.DOCUMENTS.labels(self._flow).inc(frame.height)
        for (error_class, reason), letters in Counter((x.error_class, x.reason) for x in batch.letters).items():
            metrics.LETTERS.labels(self._flow, error_class, reason).inc(letters)
        for (kind, plant), alerts in Counter((x["kind"], x["plant"]) for x in batch.alerts).items():
            metrics.ALERTS.labels(self._flow, kind, plant).inc(alerts)
            if kind == "sequence_gap":
                metrics.GAPS.labels(self._flow, plant).inc(alerts)
        return batch

    def _count(self, lane: str, counts: Mapping[str, int]) -> None:
        """What came since this lane was last heard; its first words only say where it stands."""
        before = self._counted.get(lane)
        self._counted[lane] = counts
        read = 0
        for name, value in counts.items():
            outcome, contract, *_ = name.split(":")
            added = 0 if before is None else value - before.get(name, 0)
            if before is not None and not added:
                continue
            metrics.FLOW_RECORDS.labels(self._flow, contract, outcome).inc(max(0, added))
            read += added if outcome == "read" else 0
            if outcome != "dead":  # by reason in the counts, by class and reason in a counter of its own
                metrics.RECORDS.labels(self._flow, lane, contract, outcome).set(value)
        if read > 0:
            metrics.BATCH.labels(self._flow).observe(read)


_OBSERVERS: dict[str, Observer] = {}


def observe(batch: Batch, flow: str) -> Batch:
    """Count a batch of a flow and pass it on."""
    if flow not in _OBSERVERS:
        _OBSERVERS[flow] = Observer(flow)
    return _OBSERVERS[flow].observe(batch)


def observe_lane(output: LaneOutput, flow: str) -> LaneOutput:
    """Note where the time of a lane and of its plants stands, and pass its output on."""
    lagging = [max(at, output.idle.get(place, at)) for place, at in output.progress.items()]
    if lagging and min(lagging) > NO_PROGRESS:
        metrics.WATERMARK.labels(flow, output.lane).set(min(lagging) / MICROS)
    kinds = {"": [*output.partials, *output.timeline], **output.rows}
    for kind, frame in ((kind, frame) for kind, frames in kinds.items() for frame in frames):
        for plant, newest in _newest_by_plant(frame):
            if newest is not None:
                _advance(flow, plant, newest.timestamp())
                _begin(flow, plant, kind)
    return output


#: What may come of rows of a kind is 0 from the first of them on: what first appears as 7 has not grown.
_COMES_OF: Mapping[str, Iterable[MetricWrapperBase]] = {
    COUNTED: (business.STOCK_COMPARED, business.STOCK_APART),
    PAPERED: (business.SUPPLIER_RESPONSE,),
    "": (business.RELEASED,),
}
_BEGUN: set[tuple[str, str, str]] = set()


def _begin(flow: str, plant: str, kind: str) -> None:
    if (flow, plant, kind) not in _BEGUN:
        _BEGUN.add((flow, plant, kind))
        for metric in _COMES_OF.get(kind, ()):
            metric.labels(flow, plant)


def _newest_by_plant(frame: pl.DataFrame) -> Iterable[tuple[str, datetime | None]]:
    """Newest event time of each plant; most batches are of one plant, which costs little."""
    column = next(name for name in _EVENT_TIMES if name in frame.columns)
    plant = frame["plant"]
    if frame.height and (plant == plant[0]).all():
        newest: Any = frame[column].max()
        return [(plant[0], newest)]
    return frame.group_by("plant").agg(pl.col(column).max()).iter_rows()


_NEWEST: dict[tuple[str, str], float] = {}


def _advance(flow: str, plant: str, newest: float) -> None:
    """The newest of all lanes; late events do not set it back."""
    if (flow, plant) not in _NEWEST:
        metrics.GAPS.labels(flow, plant)  # 0 from now on: what first appears as 1 has not grown
    if newest > _NEWEST.get((flow, plant), 0.0):
        _NEWEST[flow, plant] = newest
        metrics.NEWEST.labels(flow, plant).set(newest)


def observe_reference(output: ReferenceOutput, flow: str) -> ReferenceOutput:
    """Note orders that are heard of for the first time and how long that took, and pass the output on."""
    if not output.fresh.height:
        return output
    now = time.time()
    released = output.fresh.filter(pl.col("status") == "RELEASED")
    for plant, operations in released.group_by("plant").len().iter_rows():
        business.RELEASED.labels(flow, plant).inc(operations)
    for plant, _, changed in released.group_by("plant", "order_id").agg(pl.col("changed").min()).iter_rows():
        if (latency := now - changed.timestamp()) < OLDEST_RELEASE_S:
            business.RELEASE_LATENCY.labels(flow, plant).observe(max(0.0, latency))
    return output


def observe_announced(announced: Announced, flow: str) -> Announced:
    """Note whether stock was what the ERP says and how soon suppliers answered, and pass it on."""
    figures = announced.figures
    for plant, compared in figures.compared.items():
        business.STOCK_COMPARED.labels(flow, plant).inc(compared)
        business.STOCK_APART.labels(flow, plant).inc(figures.apart[plant])
    for plant, seconds in figures.responses:
        business.SUPPLIER_RESPONSE.labels(flow, plant).observe(seconds)
    return announced
