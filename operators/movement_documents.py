"""Goods movements of one shard of orders: totals of consumption and confirmed yields meet units and bills of material.

Nothing is held back: a document's revision counts distinct events and its `reference_version` the versions of what it
refers to, so what a crash makes untrue is superseded by what is read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from millrace.ledger.goods_movement import BACKFLUSH as WHOLE
from millrace.ledger.goods_movement import VERSIONS
from operators.backflush_rules import BackflushRules
from operators.clock import Tick
from operators.consumption import ADJUSTED, identity_key, movements
from operators.frames import from_bytes, to_bytes
from operators.movement_backflush import Backflushing
from operators.movement_elsewhere import left_items, letter_key, letter_revision, taken_back
from operators.movement_open import BOOKED_ELSEWHERE, ORDER_UNKNOWN, OpenMovements, stuck_items
from operators.movement_reference import MovementReference
from operators.movement_standings import movement_standings, unconfirmed
from operators.references import Conversions
from schemas.contracts import contract
from schemas.types import polars_schema

STATE_VERSION = 1
HOUR = 3_600_000_000
_ENVELOPE = ("event_id", "event_time", "source", "sequence", "tier")
#: Fields of the contract GoodsMovement, without the envelope that sinks add.
MOVEMENT = {name: kind for name, kind in polars_schema(contract("GoodsMovement")).items() if name not in _ENVELOPE}
#: Beside them what a ledger needs to let movements follow orders and confirmations that are forgotten here.
ANNOUNCED: dict[str, pl.DataType] = {**MOVEMENT, **dict.fromkeys(VERSIONS, pl.Int64())}
_DEFAULTS = {"adjustment": False, "withdrawn": False, "is_final": False, "serials": []}


@dataclass(frozen=True, slots=True)
class MovementConfig:
    """How movements are made.

    Args:
        rules: Who books which component.
        wait: Microseconds of event time that a movement waits for its order or unit.
        most_waiting: Open items per shard.
    """

    rules: BackflushRules = field(default_factory=BackflushRules)
    wait: int = HOUR
    most_waiting: int = 100_000


@dataclass(slots=True)
class MovementsOutput:
    """What a batch led to.

    Args:
        movements: Movements to book.
        given_up: Open items given up (fields of OPEN).
        known: What open items told of and the order that has come mends: document_key of the item, revision, reason.
        overruled: Components (plant, order_id, component) that the settings give to this flow and the order to the ERP.
        orders: Rows of STANDING: orders that were cancelled or released again.
        unconfirmed: Confirmations (plant, order_id, document_key, revision, reference_version) that show nothing and
            of which nothing else is known: an earlier version may have implied something.
    """

    movements: list[pl.DataFrame] = field(default_factory=list)
    given_up: list[dict[str, Any]] = field(default_factory=list)
    known: list[dict[str, Any]] = field(default_factory=list)
    overruled: list[dict[str, Any]] = field(default_factory=list)
    orders: list[pl.DataFrame] = field(default_factory=list)
    unconfirmed: list[dict[str, Any]] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to announce."""
        told = (self.movements, self.given_up, self.known, self.overruled, self.orders, self.unconfirmed)
        return not any(told)


class MovementDocuments:
    """State of one shard."""

    def __init__(self, config: MovementConfig) -> None:
        self.conversions = Conversions()
        self.backflush = Backflushing(config.rules)
        self.open = OpenMovements(config.wait, config.most_waiting)
        self._stuck = pl.DataFrame(schema={**ADJUSTED, "document_key": pl.String()})
        self._watermark = self._frontier = -(2**62)

    def batch(self, values: Sequence[MovementReference | Tick | pl.DataFrame], output: MovementsOutput) -> None:
        """Take what came together; reference data goes first, so that what comes with it need not wait."""
        for value in values:
            if isinstance(value, MovementReference):
                self._refer(value, output)
        for value in values:
            if isinstance(value, pl.DataFrame):
                self._consumed(value, output)
            elif isinstance(value, Tick):
                self._watermark = max(self._watermark, value.watermark)
                self._forget(value.frontier)
        # What a slot sends of one document in turn is complete each time: the last of it counts.
        output.given_up.extend(self.open.give_up(self._watermark, self._frontier))
        self._stuck = self._stuck.filter(pl.col("document_key").is_in(self.open.items["document_key"].implode()))

    def _refer(self, reference: MovementReference, output: MovementsOutput) -> None:
        output.overruled += self.backflush.overruled(reference.bill).to_dicts()
        awaited = pl.concat([self.backflush.awaited(reference.orders), self._nothing_awaited(reference.confirmed)])
        standings = movement_standings(self.backflush.orders, reference.orders)
        if standings.height:
            output.orders.append(standings)
        nothing = unconfirmed(self.backflush.confirmed, self.backflush.orders, reference.confirmed)
        output.unconfirmed += nothing.to_dicts()
        keys = [
            self.backflush.order(reference.orders, reference.bill),
            self.backflush.confirm(reference.confirmed, self._frontier),
        ]
        changed = [record for record in reference.materials if self._learns(record)]
        keys += [self.backflush.using(record["plant"], record["material"]) for record in changed]
        self._implied(pl.concat(keys).unique(), output)
        awaited = pl.concat([each.select(awaited.columns) for each in (awaited, nothing, self._again(reference))])
        whole = awaited.with_columns(pl.concat_str("document_key", pl.lit(WHOLE), separator="|").alias("document_key"))
        still = self.open.items["document_key"].implode()
        healed = whole.filter(~pl.col("document_key").is_in(still))
        output.known += healed.with_columns(pl.lit(ORDER_UNKNOWN).alias("reason")).to_dicts()
        if changed and self._stuck.height:
            names = pl.DataFrame([{name: each[name] for name in ("plant", "material")} for each in changed])
            mended = self._stuck.join(names, on=["plant", "material"], how="semi")["document_key"].implode()
            self._consumed(self._stuck.filter(pl.col("document_key").is_in(mended)).select(list(ADJUSTED)), output)

    def _nothing_awaited(self, confirmed: pl.DataFrame) -> pl.DataFrame:
        """Confirmations (plant, document_key, revision) that wait for their order and are of nothing now."""
        waiting = self.open.waiting_for(ORDER_UNKNOWN).implode()
        nothing = confirmed.filter((pl.col("quantity_yield") == 0) & pl.col("document_key").is_in(waiting))
        return nothing.select("plant", "document_key", "revision")

    def _again(self, reference: MovementReference) -> pl.DataFrame:
        """Confirmations of known orders that may have waited here, been given up and been forgotten."""
        old = pl.col("window_start").to_physical() <= self._frontier
        return reference.confirmed.filter(old).join(self.backflush.orders, on=["plant", "order_id"], how="semi")

    def _learns(self, record: dict[str, Any]) -> bool:
        known = self.conversions.materials.get((record["plant"], record["material"]))
        self.conversions.put(record)
        return self.conversions.materials[record["plant"], record["material"]] is not known

    def _implied(self, confirmations: pl.Series, output: MovementsOutput) -> None:
        if confirmations.len():
            made, items = self.backflush.documents(confirmations, self.conversions)
            self.open.replace(confirmations, items, self._watermark)
            _announce(made, output)

    def _consumed(self, rows: pl.DataFrame, output: MovementsOutput) -> None:
        """Rows of ADJUSTED, all of each document; what can't be converted waits with the rest of its document."""
        if not rows.height:
            return
        made, stuck = movements(rows, self.conversions)
        made = self.backflush.judged(made)
        output.known += self._ours_again(made)
        keyed = identity_key(rows)
        items = stuck_items(keyed, stuck)
        every = pl.concat([items, left_items(made)])
        self.open.replace(keyed["document_key"].unique(), every, self._watermark)
        waiting = keyed.filter(pl.col("document_key").is_in(items["document_key"].implode()))
        others = self._stuck.filter(~pl.col("document_key").is_in(keyed["document_key"].implode()))
        self._stuck = pl.concat([others, waiting.select(self._stuck.columns)])
        _announce(taken_back(made), output)

    def _ours_again(self, made: pl.DataFrame) -> list[dict[str, Any]]:
        """Letters about documents that their order leaves to the plant now."""
        ours = made.filter(~pl.col("elsewhere")).select(letter_key(), letter_revision().alias("revision"))
        told = self.open.items.filter(pl.col("reason") == BOOKED_ELSEWHERE).select("document_key", "reason")
        return ours.join(told, on="document_key", how="inner").to_dicts()

    def _forget(self, frontier: int) -> None:
        """Once an hour of event time: what left the correction horizon."""
        if frontier - self._frontier < HOUR:
            return
        self._frontier = frontier
        self.backflush.forget(frontier, self.open.items["source"])

    def flush(self, output: MovementsOutput) -> None:
        """The end of a finite input: what is still open is given up."""
        output.given_up.extend(self.open.give_up(2**62, -(2**62)))

    def snapshot(self) -> dict[str, Any]:
        """Versioned plain values."""
        return {
            "version": STATE_VERSION,
            "materials": self.conversions.snapshot(),
            "backflush": self.backflush.snapshot(),
            "open": self.open.snapshot(),
            "stuck": to_bytes(self._stuck),
            "clock": (self._watermark, self._frontier),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self.conversions = Conversions.of(state["materials"])
        self.backflush.restore(state["backflush"])
        self.open.restore(state["open"])
        self._stuck = from_bytes(state["stuck"], self._stuck.schema)
        self._watermark, self._frontier = state["clock"]


def _announce(rows: pl.DataFrame, output: MovementsOutput) -> None:
    if rows.height:
        output.movements.append(rows.select(_field(name, kind, rows.columns) for name, kind in ANNOUNCED.items()))


def _field(name: str, kind: pl.DataType, present: Sequence[str]) -> pl.Expr:
    return (pl.col(name) if name in present else pl.lit(_DEFAULTS.get(name))).cast(kind).alias(name)
