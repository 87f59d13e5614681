"""What SAP's Gateway answers: sessions, refusals and their message ids."""

from __future__ import annotations

import json
from dataclasses import dataclass

from millrace.ledger.compensation import CLOSED_PERIOD
from millrace.ledger.short_stock import SHORT_STOCK
from sinks.erp.connector import Answer, Kind, Request, Verdict
from sinks.erp.sap_messages import Meaning, Messages

_VERDICTS = {
    Meaning.RETRY: (Kind.RETRY, "locked"),
    Meaning.CONFIGURATION: (Kind.MISCONFIGURED, "request_refused"),
    Meaning.CLOSED_PERIOD: (Kind.REJECTED, CLOSED_PERIOD),
    Meaning.SHORT_STOCK: (Kind.REJECTED, SHORT_STOCK),
    Meaning.ASK: (Kind.UNKNOWN, "ask_again"),
}


def csrf_request() -> Request:
    """Request that opens a session: the service document, asking for a token."""
    return Request("GET", "", {"Accept": "application/json", "X-CSRF-Token": "Fetch"})


def csrf_headers(answer: Answer) -> dict[str, str] | None:
    """The token to send with each change; None where the answer holds none."""
    token = answer.headers.get("x-csrf-token", "")
    return {"X-CSRF-Token": token} if answer.status == 200 and token else None


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


def refusal(answer: Answer, messages: Messages) -> Verdict:
    """What a 4xx answer means; `messages` tells what its message ids mean."""
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
    meaning = messages.meaning(error.codes)
    if meaning is Meaning.REJECT:
        return Verdict(Kind.REJECTED, reason=messages.most_telling(error.codes), detail=text)
    kind, reason = _VERDICTS[meaning]
    return Verdict(kind, reason=reason, detail=text)


def _is_business(error: ODataError | None) -> bool:
    """The gateway itself signs with /IWFND/ and /IWBEP/; other message classes are the application's."""
    return error is not None and not error.codes[0].startswith(("/IWFND/", "/IWBEP/", "/IWCOR/"))
