"""The replenishment flow over records in memory, and a ledger of what it asked for."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bytewax.inputs import AbortExecution, StatefulSourcePartition

from dataflows import parts
from dataflows.replenishment import lane_builder, wire
from dataflows.replenishment_settings import ReplenishmentSettings
from schemas.batch import RawBatch
from sinks.replenishment_batches import how_stock_stands
from tests.flows.memory import SCHEMAS, Lanes, Orders, Script, TakerSink, batch, run_flow
from tests.flows.stock_records import Record, material

CONTRACTS = {
    "b": "InventoryBalance",
    "c": "MaterialConsumption",
    "q": "QualityEvent",
    "o": "PurchaseOrder",
    "a": "OrderAcknowledgement",
    "s": "ShipmentNotice",
    "r": "GoodsReceipt",
    "g": "GoodsMovement",
    "p": "PostingResult",
}


def settings(**values: Any) -> ReplenishmentSettings:
    """s = 100, S = 300, judged every minute, nothing is late."""
    rule = {"reorder_point": 100, "order_up_to": 300, **values.pop("rule", {})}
    given = {"rules": [rule], "lateness_s": 0, "lanes": 1, "shards": 1, "judge_s": 60, **values}
    return ReplenishmentSettings.model_validate(given)


def polled(records: Sequence[Record], size: int = 1) -> list[RawBatch]:
    """Records in their order as polls of at most `size`; each contract has a partition and offsets of its own."""
    offsets: dict[str, int] = {}
    batches: list[RawBatch] = []
    run: list[Record] = []
    for record in [*records, None]:
        if run and (record is None or len(run) == size or record["event_id"][0] != run[0]["event_id"][0]):
            name = CONTRACTS[run[0]["event_id"][0]]
            batches.append(batch(name, run, 0, offsets.get(name, 0)))
            offsets[name] = offsets.get(name, 0) + len(run)
            run = []
        if record is not None:
            run.append(record)
    return batches


@dataclass
class Heard:
    """What the flow announced, as its consumers would keep it.

    Args:
        requests: Newest version by document key.
        asked: All announcements, as (key, quantity).
        alerts: By identity.
        standings: Newest by plant and name.
        signals: All rows of projections.
        reasons: Of dead letters, all of them.
    """

    requests: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    alerts: dict[str, dict[str, Any]] = field(default_factory=dict)
    standings: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    signals: list[dict[str, Any]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def take(self, items: list[Any]) -> None:
        """Take batches."""
        for item in items:
            for record in [record for frame in item.documents for record in frame.to_dicts()]:
                self.requests.setdefault(record["document_key"], record)
                self.asked.append((record["document_key"], record["quantity"]))
            self.alerts.update({alert["event_id"]: alert for alert in item.alerts})
            entries = how_stock_stands([item])
            self.standings.update({(entry["plant"], entry["name"]): _read(entry) for entry in entries})
            self.signals += [row for frame in item.projections for row in frame.to_dicts()]
            self.reasons += [letter.reason for letter in item.letters]

    def quantities(self) -> list[Any]:
        """What was asked for, one by one."""
        return [record["quantity"] for record in self.requests.values()]

    def open_alerts(self) -> set[tuple[str, str]]:
        """Kind and subject of what stands."""
        ordered = sorted(self.alerts.values(), key=lambda alert: (alert["event_time"], alert["closed"]))
        standing: dict[tuple[str, str], bool] = {}
        for alert in ordered:
            standing[alert["kind"], alert["subject"]] = not alert["closed"]
        return {key for key, stands in standing.items() if stands}


def _read(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "content": None if entry["content"] is None else json.loads(entry["content"])}


def run(
    config: ReplenishmentSettings,
    lanes: list[list[RawBatch]],
    heard: Heard,
    recovery: Path | None = None,
    *,
    stop: int | None = None,
    hold: bool | None = None,
    workers: int = 1,
    life: int | None = None,
    materials: Sequence[Record] = (),
) -> None:
    """Run to the end of the batches, or to an abort after `stop` of them; a snapshot after every poll.

    Args:
        config: Settings.
        lanes: Batches of each lane.
        heard: Takes what is announced.
        recovery: Folder of the recovery store.
        stop: Batches after which the flow is aborted.
        hold: Announce from durable state alone; by default where there is a recovery store.
        workers: Worker threads.
        life: Polls are uneven, and others in each life.
        materials: Other than steel.
    """
    script = Script(lanes, [batch("Material", [*materials] or [material()], 0, 0)], stop)
    build = lane_builder(config, parts.codecs(config, SCHEMAS, config.reads(), {}))
    source = Lanes(script, build) if life is None else Uneven(script, build, life)
    references = Orders(script, lambda: parts.reference_lane(config, SCHEMAS))
    held = recovery is not None if hold is None else hold
    flow = wire(config, source, references, {"sink": TakerSink(heard)}, source.list_parts(), hold=held)
    run_flow(flow, recovery, workers)


class Uneven(Lanes):
    """Lanes that give as many batches at a time as chance has it, another chance in each life.

    Args:
        script: Batches per lane, and after how many the flow is aborted.
        build: Makes the rules of a lane.
        seed: Of this life.
    """

    def __init__(self, script: Script, build: Any, seed: int) -> None:
        super().__init__(script, build)
        self._seed = seed

    def build_part(self, _step_id: str, for_part: str, resume_state: Any) -> Any:
        number = self.list_parts().index(for_part)
        chance = random.Random(self._seed * 100 + number)
        lane = self._build(for_part)
        batches = self._script.lanes[number]
        lane.expect(f"{topic}/0" for topic in {batch.topic for batch in batches})
        return _UnevenLane(self._script, batches, lane, resume_state, chance)


class _UnevenLane(StatefulSourcePartition[Any, Any]):
    def __init__(self, script: Script, batches: list[RawBatch], lane: Any, state: Any, chance: random.Random) -> None:
        self._script, self._batches, self._lane, self._chance = script, batches, lane, chance
        self._at = state["at"] if state else 0
        lane.restore(state["lane"] if state else None)

    def next_batch(self) -> list[Any]:
        if self._script.abort_after is not None and self._script.read >= self._script.abort_after:
            raise AbortExecution
        if self._at >= len(self._batches):
            raise StopIteration
        some = self._batches[self._at : self._at + self._chance.randint(0, 3)]
        self._at += len(some)
        self._script.read += len(some)
        return [*(self._lane.process(batch) for batch in some), self._lane.heartbeat()]

    def snapshot(self) -> Any:
        return {"at": self._at, "lane": self._lane.snapshot()}
