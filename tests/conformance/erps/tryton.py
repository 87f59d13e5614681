"""Tryton's productions: a stand-in for its REST interface."""

from __future__ import annotations

from typing import Any, ClassVar

import httpx

from millrace.ledger import DesiredDocument
from tests.conformance.erp_service import Booking, ErpService
from tests.conformance.erp_world import document
from tests.conformance.tryton_stand_in import TrytonStandIn, output, refuse

ORDER, OPERATION = "1000001", "0010"


class Erp(ErpService):
    base_url = "https://erp.test/erp/rest/model"
    #: Else nothing would double in the negative control: it is asked for before the first request too.
    options: ClassVar = {"search_first": False}
    id_fields: ClassVar = {"order": "order_id", "operation": "operation"}

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.stand_in = TrytonStandIn()

    def transport(self) -> httpx.AsyncBaseTransport:
        return self.stand_in.transport()

    def document(
        self, number: int = 1, order: str = ORDER, revision: int = 1, total: str = "5", **ids: str
    ) -> DesiredDocument:
        made = document(number, order, revision, **ids, **{"yield": total})
        return DesiredDocument(**{**_fields(made), "attributes": {**made.attributes, "material": "BRACKET"}})

    def books(self, request: httpx.Request) -> bool:
        path = request.url.path
        return request.method == "POST" and path.endswith(("/production", "/cancel"))

    def asks(self, request: httpx.Request) -> bool:
        return request.method == "GET" and request.url.path.endswith("/production")

    def bookings(self) -> list[Booking]:
        return [_booking(number, *effect) for number, effect in enumerate(self.stand_in.effects)]

    def business_error(self) -> httpx.Response:
        return refuse("The value is not valid according to its domain.")

    def lock(self) -> httpx.Response:
        return httpx.Response(423)


def _fields(made: DesiredDocument) -> dict[str, Any]:
    return {name: getattr(made, name) for name in DesiredDocument.__dataclass_fields__}


def _booking(number: int, record: dict[str, Any], sign: int) -> Booking:
    reference, _, known = record["reference"].partition(" ")
    ids = {"order": known.removesuffix(f" {OPERATION}"), "operation": known.removeprefix(f"{ORDER} ")}
    # A cancelled record keeps the reference of what it booked; the reversal leaves none of its own.
    return Booking(reference if sign > 0 else f"{number} cancels {reference}", sign * output(record), ids)
