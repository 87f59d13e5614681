"""Tryton's REST interface: addresses, typed JSON, and what its refusals mean."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from millrace.errors import Rejected
from sinks.erp.connector import Answer, Kind, Request, Verdict

Record = dict[str, Any]
#: Parts of messages by which one tells refusals apart; their language is asked for in each request.
_NO_PERMISSION = "You are not allowed to access"
_CLOSED_PERIOD = "you must reopen period"
_NO_SUCH_MODEL = b"Unable to get RPC method"


@dataclass(frozen=True, slots=True)
class Rest:
    """Builds requests that work for one company.

    Args:
        company: Id of the company.
        employee: Id of the employee that orders and approvals are noted under.
    """

    company: int
    employee: int | None = None

    def find(self, model: str, domain: Sequence[Any], fields: Sequence[str]) -> Request:
        """Records that meet Tryton's search clauses; fields may reach into other records with dots."""
        query = "&".join([f"d={quote(_base64(list(domain)))}", *(f"f={field}" for field in fields)])
        return Request("GET", f"{model}?{query}", self._headers())

    def create(self, model: str, values: Mapping[str, Any], field: str = "state") -> Request:
        """A new record; the answer has its id and a field of it."""
        return Request("POST", f"{model}?f={field}", self._with_body(), json.dumps(values).encode())

    def press(self, model: str, record: int, button: str) -> Request:
        """What a button of the record does; the answer says the state that it is in afterwards."""
        return Request("POST", f"{model}/{record}/{button}?f=state", self._with_body(), b"{}")

    def _with_body(self) -> dict[str, str]:
        """A request that has no body must not name its type: Tryton would read one."""
        return {**self._headers(), "Content-Type": "application/json"}

    def _headers(self) -> dict[str, str]:
        context = {"company": self.company, **({"employee": self.employee} if self.employee else {})}
        return {
            "Accept": "application/json",
            "Accept-Language": "en",
            "X-Tryton-Context": _base64(context),
        }


def _base64(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def date_value(value: date) -> Record:
    """A date in a JSON body."""
    return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}


def price_value(value: Decimal) -> Record:
    """A price in a JSON body; quantities are plain numbers there."""
    return {"__class__": "Decimal", "decimal": str(value)}


def quantity_value(value: Decimal) -> float:
    """A quantity in a JSON body: Tryton holds a double, which keeps 15 digits.

    Raises:
        Rejected: More digits than that; the double next to it would be another quantity.
    """
    if Decimal(repr(float(value))) != value:
        raise Rejected("value_out_of_range", f"quantity {value} has more digits than Tryton keeps")
    return float(value)


def text_value(value: str, field: str) -> str:
    """A text for a field of one line.

    Raises:
        Rejected: It holds control characters.
    """
    if any(character < " " or character == "\x7f" for character in value):
        raise Rejected("control_character", f"{field} {value!r} holds control characters")
    return value


def records(answer: Answer) -> list[Record]:
    """Records of a 2xx answer.

    Raises:
        ValueError: It holds something else.
    """
    parsed = json.loads(answer.body, parse_float=Decimal)
    found = parsed if isinstance(parsed, list) else [parsed]
    if not all(isinstance(record, dict) and isinstance(record.get("id"), int) for record in found):
        raise ValueError("answer holds no records")
    return found


def refusal(answer: Answer) -> Verdict | None:
    """What a 4xx answer means; None where it is none."""
    if answer.status < 400:
        return None
    if answer.status in (403, 404):
        detail = f"HTTP {answer.status}: address, module or permission is wrong"
        return Verdict(Kind.MISCONFIGURED, reason=f"http_{answer.status}", detail=detail)
    if answer.status == 423:
        return Verdict(Kind.RETRY, reason="locked", detail="another transaction holds the record")
    message = _message(answer)
    return _no_message(answer) if message is None else _business(answer.status, message)


def _business(status: int, message: str) -> Verdict:
    if _NO_PERMISSION in message:
        return Verdict(Kind.MISCONFIGURED, reason="permission", detail=message)
    if _CLOSED_PERIOD in message:
        return Verdict(Kind.REJECTED, reason="closed_period", detail=message)
    return Verdict(Kind.REJECTED, reason="user_warning" if status == 409 else "rejected", detail=message)


def _message(answer: Answer) -> str | None:
    try:
        parsed = json.loads(answer.body)
        return str(parsed.get("message") or parsed["description"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _no_message(answer: Answer) -> Verdict:
    if _NO_SUCH_MODEL in answer.body:
        detail = "Tryton does not know the model or a field: a module is not activated"
        return Verdict(Kind.MISCONFIGURED, reason="service_unfit", detail=detail)
    detail = f"HTTP {answer.status} without a message of Tryton"
    return Verdict(Kind.UNKNOWN, reason="not_an_erp_answer", detail=detail)
