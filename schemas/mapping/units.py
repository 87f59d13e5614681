"""Units by UN/ECE Recommendation 20 code, with exact factors to the base unit of their dimension.

Factors are rational numbers: the pound is 0.45359237 kg and the inch 0.0254 m by definition, the minute 60 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: its dimension, and how many base units of that dimension one of it is."""

    dimension: str
    factor: Fraction


#: Base unit of each dimension.
BASE = {
    "count": "C62",
    "mass": "KGM",
    "length": "MTR",
    "area": "MTK",
    "volume": "LTR",
    "time": "SEC",
    "share": "P1",
}

_FACTORS: dict[str, dict[str, str]] = {
    # H87 (piece), EA (each) and C62 (one) count the same thing.
    "count": {
        "C62": "1", "H87": "1", "EA": "1", "NMP": "1", "PR": "2", "DZN": "12", "GRO": "144", "CEN": "100",
        "MIL": "1000",
    },
    "mass": {
        "KGM": "1", "GRM": "0.001", "MGM": "0.000001", "TNE": "1000", "DTN": "100",
        "LBR": "0.45359237", "ONZ": "0.028349523125",
    },
    "length": {
        "MTR": "1", "MMT": "0.001", "CMT": "0.01", "DMT": "0.1", "KMT": "1000", "4H": "0.000001",
        "INH": "0.0254", "FOT": "0.3048", "YRD": "0.9144",
    },
    "area": {
        "MTK": "1", "MMK": "0.000001", "CMK": "0.0001", "DMK": "0.01", "FTK": "0.09290304",
        "INK": "0.00064516",
    },
    "volume": {
        "LTR": "1", "MLT": "0.001", "CLT": "0.01", "DLT": "0.1", "HLT": "100", "MTQ": "1000", "CMQ": "0.001",
        "DMQ": "1",
    },
    "time": {"SEC": "1", "C26": "0.001", "B98": "0.000001", "MIN": "60", "HUR": "3600", "DAY": "86400"},
    "share": {"P1": "1"},
}  # fmt: skip

UNITS: dict[str, Unit] = {
    code: Unit(dimension, Fraction(factor)) for dimension, codes in _FACTORS.items() for code, factor in codes.items()
}


def factor(source: str, target: str) -> Fraction | None:
    """What a number in `source` is multiplied by to be in `target`; None when there is no such conversion."""
    if source == target:
        return Fraction(1)
    one, other = UNITS.get(source), UNITS.get(target)
    if one is None or other is None or one.dimension != other.dimension:
        return None
    return one.factor / other.factor
