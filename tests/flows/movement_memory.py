"""The flow of goods movements over records in memory, and the records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from dataflows import parts
from dataflows.goods_movements import reference_lane, wire
from dataflows.movement_settings import GoodsMovementsSettings
from operators.consumption_route import consumption_route
from operators.shifts import CalendarBook, utc_calendar
from schemas.contracts import contract
from schemas.samples import sample
from tests.flows import memory
from tests.flows.memory import SCHEMAS, START, Lanes, Orders, Script, TakerSink, run_flow

KEY = "movement"


def settings(**values: Any) -> GoodsMovementsSettings:
    """Windows of ten minutes, no lateness."""
    return GoodsMovementsSettings(**{"window": "10m", "lateness_s": 30, "default_zone": "UTC", **values})


def used(number: int, at: float = 0, **values: Any) -> dict[str, Any]:
    """A MaterialConsumption of two kilograms of steel for order O1, `at` seconds after START."""
    record = {
        **sample(contract("MaterialConsumption"), 1)[0],
        "event_id": f"{values.get('source', 'line-1')}-{number}",
        "event_time": START + timedelta(seconds=at),
        "plant": "P1",
        "source": "line-1",
        "sequence": number,
        "kind": "ISSUE",
        "order_id": "O1",
        "operation": "0010",
        "material": "STEEL",
        "batch": "B1",
        "serials": [],
        "storage_location": "RM01",
        "quantity": Decimal(2),
        "unit": "KGM",
        "output_batch": None,
        "reason": None,
    }
    return {**record, **values}


def material(name: str = "STEEL", version: int = 1, base: str = "KGM", **factors: tuple[int, int]) -> dict[str, Any]:
    """A Material; factors by unit as (numerator, denominator)."""
    conversions = [
        {"unit": unit, "numerator": Decimal(up), "denominator": Decimal(down)} for unit, (up, down) in factors.items()
    ]
    head = {**sample(contract("Material"), 1)[0], "event_id": f"{name}-{version}", "event_time": START, "plant": "P1"}
    return {**head, "material": name, "version": version, "base_unit": base, "conversions": conversions}


def component(name: str, numerator: int = 2, denominator: int = 1, **values: Any) -> dict[str, Any]:
    """A component of operation 0010."""
    fixed = {"component_item": "0001", "operation": "0010", "material": name, "unit": "KGM", "storage_location": "RM01"}
    ratio = {"numerator": Decimal(numerator), "denominator": Decimal(denominator)}
    return {**fixed, **ratio, "reservation": None, "reservation_item": None, "erp_backflush": False, **values}


def order(*components: Mapping[str, Any], version: int = 1, name: str = "O1", **head: Any) -> dict[str, Any]:
    """A WorkOrder with these components."""
    return {**memory.order(name, version), **head, "components": [dict(each) for each in components]}


def confirmed(pieces: int, revision: int, window: int = 0, **values: Any) -> dict[str, Any]:
    """A ProductionConfirmation of order O1 in the n-th window of ten minutes."""
    start = START + timedelta(minutes=10 * window)
    end = start + timedelta(minutes=10)
    record = {
        **sample(contract("ProductionConfirmation"), 1)[0],
        "event_id": f"{window}#{revision}",
        "event_time": end,
        "plant": "P1",
        "document_key": f"P1|O1|0010|WC||{int(start.timestamp())}",
        "revision": revision,
        "reference_version": 1,
        "adjustment": False,
        "order_id": "O1",
        "operation": "0010",
        "quantity_yield": Decimal(pieces),
        "unit": "C62",
        "window_start": start,
        "window_end": end,
        "first_event_time": start,
        "last_event_time": end,
        "event_count": revision,
        "origins": [],
    }
    return {**record, **values}


@dataclass
class Book:
    """Keeps what the flow announced, as the ledger does: of a document the highest version."""

    best: dict[str, dict[str, Any]] = field(default_factory=dict)
    letters: dict[str, Any] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    latest_wins: bool = False
    batches: list[Any] = field(default_factory=list)

    def take(self, items: list[Any]) -> None:
        self.batches += items
        for item in items:
            for row in (row for frame in item.documents for row in frame.to_dicts()):
                known = self.best.get(row["document_key"])
                if known is None or self.latest_wins or _version(known) <= _version(row):
                    self.best[row["document_key"]] = row
            self.letters.update({letter.event_id: letter for letter in item.letters})
            self.alerts += item.alerts
            self.counts.update(item.counts)

    def totals(self) -> dict[tuple[str, str], Decimal]:
        """Quantity by movement and material; nothing of what is withdrawn."""
        out: dict[tuple[str, str], Decimal] = {}
        for row in self.best.values():
            key = (row["movement"], row["material"])
            out[key] = out.get(key, Decimal(0)) + (Decimal(0) if row["withdrawn"] else row["quantity"])
        return {key: value for key, value in out.items() if value}

    def reasons(self) -> list[str]:
        """Reasons of the dead letters, sorted."""
        return sorted(letter.reason for letter in self.letters.values())


def _version(row: Mapping[str, Any]) -> tuple[int, int]:
    return (row["revision"], row["reference_version"])


def run(
    config: GoodsMovementsSettings,
    script: Script,
    book: Book,
    recovery: Path | None = None,
    *,
    workers: int = 1,
    deduplicate: bool = True,
) -> None:
    """Run the flow to the end of the script, or to its abort; a snapshot after every batch."""
    script.read = 0
    topics = parts.event_topics(config)
    calendar = CalendarBook([], utc_calendar())
    decoders = parts.codecs(config, SCHEMAS, tuple(topics), {})
    route = consumption_route(config.rules())
    lanes = Lanes(script, parts.lane_builder(config, decoders, calendar, topics, deduplicate, route))
    references: Any = Orders(script, lambda: reference_lane(config, SCHEMAS))
    flow = wire(config, lanes, references, calendar, {"sink": TakerSink(book)}, lanes.list_parts())
    run_flow(flow, recovery, workers)
