"""What a buyer and a store do in Tryton: a purchase of a request, its confirmation, and goods that come in."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import httpx

from tests.servers import Tryton
from tests.servers.tryton import TrytonClient

LOGIN = "buyer"
WIZARD = "wizard.purchase.request.create_purchase"
_LINE = (
    *("quantity", "unit_price", "description", "delivery_date", "product.code", "unit.symbol"),
    *("requests.supply_date", "purchase.number", "purchase.state", "purchase.party.code", "purchase.currency.code"),
)
PRICE = "2.5"
Record = dict[str, Any]


class Buyer(TrytonClient):
    """The user who buys; what Tryton has as a wizard alone goes through a session of its own, as from its client.

    Args:
        erp: The running server.
    """

    def __init__(self, erp: Tryton) -> None:
        super().__init__(erp.base_url, erp.buyer_key, {"company": erp.context["company"]})
        self._rpc = erp.base_url.removesuffix("/rest/model") + "/rpc/"
        user, session, *_ = self._call("common.db.login", LOGIN, {"password": erp.buyer_password}, "en")
        token = base64.b64encode(f"{LOGIN}:{user}:{session}".encode()).decode()
        self._client.headers["Authorization"] = f"Session {token}"

    def purchase(self, request: int) -> Record:
        """Buy what a purchase request asks for and confirm it; the purchase's line."""
        context = {**self.context, "active_model": "purchase.request", "active_id": request, "active_ids": [request]}
        session, start, _ = self._call(f"{WIZARD}.create", context)
        self._call(f"{WIZARD}.execute", session, {}, start, context)
        self._call(f"{WIZARD}.delete", session, context)
        [line] = self.read("purchase.line", [["requests", "=", request]], ["purchase"])
        self.write("purchase.purchase", line["purchase"], {"invoice_method": "manual"})
        self.write("purchase.line", line["id"], {"unit_price": {"__class__": "Decimal", "decimal": PRICE}})
        for button in ("quote", "confirm"):
            self.press("purchase.purchase", line["purchase"], button)
        return self.read("purchase.line", [["id", "=", line["id"]]], _LINE)[0]

    def shipment(self, line: Mapping[str, Any], quantity: Decimal | None = None) -> Record:
        """A shipment of the supplier for what is open of a purchase line, or a part of it; not received yet."""
        [move] = self.read("stock.move", [["origin", "=", f"purchase.line,{line['id']}"], ["state", "=", "draft"]])
        if quantity is not None:
            self.write("stock.move", move["id"], {"quantity": float(quantity)})
        [supplier] = self.read("party.party", [["code", "=", line["purchase"]["party"]["code"]]])
        places = ["input_location", "storage_location"]
        [warehouse] = self.read("stock.location", [["code", "=", "WH"]], places)
        values = {
            "supplier": supplier["id"],
            "warehouse": warehouse["id"],
            "warehouse_input": warehouse["input_location"],
            "warehouse_storage": warehouse["storage_location"],
            "incoming_moves": [["add", [move["id"]]]],
        }
        return self._shipped(self.create("stock.shipment.in", values)["id"])

    def receive(self, shipment: Mapping[str, Any], on: date) -> Record:
        """Take the goods in and put them into store."""
        day = {"__class__": "date", "year": on.year, "month": on.month, "day": on.day}
        self.write("stock.shipment.in", shipment["id"], {"effective_date": day})
        for button in ("receive", "do"):
            self.press("stock.shipment.in", shipment["id"], button)
        return self._shipped(shipment["id"])

    def delivered(self, line: Mapping[str, Any]) -> str:
        """How far the deliveries of the purchase of a line are."""
        return str(
            self.read("purchase.purchase", [["lines", "=", line["id"]]], ["shipment_state"])[0]["shipment_state"]
        )

    def _shipped(self, number: int) -> Record:
        [found] = self.read("stock.shipment.in", [["id", "=", number]], ["number", "state"])
        moves = [["shipment", "=", f"stock.shipment.in,{number}"], ["origin", "like", "purchase.line,%"]]
        return {**found, "quantity": sum(move["quantity"] for move in self.read("stock.move", moves, ["quantity"]))}

    def _call(self, method: str, *params: Any) -> Any:
        """One call of Tryton's own protocol."""
        answer = self._client.post(self._rpc, json={"id": 0, "method": method, "params": params})
        found = answer.json() if answer.status_code == httpx.codes.OK else {"error": answer.text}
        if "error" in found:
            raise AssertionError(f"{method}: {found['error']}")
        return found["result"]
