"""Options of the Tryton connector that say what its records are made of."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sinks.erp.connector import Options
from sinks.erp.tryton_moves import Places


class RecordOptions(Options):
    """What records are made of.

    Args:
        company: Id of the company.
        employee: Id of the employee that requisitions are made for; requisitions need one.
        places: Codes of the locations of all plants that are not in `plants`.
        plants: Codes of locations by plant.
        units: Rec 20 code to the symbol of Tryton's unit, on top of the built-in table.
        digits: Decimals of units by symbol, where Tryton has other than 0 for `u` and 2 for all others.
        consumption: What a confirmation without `component:` measures consumes: the components of the bill of
            material (`bom`), or nothing because issues are posted as movements (`none`).
        approve: Approve requisitions, which makes a purchase request; else a person approves.
    """

    company: int = 1
    employee: int | None = None
    places: Places = Places()
    plants: dict[str, Places] = Field(default_factory=dict)
    units: dict[str, str] = Field(default_factory=dict)
    digits: dict[str, int] = Field(default_factory=lambda: {"u": 0})
    consumption: Literal["bom", "none"] = "bom"
    approve: bool = True

    def of_plant(self, plant: str) -> Places:
        """Codes of a plant's locations."""
        return self.plants.get(plant, self.places)
