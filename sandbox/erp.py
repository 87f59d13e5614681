"""A sandbox ERP: SAP's services for confirmations, material documents and requisitions, with faults on demand.

`python -m sandbox.erp --port 8443 --state erp.db` serves them below `erp_service.ROOT`. Under `/_control/`:
`GET bookings` (sums by order and operation), `GET documents`, `GET entities?set=...`, `GET stats`, `POST orders`,
`POST rules` (see `erp_rules`), `POST faults` (see `erp_faults`), `GET faults`, `DELETE faults[?kind=...]`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from millrace.failpoints import hit
from sandbox.erp_books import ConfirmationBooks, MaterialBooks, RequisitionBooks
from sandbox.erp_control import control_routes
from sandbox.erp_entities import Entities
from sandbox.erp_faults import Fault, Faults
from sandbox.erp_rules import Rules
from sandbox.erp_service import ROOT, Books, Service
from sandbox.erp_store import Refused, Store

SERVICE = f"{ROOT}/API_PROD_ORDER_CONFIRMATION_2_SRV"
_TRANSPORT = "sandbox.transport"
Book = Callable[[], dict[str, Any] | None]


class SandboxErp:
    """The services and their controls as one ASGI application.

    Args:
        store: Where bookings go.
        sleep: How faults wait; tests pass their own clock's.
        services: Makes the services to serve instead of the sandbox's own, from the rules.
    """

    def __init__(
        self,
        store: Store,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        services: Callable[[Rules], Sequence[Service]] | None = None,
    ) -> None:
        self.store = store
        self.entities = Entities(store.database)
        self.rules = Rules()
        self._sleep = sleep
        self.faults = Faults()
        self.requests = 0
        self._tokens: set[str] = set()
        self._late: set[asyncio.Task[None]] = set()
        served = services(self.rules) if services else self._own_services()
        control = control_routes(store, self.entities, self.rules, self.faults, lambda: self.requests)
        mounts = [Mount(f"{ROOT}/{service.name}", routes=self._routes(service)) for service in served]
        self._app = Starlette(routes=[*mounts, Mount("/_control", routes=control)])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI; the server's transport is kept, because a fault may have to cut it."""
        scope[_TRANSPORT] = getattr(getattr(send, "__self__", None), "transport", None)
        await self._app(scope, receive, send)

    def _own_services(self) -> list[Service]:
        books: dict[str, Books] = {
            "API_PROD_ORDER_CONFIRMATION_2_SRV": ConfirmationBooks(self.store),
            "API_MATERIAL_DOCUMENT_SRV": MaterialBooks(self.entities),
            "API_PURCHASEREQ_PROCESS_SRV": RequisitionBooks(self.entities),
        }
        return [Service.of(name, behind, self.rules) for name, behind in books.items()]

    def _routes(self, service: Service) -> list[Route]:
        async def root(request: Request) -> Response:
            return await self._root(request, service)

        async def metadata(_: Request) -> Response:
            fault = await self._meet(is_change=False)
            known = Response(service.metadata, media_type="application/xml")
            return fault if isinstance(fault, Response) else known

        async def find(request: Request) -> Response:
            return await self._find(request, service)

        async def post(request: Request) -> Response:
            body, query = await request.body(), request.query_params
            return await self._change(request, lambda: service.post(request.path_params["name"], query, body))

        async def change(request: Request) -> Response:
            body = await request.body()
            return await self._change(request, lambda: service.change(request.path_params["name"], body))

        return [
            Route("/", root, methods=["GET"]),
            Route("/$metadata", metadata, methods=["GET"]),
            Route("/{name}", find, methods=["GET"]),
            Route("/{name}", post, methods=["POST"]),
            Route("/{name}", change, methods=["PATCH"]),
        ]

    async def _root(self, request: Request, service: Service) -> Response:
        fault = await self._meet(is_change=False)
        if isinstance(fault, Response):
            return fault
        token = secrets.token_urlsafe(16)
        self._tokens.add(token)
        answer = JSONResponse({"d": {"EntitySets": list(service.schema)}})
        answer.set_cookie("SAP_SESSIONID", token)
        if request.headers.get("x-csrf-token", "").lower() == "fetch":
            answer.headers["x-csrf-token"] = token
        return answer

    async def _find(self, request: Request, service: Service) -> Response:
        fault = await self._meet(is_change=False)
        if isinstance(fault, Response):
            return fault
        try:
            found = service.find(request.path_params["name"], request.query_params)
        except Refused as error:
            return _error(400, error.code, error.text)
        return JSONResponse({"d": {"results": [_as_json(entity) for entity in found]}})

    async def _change(self, request: Request, book: Book) -> Response:
        """A change with the faults that may befall it before and after the booking."""
        fault = await self._meet(is_change=True, book=book)
        if isinstance(fault, Response):
            return fault
        token = request.headers.get("x-csrf-token", "")
        if token not in self._tokens or request.cookies.get("SAP_SESSIONID") not in self._tokens:
            return _csrf_required()
        hit("erp.before_booking")
        try:
            entity = book()
        except Refused as error:
            return _error(400, error.code, error.text)
        hit("erp.after_booking")
        answer = JSONResponse({"d": _as_json(entity)}, status_code=201) if entity else Response(status_code=204)
        return await self._after(request, fault, answer)

    async def _meet(self, *, is_change: bool, book: Book | None = None) -> Response | Fault | None:
        """A response that ends the request before the booking, or the fault that waits after it."""
        self.requests += 1
        if latency := self.faults.latency():
            await self._sleep(latency)
        fault = self.faults.take(is_change=is_change)
        if fault is None:
            return None
        if fault.kind == "late" and book is not None:
            self._book_later(book, fault.seconds)
        if fault.kind in ("refuse", "drop", "late"):
            return _Cut(b"")
        if fault.kind == "expire":
            self._tokens.clear()
            return _csrf_required()
        return _refusal(fault) or fault

    def _book_later(self, book: Book, seconds: float) -> None:
        async def later() -> None:
            await self._sleep(seconds)
            book()

        task = asyncio.create_task(later())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _after(self, request: Request, fault: Fault | None, answer: Response) -> Response:
        if fault is None:
            return answer
        if fault.kind == "lose_answer":
            return _Cut(b"")
        if fault.kind == "half_answer":
            head = f"HTTP/1.1 201 Created\r\ncontent-length: {len(answer.body)}\r\n\r\n".encode()
            half = bytes(answer.body[: len(answer.body) // 2])
            on_wire = request.scope[_TRANSPORT] is not None
            return _Cut(head + half) if on_wire else Response(half, status_code=201)
        await self._sleep(fault.seconds)  # stall
        return answer


class _Cut(Response):
    """Cuts the connection after the given raw bytes; without a server it raises ConnectionResetError."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        transport = scope[_TRANSPORT]
        if transport is None:
            raise ConnectionResetError("cut by a fault")
        transport.write(bytes(self.body))
        transport.close() if self.body else transport.abort()
        await asyncio.sleep(0.01)  # the server notices before it would complain about a missing answer


def _as_json(entity: Mapping[str, Any]) -> dict[str, Any]:
    """An entity as OData V2 answers with it: collections stand under `results`."""
    return {
        name: {"results": [_as_json(part) for part in value]} if isinstance(value, list) else value
        for name, value in entity.items()
    }


def _refusal(fault: Fault) -> Response | None:
    if fault.kind == "down":
        return HTMLResponse("<html>Service Unavailable</html>", status_code=503)
    if fault.kind == "html":
        return HTMLResponse("<html>Please log on</html>")
    if fault.kind == "throttle":
        wait = str(max(1, round(fault.seconds)))
        return _error(429, "SANDBOX/THROTTLED", "Too many requests", {"Retry-After": wait})
    if fault.kind == "lock":
        return _error(400, "CO/469", "Order is already being processed by another user")
    if fault.kind == "reject":
        return _error(400, fault.code, "Refused on demand")
    return None


def _csrf_required() -> Response:
    return Response("CSRF token validation failed", status_code=403, headers={"x-csrf-token": "Required"})


def _error(status: int, code: str, text: str, headers: Mapping[str, str] | None = None) -> Response:
    body = {
        "error": {
            "code": code,
            "message": {"lang": "en", "value": text},
            "innererror": {"errordetails": [{"code": code, "message": text, "severity": "error"}]},
        }
    }
    return JSONResponse(body, status_code=status, headers=headers)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", required=True, help="SQLite file of the bookings")
    parser.add_argument("--orders", help="JSON file: order to list of operations")
    arguments = parser.parse_args()
    store = Store(arguments.state)
    if arguments.orders:
        with open(arguments.orders, encoding="utf-8") as file:
            store.add_orders(json.load(file))
    uvicorn.run(SandboxErp(store), host=arguments.host, port=arguments.port, log_level="critical", access_log=False)


if __name__ == "__main__":
    main()
