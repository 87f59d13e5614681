"""Procurement and stock-taking beside the plant: requisitions become deliveries, the ERP tells its balances, late.

What is bought follows from what the sandbox ERP got as requisitions; the plain sums of it go into the truth of the
stock, and how often each topic was sent into `topics`.
"""

from __future__ import annotations

import heapq
import json
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from random import Random

import httpx

from millrace.errors import MillraceError
from sandbox.demo_feed import Feed
from sandbox.demo_outlet import Outlet
from sandbox.plant_components import COMPONENTS, STORE, Component
from sandbox.plant_disturb import Emission
from sandbox.plant_event import Event, Record, head
from sandbox.plant_layout import ALL_TOPICS, PLANT
from sandbox.plant_material import MaterialDay
from sandbox.supplier import Requisition, Suppliers
from sandbox.truth import Truth
from sandbox.truth_stock import Move, StockTruth

STEP_S = 0.1
TRUTH = "stock.json"
#: Hours between two balances of a component, and how much later than `as_of` each is told; in the evening minutes.
EVERY, LATE = timedelta(hours=4), (1.0, 3.0)
EVENING_EVERY, EVENING_LATE = timedelta(minutes=20), timedelta(minutes=20)
#: Shares of the day between which the suppliers' portal is away.
OUTAGE = (0.62, 0.86)
#: Seconds without anything new after which the evening is over.
QUIET_S = 7.0
#: How long the evening may be at most: it lies in the past.
LATEST = timedelta(hours=5)


class Procurement(threading.Thread):
    """Buyers, suppliers and the storekeeper; one thread.

    `awaited` is set from outside: whether requests of the day may still come.

    Args:
        day: Bookings of the day.
        truth: Counts of records by topic go here.
        feed: Its clock is theirs.
        erp: Base URL of the sandbox ERP.
        bootstrap: Address of the broker.
        seed: Same seed, same suppliers.
    """

    def __init__(self, day: MaterialDay, truth: Truth, feed: Feed, erp: str, bootstrap: str, seed: int) -> None:
        super().__init__(name="procurement", daemon=True)
        self.day = day
        self._stock: StockTruth = day.truth
        self._truth, self._feed = truth, feed
        self._erp = httpx.Client(base_url=f"{erp}/_control", trust_env=False, timeout=10)
        self._outlet, self._evening = Outlet(bootstrap), day.at(1.0)
        self.outage = (day.at(OUTAGE[0]), day.at(OUTAGE[1]))
        self._suppliers = Suppliers(seed, self.outage, self._evening)
        self._late = Random(f"{seed}:balances")
        self._due: list[tuple[datetime, int, Emission | Component]] = []
        self._numbers, self._seen, self._told = count(), set[str](), set[str]()
        self._halt = threading.Event()
        self.awaited = True
        self._failed: str | None = None
        self._start = day.at(0.0)

    @property
    def sent(self) -> dict[str, int]:
        """Records that the broker took, by topic."""
        return dict(self._outlet.sent)

    @property
    def error(self) -> str | None:
        """What went wrong; None for nothing."""
        return self._failed or self._outlet.error

    @property
    def done(self) -> bool:
        """Everything that was asked for has come."""
        return self.ident is not None and not self.is_alive()

    def opening(self) -> None:
        """Balances before the day, on time."""
        at = self._start - timedelta(minutes=10)
        for number, component in enumerate(COMPONENTS):
            self._outlet.send([self._counted(self._balance(component, at, at))])
            self._plan(self._start + EVERY * (number / len(COMPONENTS)), component)
        self._outlet.flush()

    def run(self) -> None:
        """Until everything that was asked for has come, and nothing new is asked for; an error is kept."""
        quiet = time.monotonic()
        try:
            while not self._halt.wait(STEP_S):
                if self._ask() or self._open() or self.awaited or not self._feed.done:
                    quiet = time.monotonic()
                if time.monotonic() - quiet > QUIET_S or self._feed.clock() > self._evening + LATEST:
                    break
                self._outlet.send(list(self._send_due()))
            self._outlet.flush()
        except (MillraceError, BufferError, httpx.HTTPError) as error:
            self._failed = f"{type(error).__name__}: {error}"

    def halt(self) -> None:
        """Send nothing more."""
        self._halt.set()

    def write(self, folder: Path) -> None:
        """Write the truths, with what came about during the day."""
        (folder / TRUTH).write_text(json.dumps(self._stock.as_json(), indent=1) + "\n", encoding="utf-8")
        self._truth.write(folder / "truth.json")

    # -- what is asked for

    def _ask(self) -> bool:
        """Hand new requisitions to the suppliers; whether there were any."""
        rows = self._erp.get("/entities", params={"set": "A_PurchaseRequisitionItem"}).raise_for_status().json()
        new = [row for row in rows if row["PurchaseRequisitionItemText"] not in self._seen and not row["IsDeleted"]]
        for row in new:
            number = row["PurchaseRequisitionItemText"]
            self._seen.add(number)
            asked = Requisition(number, row["Material"], Decimal(row["RequestedQuantity"]))
            for emission in self._suppliers.answer(asked, self._feed.clock()):
                self._plan(emission.at, emission)
        return bool(new)

    def _open(self) -> bool:
        """Whether something is still to come."""
        return any(isinstance(item, Emission) for _, _, item in self._due)

    # -- what is told

    def _plan(self, at: datetime, item: Emission | Component) -> None:
        heapq.heappush(self._due, (at, next(self._numbers), item))

    def _send_due(self) -> Iterable[Emission]:
        """What arrives by now; a balance is made when it is told, so that it knows all receipts up to its `as_of`."""
        now = self._feed.clock()
        while self._due and self._due[0][0] <= now:
            at, _, item = heapq.heappop(self._due)
            if isinstance(item, Emission):
                yield self._counted(item)
                continue
            evening = now >= self._evening
            late = EVENING_LATE if evening else timedelta(hours=self._late.uniform(*LATE))
            yield self._counted(self._balance(item, max(at - late, self._start), at))
            self._plan(at + (EVENING_EVERY if evening else EVERY), item)

    def _counted(self, emission: Emission) -> Emission:
        """Enter in the truth that a record is sent, for the first time or again."""
        topic = self._truth.topic(emission.topic)
        record: Record = dict(emission.body) if isinstance(emission.body, Mapping) else {}
        if record["event_id"] in self._told:
            topic.duplicates += 1
            return emission
        self._told.add(record["event_id"])
        topic.events += 1
        if emission.contract == "GoodsReceipt":
            self._stock.moves.append(Move(record["event_time"], record["material"], "RECEIPT", record["quantity"]))
        return emission

    def _balance(self, component: Component, as_of: datetime, told: datetime) -> Emission:
        """The ERP's stock of a component as it was at an instant, told later."""
        as_of, told = (each.replace(microsecond=0) for each in (as_of, told))
        stock = self._stock.stock(component.material, as_of)
        fields: Record = {
            "balance_key": f"{PLANT}|{component.material}|{STORE}",
            "material": component.material,
            "storage_location": STORE,
            "as_of": as_of,
            "unrestricted": stock["on_hand"],
            "quality": stock["quality_hold"],
            "blocked": stock["blocked"],
            "allocated": None,
            "unit": component.unit,
        }
        topic = ALL_TOPICS["InventoryBalance"]
        event = Event(told, "InventoryBalance", "ERP", fields)
        record = {**head(event, f"Balance-{component.material}-{int(told.timestamp())}", None), **fields}
        return Emission(told, topic, component.material, "InventoryBalance", record)
