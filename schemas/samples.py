"""Plausible records of any contract, derived from its schema: for demos, documentation and tests.

Types, enums and units come from the schema, so that a new field or contract needs nothing here; well-known
names have well-known values.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from schemas.contracts import Contract

START = datetime(2026, 3, 2, 5, 0, tzinfo=UTC)
#: Share of optional fields that carry a value.
FILLED = 0.6

_WORDS: dict[str, tuple[str, ...]] = {
    "plant": ("DE01", "CZ02"),
    "source": ("PRESS-01", "PRESS-02", "MILL-07", "LATHE-11"),
    "work_center": ("PRESS-01", "PRESS-02", "MILL-07", "LATHE-11"),
    "order_id": ("1000471", "1000472", "1000480"),
    "operation": ("0010", "0020", "0030"),
    "material": ("BRACKET-40", "HOUSING-12"),
    "description": ("Bracket 40 mm, zinc plated", "Housing, die cast"),
    "unit": ("C62", "KGM"),
    "base_unit": ("C62",),
    "shift": ("E", "L", "N"),
    "start": ("06:00", "14:00", "22:00"),
    "end": ("14:00", "22:00", "06:00"),
    "zone": ("Europe/Berlin", "Europe/Prague"),
    "scrap_reason": ("BURR", "SCRATCH", "SHORT_SHOT"),
    "topic": ("machine-cycle", "operation-report"),
    "system": ("S4-PRD",),
    "severity": ("WARNING",),
    "operator": ("4711", "4712"),
    "storage_location": ("RM01", "FG01"),
    "batch": ("B240117", "B240118"),
    "supplier": ("SUP-100", "SUP-230"),
    "currency": ("EUR",),
    "defect": ("BURR", "SCRATCH"),
    "counter": ("A", "B"),
    "message": ("The machine counted 120 pieces and the operator reported 118.",),
}
#: A ratio of quantities: neither part is ever nothing.
_RATIO = ("numerator", "denominator")
_HORIZON = timedelta(minutes=5)
_OFFSETS = {
    "window_start": -_HORIZON,
    "first_event_time": -_HORIZON / 2,
    "last_event_time": -_HORIZON / 4,
    "window_end": timedelta(0),
}


def sample(contract: Contract, n: int, seed: int = 0) -> list[dict[str, Any]]:
    """`n` records in the order of their events, the same for the same seed.

    Args:
        contract: What the records keep.
        n: How many.
        seed: Start of the random numbers.
    """
    chance = random.Random(seed)
    return [_record(contract.schema["fields"], _Moment(chance, row)) for row in range(n)]


class _Moment:
    """One event: its number and time, and the chance that fills the rest."""

    def __init__(self, chance: random.Random, row: int) -> None:
        self.chance, self.row = chance, row
        self.time = START + timedelta(seconds=2 * row, microseconds=chance.randrange(1_000_000))


def _record(fields: list[dict[str, Any]], moment: _Moment) -> dict[str, Any]:
    return {field["name"]: _value(field["name"], field["type"], field, moment) for field in fields}


def _value(name: str, avro: Any, field: dict[str, Any], moment: _Moment) -> Any:
    if isinstance(avro, list):
        if moment.chance.random() > FILLED:
            return None
        avro = next(branch for branch in avro if branch != "null")
    kind = avro if isinstance(avro, str) else avro.get("logicalType", avro["type"])
    return _MAKERS[kind](name, avro, field, moment)


def _text(name: str, _avro: Any, _field: dict[str, Any], moment: _Moment) -> str:
    if name == "event_id":
        return str(UUID(int=moment.chance.getrandbits(128), version=4))
    if name in _WORDS:
        return moment.chance.choice(_WORDS[name])
    return f"{name.replace('_', '-')}-{moment.chance.randrange(100):02d}"


def _count(name: str, _avro: Any, _field: dict[str, Any], moment: _Moment) -> int:
    if name in {"sequence", "offset", "first_offset"}:
        return moment.row
    if name == "last_offset":
        return moment.row + 9
    return moment.chance.randrange(1, 8 if name in {"weekdays", "partition"} else 4 if name == "tier" else 100)


def _quantity(name: str, avro: Any, field: dict[str, Any], moment: _Moment) -> Decimal:
    """Pieces and seconds are mostly whole, ratios above nothing; the scale is the schema's."""
    places = Decimal(1).scaleb(-avro["scale"])
    most = {"SEC": 600, "P1": 10}.get(field.get("unit", ""), 25)
    whole = Decimal(moment.chance.randrange(most))
    part = moment.chance.choice((Decimal(0), Decimal(0), Decimal("0.25")))
    least = Decimal(1 if name in _RATIO else 0)
    return max(whole + part, least).quantize(places)


def _instant(name: str, _avro: Any, _field: dict[str, Any], moment: _Moment) -> datetime:
    return moment.time + _OFFSETS.get(name, timedelta(0))


def _day(_name: str, _avro: Any, _field: dict[str, Any], moment: _Moment) -> date:
    return moment.time.date()


def _array(name: str, avro: Any, field: dict[str, Any], moment: _Moment) -> list[Any]:
    return [_value(name, avro["items"], field, moment) for _ in range(moment.chance.randrange(1, 4))]


def _nested(_name: str, avro: Any, _field: dict[str, Any], moment: _Moment) -> dict[str, Any]:
    return _record(avro["fields"], moment)


_MAKERS: dict[str, Callable[[str, Any, dict[str, Any], _Moment], Any]] = {
    "string": _text,
    "int": _count,
    "long": _count,
    "boolean": lambda _name, _avro, _field, moment: moment.chance.random() < 0.1,
    "bytes": lambda _name, _avro, _field, moment: moment.chance.randbytes(12),
    "enum": lambda _name, avro, _field, moment: moment.chance.choice(avro["symbols"]),
    "decimal": _quantity,
    "timestamp-micros": _instant,
    "date": _day,
    "array": _array,
    "record": _nested,
}
