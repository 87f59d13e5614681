"""Records of goods movements, what a ledger keeps of them, and the flow's steps as the engine drives them."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from dataflows import parts
from dataflows.goods_movements import reference_lane
from millrace.ledger.goods_movement import LEFT
from operators.base_streaming import ClockLogic, DocumentsLogic
from operators.consumption_route import consumption_route
from operators.lane import LaneOutput
from operators.layout import Layout
from operators.movement_documents import MovementDocuments, MovementsOutput
from operators.movement_reference import MovementReference
from operators.movement_streaming import MovementTotalsLogic, _adjusted, _to_shards, _to_slots
from operators.shifts import CalendarBook, utc_calendar
from operators.windows import Window
from schemas.batch import RawBatch
from tests.flows.memory import SCHEMAS, START, batch
from tests.flows.movement_memory import confirmed, settings, used
from tests.property.keyed_steps import KeyedStep, SlotSteps
from tests.property.test_movements_converge import BACKFLUSHED, LANES, Left, Totals

HOUR = 3_600_000_000
BEGIN = int(START.timestamp()) * 1_000_000
CONFIG = settings(backflush=BACKFLUSHED, id_horizon_s=86_400, wait_s=1800, horizon_h=48)
CALENDAR = CalendarBook([], utc_calendar())
NAMES = [f"lane-{number}" for number in range(LANES)]
#: Nobody tells what a crate weighs, nor what order O9 is made of.
CRATE, NEVER = "CRT", "O9"


class Records(Left):
    """As there, with bookings in a unit that stays unknown, and confirmations of an order that does."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.bookings = self.bookings[:12]
        crates = [used(1000 + n, n * 400.0, sequence=None, unit=CRATE, order_id="") for n in range(4)]
        self.all, self.counted = [*self.bookings, *crates], self.bookings
        self.never = [confirmed(5 + n, n, n % 2, order_id=NEVER, document_key=f"{NEVER}|{n % 2}") for n in range(1, 5)]

    def lanes(self) -> list[list[RawBatch]]:
        self.bookings = self.all
        made, self.bookings = super().lanes(), self.counted
        return made

    def references(self) -> list[RawBatch]:
        """Also those, in their order."""
        never = [batch("ProductionConfirmation", [row], 1, number) for number, row in enumerate(self.never)]
        return [*super().references(), *never]


class Book:
    """What a ledger keeps: of a document the newest version, and what is open."""

    def __init__(self) -> None:
        self.best: dict[str, dict[str, Any]] = {}
        self._letters: dict[str, tuple[int, str]] = {}
        self._known: dict[str, int] = {}
        self.told = 0

    def take(self, output: MovementsOutput) -> None:
        for row in (row for frame in output.movements for row in frame.to_dicts()):
            known = self.best.get(row["document_key"])
            if known is None or _version(known) <= _version(row):
                self.best[row["document_key"]] = row
        for item in output.given_up:
            self.told += 1
            letter = (item["revision"], item["reason"])
            self._letters[item["document_key"]] = max(letter, self._letters.get(item["document_key"], letter))
        for each in output.known:
            self._known[each["document_key"]] = max(each["revision"], self._known.get(each["document_key"], 0))

    def totals(self) -> Totals:
        """Quantity by movement and material; nothing of what is withdrawn."""
        found: Totals = {}
        for row in self.best.values():
            key = (row["movement"], row["material"])
            found[key] = found.get(key, Decimal(0)) + (Decimal(0) if row["withdrawn"] else row["quantity"])
        return {key: value for key, value in found.items() if value}

    def open(self) -> dict[str, tuple[int, str]]:
        """Letters that neither a document nor an order mended (`millrace.ledger.healing`)."""
        return {
            key: letter
            for key, letter in self._letters.items()
            if self._known.get(key, -1) < letter[0] and self._booked(key) < letter[0]
        }

    def _booked(self, key: str) -> int:
        """What the document of a letter's key holds; of one that was left to another side, with its versions."""
        document = self.best.get(key.removesuffix(LEFT))
        if document is None or (key.endswith(LEFT) and document["withdrawn"]):
            return -1
        return sum(_version(document)) if key.endswith(LEFT) else document["revision"]


def _version(row: dict[str, Any]) -> tuple[int, int]:
    return row["revision"], row["reference_version"]


class World:
    """One flow; what it gives out goes to a book that a crash does not roll back.

    Args:
        lanes: Batches of each lane.
        references: Batches of reference data.
        totals: Logic of the step of totals.
        documents: Logic of the step of documents.
    """

    def __init__(
        self,
        lanes: list[list[RawBatch]],
        references: list[RawBatch],
        totals: Any = MovementTotalsLogic,
        documents: Any = DocumentsLogic,
    ) -> None:
        self._logs, self._made = [*lanes, references], (totals, documents)
        self._layout = Layout(Window.parse(CONFIG.window), CALENDAR, shards=1, ring=8, work_center_shards=0)
        topics = parts.event_topics(CONFIG)
        decoders, route = parts.codecs(CONFIG, SCHEMAS, tuple(topics), {}), consumption_route(CONFIG.rules())
        self._build = parts.lane_builder(CONFIG, decoders, CALENDAR, topics, route=route)
        self._places = [f"{topic}/{number}" for topic in topics.values() for number in range(LANES)]
        self._stores: list[dict[str, bytes]] = [{}, {}, {}]
        self._sources: bytes | None = None
        self.book = Book()
        self.start()

    def start(self) -> None:
        """A life, from what is durable: a crash loses the rest."""
        totals, documents = self._made
        steps: list[Callable[[Any], Any]] = [
            lambda state: ClockLogic(parts.clock(CONFIG, NAMES), self._layout, state),
            totals,
            lambda state: documents(MovementDocuments(CONFIG.movements()), MovementsOutput, state),
        ]
        made = [KeyedStep(build, store) for build, store in zip(steps, self._stores, strict=True)]
        self._steps = SlotSteps(self._layout, *made)
        saved = pickle.loads(self._sources) if self._sources else None  # noqa: S301 - our own
        self._lanes = [self._build(name) for name in NAMES]
        self._reference = reference_lane(CONFIG, SCHEMAS)
        for number, lane in enumerate([*self._lanes, self._reference]):
            lane.restore(saved["lanes"][number] if saved else None)
        for number, lane in enumerate(self._lanes):
            lane.expect([place for place in self._places if place.endswith(f"/{number}")])
        self._at: list[int] = list(saved["at"]) if saved else [0] * len(self._logs)

    def left(self) -> list[int]:
        """Sources that are not at their end."""
        return [number for number, log in enumerate(self._logs) if self._at[number] < len(log)]

    def poll(self, chance: random.Random) -> None:
        """A batch of a source."""
        if left := self.left():
            number = chance.choice(left)
            raw = self._logs[number][self._at[number]]
            self._at[number] += 1
            if number == len(self._lanes):
                self._give(chance, [], self._reference.process(raw))
            else:
                self._give(chance, [self._lanes[number].process(raw)])

    def hear(self, chance: random.Random, until: int | None = None, *, fires: bool = True) -> None:
        """An epoch without records: each lane tells how far it is; the clock on the wall says `until`."""
        outputs = []
        for number, lane in enumerate(self._lanes):
            mine = [place for place in self._places if place.endswith(f"/{number}") and until is not None]
            floors = dict.fromkeys(mine, BEGIN + (until or 0))
            for place, floor in floors.items():
                lane.idle_floor(place, floor - 24 * HOUR)
            outputs.append(lane.heartbeat(floors))
        self._give(chance, outputs, fires=fires)

    def _give(
        self,
        chance: random.Random,
        outputs: Sequence[LaneOutput],
        reference: MovementReference | None = None,
        *,
        fires: bool = False,
    ) -> None:
        """What sources gave goes through the steps."""
        layout = self._steps.layout
        remeasured = _to_slots(layout, reference) if reference is not None else []
        referred = list(_to_shards(layout, reference)) if reference is not None else []
        for output in self._steps.take(chance, outputs, remeasured, referred, fires=fires, closed=_adjusted):
            self.book.take(output)

    def snapshot(self) -> None:
        """The end of an epoch."""
        self._steps.snapshot()
        lanes = [lane.snapshot() for lane in [*self._lanes, self._reference]]
        self._sources = pickle.dumps({"lanes": lanes, "at": self._at})

    def silence(self, chance: random.Random, *until: int) -> None:
        """Nothing comes any more; the time passes, an epoch each, and then stands while timers run off."""
        for each in [*until, None, None]:
            self.hear(chance, each)
            self.snapshot()


__all__ = ["CRATE", "HOUR", "Book", "Records", "World"]
