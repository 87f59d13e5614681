"""Stock, safety stock and requests of one shard of materials.

Everything is decided at instants of event time, multiples of a step, once the watermark has passed them: what was known
up to an instant is then the same however records were ordered, repeated or cut into batches. A record that comes after
the watermark counts from the next instant on. What is announced is held until the state that knows of it is durable:
after a crash the flow goes on from that state, so it neither asks twice nor takes back what it asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from operators.demand_days import DemandDays
from operators.replenishment_config import Announced, ReplenishmentConfig
from operators.replenishment_crossings import Crossings
from operators.replenishment_mismatches import Mismatches
from operators.replenishment_queue import Queue
from operators.replenishment_request import Price
from operators.replenishment_rows import CONSUMED, COUNTED, MOVEMENTS, PAPERED, PLAIN, REVISED, ROWS
from operators.replenishment_summary import of_requests
from operators.replenishment_units import BaseUnits
from operators.replenishment_withdrawals import Withdrawals, own_papers
from operators.request_book import RequestBook
from operators.request_lifecycle import Terms
from operators.request_papers import ORDERED
from operators.safety_stock import Place, project
from operators.saved_rows import SavedRows
from operators.screen import NO_PROGRESS
from operators.stock import STOCK_KEY
from operators.stock_levels import StockLevels

STATE_VERSION = 1
#: Ticks that rows wait for their material before that is told: at a start both are read side by side.
_PATIENCE = 5
_KEY = list(STOCK_KEY)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400_000_000


class Shard:
    """State of one shard."""

    def __init__(self, config: ReplenishmentConfig) -> None:
        self._config = config
        self._units = BaseUnits(config.most_waiting, config.recall, self._is_kept)
        self._fresh: dict[str, list[pl.DataFrame]] = {}
        self._queue = Queue(config.step)
        self.stock = StockLevels(config.keep, config.files)
        self.requests = RequestBook(self._terms, config.keep_papers)
        self._mismatches = Mismatches(self.stock, self.requests, config.tolerance)
        self._demand = DemandDays(config.rules.days)
        self.crossings = Crossings(config.rules)
        self._withdrawals = Withdrawals()
        self._prices: dict[tuple[str, str], tuple[datetime, Decimal, str]] = {}
        self._held: list[dict[str, Any]] = []
        self._durable = 0
        self._output = Announced()
        self._patience = _PATIENCE

    def _terms(self, place: Place) -> Terms:
        rule = self._config.rules.rule(place)
        return rule.terms if rule is not None else Terms()

    def _is_kept(self, plant: str, material: str) -> bool:
        frames = [self.stock.levels, self.requests.papers, *self._queue.frames()]
        mine = (pl.col("plant") == plant) & (pl.col("material") == material)
        return any(frame.select(mine.any()).item() for frame in frames)

    def take(self, name: str, rows: pl.DataFrame) -> None:
        """Take rows of a kind as lanes gave them out; they are converted together, which costs a fraction."""
        self._fresh.setdefault(name, []).append(rows)

    def _enqueue(self) -> None:
        """Before anything depends on what has come: time, a material, or a snapshot."""
        fresh, self._fresh = self._fresh, {}
        for name, rows in self._units.converted(fresh):
            self._queue.put(name, rows)
        self._held += self._units.told()

    def material(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Take records of Material."""
        self._enqueue()
        for name, rows in self._units.put(records).items():
            self._queue.put(name, rows)

    def tick(self, watermark: int, stops: Callable[[], bool] = bool) -> Announced:
        """Judge the instants up to a watermark, and hand out what may be announced.

        Args:
            watermark: Microseconds.
            stops: Asked before each instant; what is left waits for the next tick, here or in a later life.
        """
        if self._config.hold:
            self.stock.made_durable()
        self._enqueue()
        if watermark > NO_PROGRESS:
            self._advance(watermark // self._config.step * self._config.step, stops)
            self._patience = self._patience - 1 if self._units.changed else _PATIENCE
            if not self._patience:
                self._tell_unknown()
        return self._given()

    def flush(self) -> Announced:
        """The input has ended: everything that has come is judged, and handed out."""
        self._enqueue()
        last = self._queue.last()
        self._advance(NO_PROGRESS if last is None else max(last, self._queue.judged + self._config.step))
        self._tell_unknown()
        self._held += [{"given_up": row} for row in self._units.waiting()]
        self._durable = len(self._held)
        return self._given()

    def _advance(self, until: int, stops: Callable[[], bool] = bool) -> None:
        while (at := self._next_instant(until)) is not None:
            if stops():
                return
            self._judge(at)
        self._queue.judged = max(self._queue.judged, until)

    def _next_instant(self, until: int) -> int | None:
        """The first instant up to `until` at which something may change."""
        look = self.requests.next_look()
        due = [at for at in (self._queue.first(), self._ceiling(look), self._next_day()) if at is not None]
        first = max(min(due), self._queue.judged + self._config.step) if due else None
        return first if first is not None and first <= until else None

    def _ceiling(self, instant: datetime | None) -> int | None:
        return None if instant is None else -(-_micros(instant) // self._config.step) * self._config.step

    def _next_day(self) -> int | None:
        """Learned demand changes with the day, and s with it."""
        if not self._config.rules.learns or self._queue.judged == NO_PROGRESS:
            return None
        return (self._queue.judged // _DAY + 1) * _DAY

    def _judge(self, at: int) -> None:
        instant = _EPOCH + timedelta(microseconds=at)
        new_day = at % _DAY < self._config.step and self._config.rules.learns
        rows = self._queue.take(at)
        self._queue.judged = at
        self._demand.add(rows[CONSUMED].rows if CONSUMED in rows else pl.DataFrame())
        counted, moved = _rows(rows, COUNTED), _rows(rows, MOVEMENTS)
        revised = SavedRows.together([_rows(rows, REVISED), _rows(rows, PLAIN)])
        self._held += [{"healed": place} for place in self._units.missing.counted(counted.rows)]
        touched = [self.stock.apply(counted.rows, moved, revised, instant)]
        times = [part.rows.select(*_KEY, "time") for part in (moved, revised)]
        self._output_alerts(self._mismatches.compare(counted.rows, pl.concat(times), instant, self._output.figures))
        touched.append(self._papers(_rows(rows, PAPERED).rows, instant))
        if new_day:
            self._demand.prune(instant)
            touched.append(self.crossings.places(self.stock.levels))
        concerned = [places for places in touched if places.height]
        if concerned:
            self._cross(concerned[0] if len(concerned) == 1 else pl.concat(concerned).unique(), instant)
        self.requests.prune(instant)

    def _papers(self, rows: pl.DataFrame, instant: datetime) -> pl.DataFrame:
        """Take papers; returns the places whose expectations changed or whose request was closed."""
        look = self.requests.next_look()
        if not rows.height and (look is None or look > instant):
            return pl.DataFrame(schema=STOCK_KEY)
        for paper in rows.filter((pl.col("kind") == ORDERED) & pl.col("price").is_not_null()).to_dicts():
            self._price(paper)
        before = self.requests.expected()
        self.requests.add(rows)
        alerts, found = self.requests.follow(instant)
        self._output_alerts(alerts)
        self._output.summaries.update(of_requests(found, instant))
        self._output.figures.answered(rows, found.values())
        closed = self.crossings.close(found.values())
        self._withdraw(self._withdrawals.given_up(found.values(), instant))
        after = self.requests.expected()
        changed = [before.join(after, on=after.columns, how="anti"), after.join(before, on=after.columns, how="anti")]
        return pl.concat([closed, *(frame.select(_KEY) for frame in changed)]).unique()

    def _withdraw(self, given_up: list[dict[str, Any]]) -> None:
        if given_up:
            self._held += [{"request": each} for each in given_up]
            self.requests.add(own_papers(given_up))

    def _price(self, paper: Mapping[str, Any]) -> None:
        key = (paper["plant"], paper["material"])
        known = self._prices.get(key)
        told = (paper["time"], paper["price"], paper["currency"])
        if known is None or known < told:
            self._prices[key] = told

    def _price_of(self, place: Place) -> Price | None:
        rule = self._config.rules.rule(place)
        if rule is not None and rule.price is not None:
            return rule.price, rule.currency
        known = self._prices.get(place[:2])
        return known[1:] if known is not None else None

    def _tell_unknown(self) -> None:
        """Rows that wait for their material are in no stock, so this is told though nothing is judged."""
        if self._units.changed:
            at = max(self._queue.judged, self._units.newest)
            instant = _EPOCH + timedelta(microseconds=at)
            self._output_alerts(self.requests.alarms.update("units", self._units.unknown(), instant))

    def _cross(self, places: pl.DataFrame, instant: datetime) -> None:
        """Which of the places cross now; what is asked for raises their projection at once."""
        rows = self._projected(places, instant)
        asked = self.crossings.judge(rows, instant, self._price_of)
        if asked:
            self._held += [{"request": each} for each in asked]
            self._withdrawals.asked(asked)
            self.requests.add(own_papers(asked))
            alerts, found = self.requests.follow(instant)
            self._output_alerts(alerts)
            self._output.summaries.update(of_requests(found, instant))
            rows = self._projected(places, instant)
            self.crossings.rearm(rows)
        self._output.projections.append(self.crossings.signal(rows, instant))

    def _projected(self, places: pl.DataFrame, instant: datetime) -> pl.DataFrame:
        projections = project(self.stock.stock(places), self.requests.expected())
        return self.crossings.limited(projections, instant, self._demand)

    def _output_alerts(self, alerts: Sequence[dict[str, Any]]) -> None:
        self._held += [{"alert": each} for each in alerts]

    def _given(self) -> Announced:
        """What may be announced now: what a crash could make untrue only if it is durable."""
        count = self._durable if self._config.hold else len(self._held)
        free, self._held, self._durable = self._held[:count], self._held[count:], 0
        given, self._output = self._output, Announced()
        given.requests += [each["request"] for each in free if "request" in each]
        given.alerts += [each["alert"] for each in free if "alert" in each]
        given.given_up += [each["given_up"] for each in free if "given_up" in each]
        given.healed += [each["healed"] for each in free if "healed" in each]
        return given

    def snapshot(self) -> dict[str, Any]:
        """Versioned plain values and Arrow IPC bytes."""
        self._enqueue()
        self._durable = len(self._held)
        return {
            "version": STATE_VERSION,
            "units": self._units.snapshot(),
            "queue": self._queue.snapshot(),
            "stock": self.stock.snapshot(),
            "requests": self.requests.snapshot(),
            "demand": self._demand.snapshot(),
            "crossings": {**self.crossings.snapshot(), "asked": self._withdrawals.snapshot()},
            "prices": dict(self._prices),
            "held": list(self._held),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot; what it holds is durable."""
        self._units.restore(state["units"])
        self._queue.restore(state["queue"])
        self.stock.restore(state["stock"])
        self.requests.restore(state["requests"])
        self._demand.restore(state["demand"])
        self.crossings.restore(state["crossings"])
        self._withdrawals = Withdrawals(state["crossings"].get("asked"))  # states of older releases have none
        self._prices, self._held = dict(state["prices"]), list(state["held"])
        self._durable = len(state["held"])


_SCHEMAS = {name: ROWS[name][0] for name in (COUNTED, MOVEMENTS, PLAIN, REVISED, PAPERED)}


def _rows(rows: Mapping[str, SavedRows], name: str) -> SavedRows:
    return rows[name] if name in rows else SavedRows(pl.DataFrame(schema=_SCHEMAS[name]))


def _micros(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)


__all__ = ["Announced", "ReplenishmentConfig", "Shard"]
