"""A shard of replenishment through many lives: epochs, snapshots, kills, and another interleaving in each life."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from operators.lane_output import LaneOutput
from operators.lane_rows import Rows
from operators.replenishment import Announced, ReplenishmentConfig, Shard
from operators.replenishment_policy import PolicyBook, ReplenishmentRule
from operators.replenishment_rows import route
from operators.shifts import CalendarBook, utc_calendar
from operators.windows import Window
from schemas.contracts import contract
from schemas.types import polars_schema
from tests.flows.stock_memory import CONTRACTS
from tests.flows.stock_records import Record, material

MINUTE = 60_000_000
#: Kind of row and rows, and when the record happened, microseconds.
Given = tuple[list[tuple[str, pl.DataFrame]], int]


def config(step: int = 10, hold: bool = True, **rule: Any) -> ReplenishmentConfig:
    """s = 100, S = 300, judged every `step` minutes."""
    made = ReplenishmentRule.model_validate({"reorder_point": 100, "order_up_to": 300, **rule})
    return ReplenishmentConfig(PolicyBook([made]), step * MINUTE, keep=timedelta(days=30), hold=hold)


def given(record: Record) -> Given:
    """A record as lanes hand it out."""
    name = CONTRACTS[record["event_id"][0]]
    frame = pl.DataFrame([record], schema=polars_schema(contract(name)))
    output, zeros = LaneOutput("lane"), np.zeros(1, np.int64)
    rows = Rows(name, name, frame, zeros.astype(np.int32), zeros)
    route(documents=False, learns=False)(output, Counter(), rows, Window.parse("day"), CalendarBook([], utc_calendar()))
    parts = [(kind, part) for kind, parts in output.rows.items() for part in parts]
    return parts, micros(record["event_time"])


def micros(instant: datetime) -> int:
    """Microseconds since 1970."""
    return int(instant.timestamp() * 1_000_000)


@dataclass
class World:
    """What outlives a process: the log, the recovery store, and what was announced.

    Args:
        lanes: Records of each lane, in their order.
        config: How stock is judged.
    """

    lanes: Sequence[Sequence[Given]]
    config: ReplenishmentConfig
    asked: list[tuple[str, Any]] = field(default_factory=list)
    alerts: dict[str, dict[str, Any]] = field(default_factory=dict)
    _stored: tuple[dict[str, Any], list[int]] | None = None

    def live(self, chance: random.Random, records: int | None) -> Shard:
        """One life: from the last snapshot to the end, or to its death after so many records."""
        shard, read = self._begin()
        new_epoch, left = True, records
        while any(at < len(lane) for at, lane in zip(read, self.lanes, strict=True)):
            if new_epoch:  # the first input of an epoch: the snapshot before it is durable
                self._hear(shard.tick(self._watermark(read)))
            new_epoch = False
            for _ in range(chance.randint(1, 4)):
                self._read_one(shard, read, chance)
            if chance.random() < 0.5:
                self._hear(shard.tick(self._watermark(read)))
            if left is not None and (left := left - 2) < 0:
                return shard
            if chance.random() < 0.5:
                self._stored, new_epoch = deepcopy((shard.snapshot(), read)), True
        self._stored = deepcopy((shard.snapshot(), read))
        self._hear(shard.flush())
        return shard

    def _begin(self) -> tuple[Shard, list[int]]:
        shard = Shard(self.config)
        shard.material([material()])
        if self._stored is None:
            return shard, [0 for _ in self.lanes]
        state, read = deepcopy(self._stored)
        shard = Shard(self.config)
        shard.restore(state)
        return shard, read

    def _read_one(self, shard: Shard, read: list[int], chance: random.Random) -> None:
        number = chance.choice([n for n, lane in enumerate(self.lanes) if read[n] < len(lane)] or [-1])
        if number >= 0:
            for kind, rows in self.lanes[number][read[number]][0]:
                shard.take(kind, rows)
            read[number] += 1

    def _watermark(self, read: list[int]) -> int:
        """The slowest lane's newest record; a lane that was read to its end is idle."""
        reached = [
            max((at for _, at in lane[:count]), default=-(2**62))
            for lane, count in zip(self.lanes, read, strict=True)
            if count < len(lane)
        ]
        return min(reached, default=-(2**62))

    def _hear(self, output: Announced) -> None:
        self.asked += [(each["document_key"], each["quantity"]) for each in output.requests]
        self.alerts.update({each["event_id"]: each for each in output.alerts})
