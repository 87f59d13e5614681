"""The simulated plant as it stands: lines, work centres and how each controller counts, materials, shifts."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from sandbox.truth import Pieces

PLANT = "1010"
ZONE = "Europe/Berlin"

TOPICS = {
    "MachineCycle": "machine-cycle",
    "MachineState": "machine-state",
    "OperationReport": "operation-report",
    "WorkOrder": "work-order",
    "Material": "material",
    "ShiftCalendar": "shift-calendar",
}
#: What moves stock, and what is told of it.
STOCK_TOPICS = {
    "MaterialConsumption": "material-consumption",
    "QualityEvent": "quality-event",
    "InventoryBalance": "inventory-balance",
    "PurchaseOrder": "purchase-order",
    "OrderAcknowledgement": "order-acknowledgement",
    "ShipmentNotice": "shipment-notice",
    "GoodsReceipt": "goods-receipt",
}
ALL_TOPICS = {**TOPICS, **STOCK_TOPICS}
#: Early, late and night shift: name, local start, local end. Each has a break of half an hour in its middle.
SHIFTS = (("E", "06:00", "14:00"), ("L", "14:00", "22:00"), ("N", "22:00", "06:00"))
BREAKS = ("10:00", "18:00", "02:00")

#: At most four characters: what the ERP keeps of a variance reason.
SCRAP_REASONS = ("DIM", "SURF", "SHRT", None)
STOP_REASONS = ("JAM", "TOOL", "MATERIAL", "ELEC")


class Counter(StrEnum):
    """How a controller counts, and what a lower reading of it means."""

    DELTA = "delta"
    RESET = "reset"  # cumulative; power loss or a new job starts it again near zero
    ROLLOVER = "rollover"  # cumulative; a 16-bit register


REGISTER = 65_536


@dataclass(frozen=True, slots=True)
class WorkCenter:
    """One work centre; its name is also the `source` of its controller.

    Args:
        name: ISA-95 WorkCenter.
        line: Line that it belongs to.
        counter: How it counts.
        knows_orders: Its events name order and operation; else the line's MES tells which job runs.
        numbered: Its events carry a sequence.
        modulus: The sequence wraps after modulus - 1; None for never.
        operator_counted: The terminal's pieces are confirmed, not the controller's.
        interval_s: Seconds between two events while it produces.
        unit: Unit it counts in (UN/ECE Rec 20).
    """

    name: str
    line: str
    counter: Counter = Counter.DELTA
    knows_orders: bool = True
    numbered: bool = True
    modulus: int | None = None
    operator_counted: bool = False
    interval_s: float = 11.0
    unit: str = "C62"

    @property
    def mes(self) -> str:
        """Source of the job events where the controller knows no orders."""
        return f"MES-{self.line}"

    @property
    def terminal(self) -> str:
        """Source of the operators' reports of the line."""
        return f"TERM-{self.line}"


#: The numbers in the names spread the sources evenly over four partitions (librdkafka's CRC-32 of the key).
WORK_CENTERS = (
    WorkCenter("PRESS-11", "L1"),
    WorkCenter("PRESS-12", "L1", interval_s=13.0),
    WorkCenter("TRIM-13", "L1", interval_s=10.0),
    WorkCenter("MILL-21", "L2", Counter.RESET, knows_orders=False),
    WorkCenter("MILL-22", "L2", Counter.ROLLOVER, knows_orders=False, interval_s=9.0),
    WorkCenter("WASH-23", "L2", knows_orders=False, interval_s=14.0),
    WorkCenter("MOULD-35", "L3", modulus=256),
    WorkCenter("MOULD-36", "L3", modulus=256, interval_s=12.0),
    WorkCenter("ASSY-37", "L3", operator_counted=True, interval_s=16.0),
    WorkCenter("CNC-41", "L4", numbered=False),
    WorkCenter("CNC-42", "L4", Counter.RESET, interval_s=10.0),
    WorkCenter("GRIND-43", "L4", Counter.ROLLOVER, interval_s=12.0),
    WorkCenter("PACK-44", "L4", operator_counted=True, interval_s=150.0, unit="DZN"),
)


@dataclass(frozen=True, slots=True)
class Article:
    """A material: base unit, and the unit that its orders are in.

    Args:
        material: Material number.
        text: Short description.
        order_unit: Unit of its orders.
        conversions: Unit -> (numerator base units, denominator of this unit).
    """

    material: str
    text: str
    order_unit: str
    conversions: tuple[tuple[str, Decimal, Decimal], ...] = ()

    def in_order_unit(self, quantity: Decimal, unit: str) -> Decimal:
        """Convert through the base unit, exactly: no conversion here leaves a remainder."""
        return quantity * self._in_base(unit) / self._in_base(self.order_unit)

    def pieces(self, counted: tuple[int, int, int], unit: str) -> Pieces:
        """Good, scrap and rework as counted, in the unit of the orders."""
        return Pieces(*(self.in_order_unit(Decimal(quantity), unit) for quantity in counted))

    def _in_base(self, unit: str) -> Decimal:
        factors = {name: numerator / denominator for name, numerator, denominator in self.conversions}
        return factors.get(unit, Decimal(1))


_DOZEN = ("DZN", Decimal(12), Decimal(1))
#: By line; the press line's bracket is counted in pieces and ordered by weight (8 pieces a kilogram).
ARTICLES: dict[str, tuple[Article, ...]] = {
    "L1": (
        Article("BRK-100", "Bracket, stamped", "KGM", (("KGM", Decimal(8), Decimal(1)),)),
        Article("PLT-110", "Base plate", "C62"),
    ),
    "L2": (Article("HSG-200", "Housing, milled", "C62"), Article("FLG-210", "Flange", "C62")),
    "L3": (Article("CAP-300", "Cap, moulded", "C62"), Article("VLV-310", "Valve, assembled", "C62")),
    "L4": (
        Article("SHF-400", "Shaft, ground", "C62", (_DOZEN,)),
        Article("PIN-410", "Pin", "C62", (_DOZEN,)),
    ),
}
