"""Options of the Tryton connector."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sinks.erp.connector import Options
from sinks.erp.tryton_moves import Places


class TrytonOptions(Options):
    """Options of the connector.

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
        stock_retry_seconds: Before looking again whether stock has come that a posting waits for.
        search_first: Ask for the reference before the first request too. Off only in negative controls: a ledger
            that was restored from a backup would post again what is in Tryton.
    """

    company: int = 1
    employee: int | None = None
    places: Places = Places()
    plants: dict[str, Places] = Field(default_factory=dict)
    units: dict[str, str] = Field(default_factory=dict)
    digits: dict[str, int] = Field(default_factory=lambda: {"u": 0})
    consumption: Literal["bom", "none"] = "bom"
    approve: bool = True
    stock_retry_seconds: float = Field(300.0, gt=0)
    search_first: bool = True

    def of_plant(self, plant: str) -> Places:
        """Codes of a plant's locations."""
        return self.plants.get(plant, self.places)
