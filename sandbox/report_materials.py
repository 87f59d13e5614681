"""The report's part on materials: stock over the day, each request on its way, the sums compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sandbox.reconcile_materials import Materials
from sandbox.report_page import Cell, mark, section, table
from sandbox.report_stock import StockPanel, stock_plot
from sandbox.report_tables import MATERIAL_COLUMNS, figure, material_cells

#: Contract that tells of a stage, by the stage's name.
STAGES = {
    "ordered": "PurchaseOrder",
    "acknowledged": "OrderAcknowledgement",
    "shipped": "ShipmentNotice",
    "received": "GoodsReceipt",
}


@dataclass(frozen=True, slots=True)
class RequestLife:
    """A request on its way.

    Args:
        number: Its crossing.
        material: Component, with its unit.
        quantity: In its base unit.
        triggered: When stock crossed s.
        stages: Instants of what answered it, by stage; a stage may have several.
    """

    number: str
    material: str
    quantity: Decimal
    triggered: datetime
    stages: Mapping[str, Sequence[datetime]]

    @property
    def stage(self) -> str:
        """How far it is."""
        return next((name for name in reversed(STAGES) if self.stages.get(name)), "triggered")


@dataclass(frozen=True, slots=True)
class StockView:
    """Everything that is shown: a panel per material, and requests by the instant of their crossing."""

    start: datetime
    panels: Sequence[StockPanel]
    requests: Sequence[RequestLife]


def materials(result: Materials | None, view: StockView | None) -> list[str]:
    """Sections of the page; none where the run had no materials."""
    if result is None:
        return []
    sections = [] if view is None or not view.panels else [_plot(view)]
    sections += [] if view is None or not view.requests else [_requests(view)]
    return [*sections, _compared(result)]


def _plot(view: StockView) -> str:
    text = (
        "Hours of the plant's day. A triangle that points up is a request, at the moment when stock crossed s; one "
        "that points down is a receipt. Balances of the ERP come hours late and change nothing that was counted."
    )
    return section("Stock and what is on its way", text, stock_plot(view.panels))


def _requests(view: StockView) -> str:
    """One row per request, with the hours of its stages."""
    head = [
        "Material",
        "+Crossing",
        "+Quantity",
        *(f"+{name.capitalize()}" for name in ("triggered", *STAGES)),
        "Stage",
    ]
    rows: list[list[Cell]] = []
    for life in view.requests:
        hours = [_hours(view.start, times) for times in ([life.triggered], *(life.stages[name] for name in STAGES))]
        cells: list[Cell] = [(text, "n") for text in (life.number, figure(life.quantity), *hours)]
        rows.append([life.material, *cells, life.stage])
    text = "One request per crossing; the hour of the day of each stage. A request may come in two deliveries."
    return section("Requests", text, f'<div class="scroll">{table(head, rows)}</div>')


def _compared(result: Materials) -> str:
    """One row per material, and every sum of movements behind it."""
    rows: list[list[Cell]] = [
        [row.material, *((text, "n") for text in material_cells(row)), mark(row.ok, ", ".join(row.differences))]
        for row in result.stock
    ]
    sums: list[list[Cell]] = [
        [
            *(row.order_id, row.material, row.movement.lower()),
            *((figure(value), "n") for value in (row.truth, row.ledger, row.erp)),
            mark(row.ok, "differs"),
        ]
        for row in result.movements
    ]
    head = ["Order", "Material", "Movement", "+Plant truth", "+Ledger", "+Booked in ERP", "Status"]
    text = (
        "What orders took less what they gave back, by the plant's own sums and as booked; stock as "
        "millrace status shows it against a plain replay of all records; crossings in the history of projections "
        "against requests announced and in the ERP."
    )
    return section(
        "Materials",
        text,
        f'<div class="scroll">{table(["Material", *(f"+{name}" for name in MATERIAL_COLUMNS), "Status"], rows)}</div>'
        "<details><summary>Every order and material: sums of movements</summary>"
        f'<div class="scroll">{table(head, sums)}</div></details>',
    )


def _hours(start: datetime, times: Sequence[datetime]) -> str:
    return ", ".join(f"{(at - start).total_seconds() / 3600:.1f} h" for at in times)
