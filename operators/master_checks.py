"""What a record of master data must not say though its contract lets it: nobody could count with it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from schemas.batch import DecodedBatch, Reject

#: Reason of a `Material` whose units can't be converted.
FACTOR_INVALID = "unit_factor_invalid"
_NOTHING = Decimal(0)
Fault = tuple[str, str]


def fault_of(contract: str, record: Mapping[str, Any]) -> Fault | None:
    """Field and what is wrong with it; None for a record to go by.

    A factor of nothing, or below it, would make pieces of nothing or nothing of pieces.
    """
    if contract != "Material":
        return None
    for number, each in enumerate(record["conversions"]):
        for name in ("numerator", "denominator"):
            if each[name] <= _NOTHING:
                where = f"of unit {each['unit']} of material {record['material']}"
                return f"conversions.{number}.{name}", f"{each[name].normalize():f} {where} is not above 0"
    return None


def checked(contract: str, decoded: DecodedBatch) -> DecodedBatch:
    """The batch without records that nobody could count with; these are among its rejects, with the field."""
    if contract != "Material" or not decoded.frame.height:
        return decoded
    faults = [fault_of(contract, record) for record in decoded.frame.to_dicts()]
    if not any(faults):
        return decoded
    rows = np.arange(decoded.frame.height, dtype=np.int64) if decoded.rows is None else decoded.rows
    rejects = [
        Reject(int(row), FACTOR_INVALID, ": ".join(fault))
        for row, fault in zip(rows.tolist(), faults, strict=True)
        if fault is not None
    ]
    good = np.array([fault is None for fault in faults])
    return DecodedBatch(decoded.frame.filter(good), rows[good], [*decoded.rejects, *rejects])


__all__ = ["FACTOR_INVALID", "checked", "fault_of"]
