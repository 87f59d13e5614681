"""What the report shows of materials: stock over the day and the life of each request, from ledger and history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from millrace.ledger import Ledger
from sandbox.demo_check_stock import projections, requests
from sandbox.plant_components import BY_MATERIAL, COMPONENTS
from sandbox.plant_layout import ALL_TOPICS
from sandbox.plant_material import HOLD_AT, RELEASE_AT, MaterialDay
from sandbox.report_materials import STAGES, RequestLife, StockView
from sandbox.report_stock import Band, Point, StockPanel
from sinks.history.reading import plan
from sinks.history.store import scan

#: Begin, end and what went on, by material; an empty name is for all.
Bands = Mapping[str, Sequence[tuple[datetime, datetime, str]]]


def stock_view(ledger: Ledger, history: Path, start: datetime, told: Bands) -> StockView:
    """Read what is to be shown.

    Args:
        ledger: The demo's ledger.
        history: Its history.
        start: Begin of the day.
        told: What went on.
    """
    papers = {stage: _records(history, contract) for stage, contract in STAGES.items()}
    lives = sorted((_life(each, papers) for each in ledger.ask(requests)), key=lambda life: life.triggered)

    def hour(at: datetime) -> float:
        return (at - start).total_seconds() / 3600

    def panel(material: str, rows: Sequence[Mapping[str, Any]]) -> StockPanel:
        went_on = [Band(hour(a), hour(b), text) for name in ("", material) for a, b, text in told.get(name, ())]
        return StockPanel(
            f"{material}, {BY_MATERIAL[material].unit}",
            [(hour(row["event_time"]), float(row["projected"])) for row in rows],
            [(hour(row["event_time"]), float(row["on_hand"])) for row in rows],
            (float(rows[-1]["reorder_point"]), float(rows[-1]["order_up_to"])),
            [(hour(life.triggered), float(life.quantity)) for life in lives if life.material == material],
            _points(papers["received"], material, start),
            went_on,
        )

    shown = [panel(material, rows) for material, rows in sorted(projections(history).items())]
    return StockView(start, shown, lives)


def bands(day: MaterialDay, outage: tuple[datetime, datetime]) -> Bands:
    """What went on that day, by material; an empty name is for all."""
    hold = (day.at(HOLD_AT), day.at(RELEASE_AT), "quality hold")
    return {"": [(*outage, "supplier portal away")], COMPONENTS[0].material: [hold]}


def _points(records: Sequence[Mapping[str, Any]], material: str, start: datetime) -> list[Point]:
    mine = (row for row in records if row["material"] == material)
    return [((row["event_time"] - start).total_seconds() / 3600, float(row["quantity"])) for row in mine]


def _records(history: Path, contract: str) -> list[dict[str, Any]]:
    """Rows of a contract in the history, by time."""
    files = plan(history, ALL_TOPICS[contract]).files
    if not files:
        return []
    return scan(files, hive_partitioning=False, extra_columns="ignore").sort("event_time").collect().to_dicts()


def _life(request: Mapping[str, Any], papers: Mapping[str, Sequence[Mapping[str, Any]]]) -> RequestLife:
    number = request["request_number"]
    orders = {row["purchase_order"] for row in papers["ordered"] if row["request_number"] == number}
    return RequestLife(
        number.rpartition("|")[2],
        request["material"],
        request["quantity"],
        datetime.fromisoformat(request["crossed_at"]),
        {name: [row["event_time"] for row in rows if row["purchase_order"] in orders] for name, rows in papers.items()},
    )
