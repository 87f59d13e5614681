"""Controls of the sandbox ERP: faults to order, bookings to read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.erp_entities import Entities
from sandbox.erp_faults import Faults
from sandbox.erp_rules import Rules
from sandbox.erp_store import Store


def control_routes(
    store: Store, entities: Entities, rules: Rules, faults: Faults, requests: Callable[[], int]
) -> list[Route]:
    """Routes under `/_control/`."""
    control = _Control(store, entities, rules, faults, requests)
    return [
        Route("/bookings", control.bookings),
        Route("/documents", control.documents),
        Route("/entities", control.list_entities),
        Route("/stats", control.stats),
        Route("/rules", control.change_rules, methods=["POST"]),
        Route("/orders", control.orders, methods=["POST"]),
        Route("/faults", control.list_faults, methods=["GET"]),
        Route("/faults", control.add_fault, methods=["POST"]),
        Route("/faults", control.clear_faults, methods=["DELETE"]),
    ]


class _Control:
    def __init__(
        self, store: Store, entities: Entities, rules: Rules, faults: Faults, requests: Callable[[], int]
    ) -> None:
        self.store = store
        self.entities = entities
        self.rules = rules
        self.faults = faults
        self.requests = requests

    async def bookings(self, _request: Request) -> Response:
        return JSONResponse(
            [
                {"order_id": order, "operation": operation, "booked": _texts(total)}
                for (order, operation), total in sorted(self.store.totals().items())
            ]
        )

    async def documents(self, _request: Request) -> Response:
        return JSONResponse(self.store.documents())

    async def list_entities(self, request: Request) -> Response:
        return JSONResponse(self.entities.find(request.query_params.get("set", ""), {}))

    async def change_rules(self, request: Request) -> Response:
        try:
            self.rules.change(**await request.json())
        except (TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, status_code=422)
        return Response(status_code=204)

    async def stats(self, _request: Request) -> Response:
        return JSONResponse({**self.store.counts(), "requests": self.requests(), "faults_met": self.faults.met})

    async def orders(self, request: Request) -> Response:
        self.store.add_orders(await request.json())
        return Response(status_code=204)

    async def list_faults(self, _request: Request) -> Response:
        return JSONResponse([asdict(fault) for fault in self.faults.pending()])

    async def add_fault(self, request: Request) -> Response:
        try:
            self.faults.add(**await request.json())
        except (TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, status_code=422)
        return Response(status_code=204)

    async def clear_faults(self, request: Request) -> Response:
        self.faults.clear(request.query_params.get("kind"))
        return Response(status_code=204)


def _texts(total: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: str(amount) for name, amount in sorted(total.items())}
