"""Material issues for the second ERP: what was taken from stock, and a small flow that brings it into the ledger.

`python -m tests.chaos.full.movements --ledger URL --events FILE` reads a growing file from its beginning, as a flow
without any state would after a crash: its first totals are lower than what it announced before, and must not count.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import structlog

from millrace.ledger import Ledger
from millrace.ledger.goods_movement import desired_document
from millrace.ledger.ledger import LEDGER_DOWN
from millrace.ledger.model import DesiredDocument
from millrace.telemetry import configure_logging
from sandbox.plant_layout import PLANT

STORE = "STO"
#: Material, its unit (UN/ECE Rec 20), and the most that is taken at a time.
MATERIALS = (("COIL", "KGM", 40), ("SHEET", "C62", 12), ("SCREW", "C62", 100))
ORDERS, HOURS = 6, 3
#: Share of events that are sent twice.
TWICE = 0.1
POLL_S = 0.2
log = structlog.get_logger("millrace.chaos")
Key = tuple[str, str, str]  # order, material, hour


@dataclass(frozen=True, slots=True)
class Day:
    """What is taken from stock on one day.

    Args:
        lines: Events as JSON, some of them twice, in the order in which they are told.
        truth: Plain sums over the distinct events, by material.
    """

    lines: tuple[str, ...]
    truth: Mapping[str, Decimal]


def day(seed: int, events: int) -> Day:
    """A day of so many distinct events; the same seed gives the same day."""
    rng = Random(f"{seed}:movements")
    lines: list[str] = []
    truth: dict[str, Decimal] = defaultdict(Decimal)
    for number in range(events):
        material, unit, most = rng.choice(MATERIALS)
        quantity = rng.randint(1, most)
        order, hour = f"88{rng.randrange(ORDERS):04}", f"{number * HOURS // events:02}"
        event = {"id": f"M-{number}", "order": order, "hour": hour, "material": material, "unit": unit}
        lines += [json.dumps({**event, "quantity": quantity})] * (2 if rng.random() < TWICE else 1)
        truth[material] += quantity
    return Day(tuple(lines), truth)


class Totals:
    """Cumulative totals over the distinct events read so far."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._sums: dict[Key, Decimal] = defaultdict(Decimal)
        self._counts: dict[Key, int] = defaultdict(int)
        self._units: dict[str, str] = {}

    def add(self, line: str) -> Key | None:
        """Count an event; returns the key whose total it changed."""
        event = json.loads(line)
        if event["id"] in self._seen:
            return None
        self._seen.add(event["id"])
        key = (event["order"], event["material"], event["hour"])
        self._sums[key] += event["quantity"]
        self._counts[key] += 1
        self._units[event["material"]] = event["unit"]
        return key

    def document(self, key: Key) -> DesiredDocument:
        """The total of a key as it is now."""
        order, material, hour = key
        begun = datetime(2026, 3, 2, int(hour), tzinfo=UTC)
        record: dict[str, Any] = {
            "document_key": f"{PLANT}|{order}|ISSUE|{material}|{hour}",
            "plant": PLANT,
            "tier": 1,
            "revision": self._counts[key],
            "reference_version": 0,
            "withdrawn": False,
            "movement": "ISSUE",
            "order_id": order,
            "operation": "",
            "material": material,
            "storage_location": STORE,
            "quantity": self._sums[key],
            "unit": self._units[material],
            "posting_date": date(2026, 3, 2),
            "window_start": begun,
            "is_final": False,
        }
        return desired_document(record)


def follow(file: Path, stop: threading.Event) -> Iterator[list[str]]:
    """Whole lines of a file, those that are there and those that come."""
    rest = ""
    with file.open(encoding="utf-8") as text:
        while not stop.is_set():
            *whole, rest = (rest + text.read()).split("\n")
            if whole:
                yield whole
            stop.wait(POLL_S)


def main() -> None:
    """Announce totals until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.full.movements", description=__doc__)
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--events", type=Path, required=True)
    options = parser.parse_args()
    configure_logging()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    ledger = _patiently(lambda: Ledger(options.ledger, who="movements"), stop)
    log.info("movements_started")
    totals = Totals()
    for lines in follow(options.events, stop):
        changed = [key for key in map(totals.add, lines) if key is not None]
        documents = [totals.document(key) for key in dict.fromkeys(changed)]
        _patiently(partial(ledger.put_desired, documents), stop)
    ledger.close()


def _patiently(call: Any, stop: threading.Event) -> Any:
    while True:
        try:
            return call()
        except LEDGER_DOWN as error:
            log.warning("ledger_unavailable", error=str(error))
            if stop.wait(0.5):
                raise


if __name__ == "__main__":
    main()
