"""What the suite must know about each connector: a service to talk to and its ways of saying no."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from millrace.ledger import DesiredDocument
from tests.conformance.erp_world import World, document


@dataclass(frozen=True)
class Case:
    """One connector under test.

    Args:
        documents: Makes a document by number, order and more, that the connector can book.
        options: Its options.
        is_change: Whether a request may change the ERP.
        business_error: Answer that rejects one document.
        lock: Answer that says to try again.
        session_expired: Answer that asks for a new session, None where there are none.
        bookings: External references in the world's ERP, in order of booking.
    """

    documents: Callable[..., DesiredDocument]
    options: dict[str, Any]
    is_change: Callable[[httpx.Request], bool]
    business_error: Callable[[], httpx.Response]
    lock: Callable[[], httpx.Response]
    session_expired: Callable[[], httpx.Response] | None
    bookings: Callable[[World], list[str]]


def _sap_error(code: str) -> httpx.Response:
    details = [{"code": code, "message": "said no", "severity": "error"}]
    error = {"code": code, "message": {"value": "said no"}, "innererror": {"errordetails": details}}
    return httpx.Response(400, content=json.dumps({"error": error}))


CASES: dict[str, Case] = {
    "sap_confirmation": Case(
        documents=document,
        options={},
        is_change=lambda request: request.method == "POST",
        business_error=lambda: _sap_error("M7/021"),
        lock=lambda: _sap_error("CO/469"),
        session_expired=lambda: httpx.Response(403, headers={"x-csrf-token": "Required"}),
        bookings=lambda world: [entity["ExternalSystemConfirmation"] for entity in world.erp.store.documents()],
    ),
}
