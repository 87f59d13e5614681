"""OData V2 as SAP speaks it: literals in URLs, values in JSON, what stands in an answer."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from millrace.errors import Rejected
from sinks.erp.connector import Answer

JSON_HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}


def string_literal(value: str, field: str) -> str:
    """A string for a URL: quotes doubled, everything percent-encoded.

    Raises:
        Rejected: Control characters, which no ERP key holds and which could end a header line.
    """
    refuse_control_characters(value, field)
    return quote("'" + value.replace("'", "''") + "'", safe="")


def guid_literal(value: str) -> str:
    """A GUID for a URL."""
    return quote(f"guid'{value}'", safe="")


def date_literal(value: date) -> str:
    """A date for a URL."""
    return quote(f"datetime'{value.isoformat()}T00:00:00'", safe="")


def date_value(value: date) -> str:
    """A date in a JSON body: midnight UTC of that calendar day in milliseconds."""
    midnight = datetime(value.year, value.month, value.day, tzinfo=UTC)
    return f"/Date({int(midnight.timestamp()) * 1000})/"


def time_value(value: datetime) -> str:
    """A time of day in a JSON body."""
    return f"PT{value.hour:02d}H{value.minute:02d}M{value.second:02d}S"


def decimal_value(value: Decimal, precision: int, scale: int, field: str) -> str:
    """A decimal in a JSON body: a string with a fixed scale.

    Raises:
        Rejected: More digits than the field has; cutting them would book something else.
    """
    fixed = value.quantize(Decimal(1).scaleb(-scale))
    if fixed != value or abs(fixed) >= Decimal(10) ** (precision - scale):
        raise Rejected("value_out_of_range", f"{field}: {value} does not fit Decimal({precision},{scale})")
    return format(fixed, "f")


def refuse_control_characters(value: str, field: str) -> None:
    """Raise Rejected for a value with control characters."""
    if not value.isprintable():
        raise Rejected("control_character", f"{field}: {value!r} holds a control character")


def parse(answer: Answer) -> Any:
    """What stands under `d`; None where the body is not such JSON."""
    try:
        return json.loads(answer.body)["d"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def results(content: Any) -> list[Any] | None:
    """The entities of a collection, `{"results": [...]}`; None where it is none."""
    found = content.get("results") if isinstance(content, dict) else None
    return found if isinstance(found, list) else None
