"""OData V2 as SAP speaks it: literals in URLs, JSON values, sessions and errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from millrace.errors import Rejected
from sinks.erp.connector import Answer, Kind, Request, Verdict

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


def check_lengths(body: Mapping[str, Any], lengths: Mapping[str, int]) -> None:
    """Refuse what the ERP would cut or refuse, before it is sent.

    Raises:
        Rejected: A string field is too long or holds control characters.
    """
    for field, limit in lengths.items():
        value = body.get(field)
        if isinstance(value, str):
            refuse_control_characters(value, field)
            if len(value) > limit:
                raise Rejected("value_too_long", f"{field}: {value!r} has more than {limit} characters")


def csrf_request() -> Request:
    """Request that opens a session: the service document, asking for a token."""
    return Request("GET", "", {"Accept": "application/json", "X-CSRF-Token": "Fetch"})


def csrf_headers(answer: Answer) -> dict[str, str] | None:
    """The token to send with each change; None where the answer holds none."""
    token = answer.headers.get("x-csrf-token", "")
    return {"X-CSRF-Token": token} if answer.status == 200 and token else None


def parse(answer: Answer) -> Any:
    """What stands under `d`; None where the body is not such JSON."""
    try:
        return json.loads(answer.body)["d"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class ODataError:
    """An error body: every message id in it, most specific last, and the text for a person."""

    codes: tuple[str, ...]
    text: str


def parse_error(answer: Answer) -> ODataError | None:
    """The error in an answer; None where the body is no OData error, for instance a proxy's HTML page."""
    try:
        error = json.loads(answer.body)["error"]
        details = (error.get("innererror") or {}).get("errordetails") or []
        messages = [(error["code"], error["message"]["value"])]
        messages += [(detail["code"], detail["message"]) for detail in details]
        codes = tuple(str(code) for code, _ in messages)
        return ODataError(codes, " | ".join(dict.fromkeys(str(text) for _, text in messages)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def refusal(answer: Answer, retry: frozenset[str], configuration: frozenset[str]) -> Verdict:
    """What a 4xx answer means.

    Args:
        answer: The answer.
        retry: Message ids that pass by themselves, for instance locks.
        configuration: Message ids that every document would meet, for instance an unknown property.
    """
    if answer.status == 403 and answer.headers.get("x-csrf-token", "").lower() == "required":
        return Verdict(Kind.RENEW, reason="csrf_token", detail="CSRF token expired")
    error = parse_error(answer)
    text = error.text if error else ""
    if answer.status in (403, 404, 405) and not _is_business(error):
        detail = f"HTTP {answer.status}: service, permission or address is wrong. {text}".strip()
        return Verdict(Kind.MISCONFIGURED, reason=f"http_{answer.status}", detail=detail)
    if error is None:
        detail = f"HTTP {answer.status} without an OData error"
        return Verdict(Kind.UNKNOWN, reason="not_an_erp_answer", detail=detail, outage=True)
    if retry.intersection(error.codes):
        return Verdict(Kind.RETRY, reason="locked", detail=text)
    if configuration.intersection(error.codes):
        return Verdict(Kind.MISCONFIGURED, reason="request_refused", detail=text)
    return Verdict(Kind.REJECTED, reason=error.codes[-1], detail=text)


def _is_business(error: ODataError | None) -> bool:
    """The gateway itself signs with /IWFND/ and /IWBEP/; other message classes are the application's."""
    return error is not None and not error.codes[0].startswith(("/IWFND/", "/IWBEP/", "/IWCOR/"))
