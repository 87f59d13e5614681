"""What the simulated plant makes its articles of: component materials, bills of material, where they are stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from sandbox.plant_event import Record

STORE = "RM01"


@dataclass(frozen=True, slots=True)
class Component:
    """A material that is bought and used up.

    Args:
        material: Material number.
        text: Short description.
        unit: Base unit (UN/ECE Rec 20), in which it is stored and ordered.
        supplier: Who delivers it.
        told_in: Further unit that it is sometimes booked in, with how many base units that is.
    """

    material: str
    text: str
    unit: str
    supplier: str
    told_in: tuple[str, Decimal] | None = None


COMPONENTS = (
    Component("COIL-10", "Steel coil", "KGM", "ACME", ("TNE", Decimal(1000))),
    Component("CAST-20", "Cast blank", "C62", "FOUNDRY"),
    Component("GRAN-30", "Granulate", "KGM", "POLYMER", ("TNE", Decimal(1000))),
    Component("BAR-40", "Round bar", "MTR", "ACME"),
    Component("LABEL-90", "Label", "C62", "PRINTER"),
)
BY_MATERIAL = {component.material: component for component in COMPONENTS}

_NEEDED = {
    "BRK-100": {"COIL-10": "1.08"},
    "PLT-110": {"COIL-10": "0.36"},
    "HSG-200": {"CAST-20": "1"},
    "FLG-210": {"CAST-20": "1"},
    "CAP-300": {"GRAN-30": "0.045", "LABEL-90": "1"},
    "VLV-310": {"GRAN-30": "0.12", "LABEL-90": "1"},
    "SHF-400": {"BAR-40": "0.31"},
    "PIN-410": {"BAR-40": "0.09", "LABEL-90": "0.1"},
}


def needed(article: str) -> dict[str, Decimal]:
    """Component -> quantity in its base unit for one order unit of an article."""
    return {material: Decimal(quantity) for material, quantity in _NEEDED[article].items()}


def bill(article: str, operation: str) -> list[Record]:
    """Components of an order, as its record names them; the plant reports what it takes, so nobody backflushes."""
    return [
        {
            "component_item": f"{(number + 1) * 10:04d}",
            "operation": operation,
            "material": material,
            "numerator": quantity,
            "denominator": Decimal(1),
            "unit": BY_MATERIAL[material].unit,
            "storage_location": STORE,
            "reservation": None,
            "reservation_item": None,
            "erp_backflush": False,
        }
        for number, (material, quantity) in enumerate(needed(article).items())
    ]


def component_records() -> Iterator[Record]:
    """Every component once, as the contract Material has it."""
    for component in COMPONENTS:
        told = [component.told_in] if component.told_in else []
        yield {
            "material": component.material,
            "version": 1,
            "description": component.text,
            "base_unit": component.unit,
            "conversions": [{"unit": unit, "numerator": base, "denominator": Decimal(1)} for unit, base in told],
        }
