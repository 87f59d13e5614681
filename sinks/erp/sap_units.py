"""Units of measure in SAP, and the options that documents of quantities share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from sinks.erp.odata_service import ODataOptions

#: UN/ECE Rec 20 code to SAP's internal unit where the two differ.
UNITS = {
    "C62": "PC", "H87": "ST", "KGM": "KG", "GRM": "G", "TNE": "TO", "MTR": "M", "CMT": "CM", "MMT": "MM",
    "MTK": "M2", "MTQ": "M3", "LTR": "L", "MLT": "ML", "HUR": "H", "MIN": "MIN", "SEC": "S", "PR": "PAA",
}  # fmt: skip


class QuantityOptions(ODataOptions):
    """Options of a service that books quantities.

    Args:
        units: Rec 20 code to SAP unit, on top of the built-in table.
    """

    units: dict[str, str] = Field(default_factory=dict)

    def unit(self, attributes: Mapping[str, Any]) -> str | None:
        """SAP's unit of a document; None where neither table has its code, or it names none."""
        return {**UNITS, **self.units}.get(str(attributes.get("unit") or ""))

    def unit_or_code(self, attributes: Mapping[str, Any]) -> str:
        """SAP's unit of a document, else its code as it is."""
        return self.unit(attributes) or str(attributes.get("unit") or "")
