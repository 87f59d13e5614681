"""One JSON object of a contract to the values of its record: no field is guessed, none is left over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

Avro = Any
_MICRO = Decimal("0.000001")


class NotOfContract(ValueError):
    """The object does not keep to the contract."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


def record(value: Any, schema: dict[str, Any], place: str = "") -> dict[str, Any]:
    """Values of a record by field.

    Raises:
        NotOfContract: A field is missing without default, unknown, or of another type.
    """
    if not isinstance(value, dict):
        raise NotOfContract(place, "is no JSON object")
    names = [field["name"] for field in schema["fields"]]
    unknown = [name for name in value if name not in names]
    if unknown:
        raise NotOfContract(f"{place}{unknown[0]}", "is no field of the contract")
    return {field["name"]: _field(value, field, place) for field in schema["fields"]}


def _field(value: dict[str, Any], field: dict[str, Any], place: str) -> Any:
    name = field["name"]
    if name not in value:
        if "default" in field:
            return field["default"]
        raise NotOfContract(f"{place}{name}", "is missing")
    return _value(value[name], field["type"], f"{place}{name}")


def _value(value: Any, avro: Avro, place: str) -> Any:
    if isinstance(avro, list):
        if value is None and "null" in avro:
            return None
        return _value(value, next(branch for branch in avro if branch != "null"), place)
    kind = avro if isinstance(avro, str) else avro.get("logicalType", avro["type"])
    if kind == "record":
        return record(value, avro, f"{place}.")
    if kind == "array":
        if not isinstance(value, list):
            raise NotOfContract(place, "is no list")
        return [_value(item, avro["items"], f"{place}.{i}") for i, item in enumerate(value)]
    if kind == "enum":
        return _of(isinstance(value, str) and value in avro["symbols"], value, place, ", ".join(avro["symbols"]))
    return _plain(value, kind, place)


def _plain(value: Any, kind: str, place: str) -> Any:
    if kind == "decimal":
        return _read(_decimal, value, place, "a number with at most 12 digits and six decimals")
    if kind == "timestamp-micros":
        return _read(_instant, value, place, "an ISO 8601 time with offset")
    if kind == "date":
        return _read(date.fromisoformat, value, place, "a date YYYY-MM-DD")
    types: dict[str, type] = {"string": str, "boolean": bool, "long": int, "int": int, "bytes": str}
    good = isinstance(value, types[kind]) and not (isinstance(value, bool) and kind != "boolean")
    if good and kind in {"int", "long"}:
        good = -(1 << (31 if kind == "int" else 63)) <= value < 1 << (31 if kind == "int" else 63)
    if kind == "bytes":
        # Avro's own JSON form: one character a byte.
        return _read(lambda text: text.encode("latin-1"), value if good else None, place, "bytes")
    return _of(good, value, place, f"a {kind}")


def _of(good: bool, value: Any, place: str, wanted: str) -> Any:
    if not good:
        raise NotOfContract(place, f"{str(value)[:80]!r} is not {wanted}")
    return value


def _read(read: Callable[[Any], Any], value: Any, place: str, wanted: str) -> Any:
    try:
        return read(value)
    except (AttributeError, TypeError, ValueError, InvalidOperation):
        raise NotOfContract(place, f"{str(value)[:80]!r} is not {wanted}") from None


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise TypeError
    number = Decimal(value)
    exact = number.quantize(_MICRO)
    if exact != number or abs(exact) >= 10**12:
        raise ValueError
    return exact


def _instant(value: str) -> datetime:
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError
    return found.astimezone(UTC)
