"""As much of Tryton's REST interface as the connector uses, in this process; the real one is tested elsewhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx

Record = dict[str, Any]
#: State that a button leads to, by model, state and button.
BUTTONS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("production", "wait"): ("draft", "waiting"),
    ("production", "assign_try"): ("waiting", "assigned"),
    ("production", "run"): ("assigned", "running"),
    ("production", "do"): ("running", "done"),
    ("stock.shipment.internal", "wait"): ("draft", "waiting"),
    ("stock.shipment.internal", "assign_try"): ("waiting", "assigned"),
    ("stock.shipment.internal", "do"): ("assigned", "done"),
    ("purchase.requisition", "wait"): ("draft", "waiting"),
    ("purchase.requisition", "approve"): ("waiting", "processing"),
    ("purchase.requisition", "draft"): ("waiting", "draft"),
}
CANCELLABLE = {
    "production": {"draft", "waiting", "assigned", "running", "done"},
    "stock.shipment.internal": {"draft", "waiting", "assigned", "done"},
    "purchase.requisition": {"draft"},
}
UNIT = {"id": 1, "symbol": "u", "factor": 1.0, "digits": 0}


@dataclass
class TrytonStandIn:
    """Holds records; every product and place that one asks for is there, with stock unless `short`.

    `effects` has what each record does: 1 from its creation on, -1 once it is cancelled after it was done.
    """

    records: dict[str, list[Record]] = field(default_factory=dict)
    effects: list[tuple[Record, int]] = field(default_factory=list)
    short: bool = False

    def transport(self) -> httpx.AsyncBaseTransport:
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        model, *rest = request.url.path.partition("/model/")[2].split("/")
        if request.method == "GET":
            [domain] = [json.loads(base64.urlsafe_b64decode(request.url.params["d"]))]
            return httpx.Response(200, json=self._search(model, domain))
        if not rest:
            return self._create(model, json.loads(request.content))
        [record] = [found for found in self.records[model] if found["id"] == int(rest[0])]
        return self._press(model, record, rest[1])

    def _search(self, model: str, domain: list[list[Any]]) -> list[Record]:
        if model in ("product.product", "stock.location", "party.party"):
            codes = domain[0][2] if isinstance(domain[0][2], list) else [domain[0][2]]
            return [_named(number, code) for number, code in enumerate(codes, 1)]
        if model == "product.uom":
            return [UNIT]
        if model == "company.company":
            return [{"id": 1, "currency": 1}]
        return [record for record in self.records.get(model, []) if all(_meets(record, *clause) for clause in domain)]

    def _create(self, model: str, values: Record) -> httpx.Response:
        if any(mark in str(values.get("reference")) for mark in "\r\n"):
            return refuse("contains some invalid chars")
        made = self.records.setdefault(model, [])
        made.append({"id": len(made) + 1, "state": "draft", **values})
        self.effects.append((made[-1], 1))
        return httpx.Response(200, json=made[-1])

    def _press(self, model: str, record: Record, button: str) -> httpx.Response:
        state = record["state"]
        if button == "cancel" and state in CANCELLABLE[model]:
            record["state"] = "cancelled"
            if state == "done":
                self.effects.append((record, -1))
            else:
                self.effects.remove((record, 1))
        elif BUTTONS.get((model, button), ("",))[0] == state:
            stays = button == "assign_try" and self.short
            record["state"] = state if stays else BUTTONS[model, button][1]
        else:
            return refuse(f'You can not call "{button}" on it.')
        return httpx.Response(200, json=record)


def _named(number: int, code: str) -> Record:
    component = {"product": 99, "quantity": 2.0, "unit": {"id": 1, "digits": 0}}
    bom = {"inputs": [component], "outputs": [{"product": number, "quantity": 1.0, "unit": {"factor": 1.0}}]}
    return {"id": number, "code": code, "default_uom": UNIT, "boms": [{"bom": bom}]}


def _meets(record: Record, name: str, operator: str, value: Any) -> bool:
    held = record[name]
    if operator == "like":
        return str(held).startswith(value.removesuffix("%"))
    if operator == ">=":
        return [held[part] for part in ("year", "month", "day")] >= [value[part] for part in ("year", "month", "day")]
    return {"=": held == value, "!=": held != value, "in": isinstance(value, list) and held in value}[operator]


def refuse(message: str, status: int = 400) -> httpx.Response:
    """How Tryton says no."""
    return httpx.Response(status, json={"status": status, "message": message, "description": ""})


def output(record: Record) -> Decimal:
    """Quantity of what a production has put out."""
    return sum((Decimal(str(move["quantity"])) for _, moves in record["outputs"] for move in moves), Decimal(0))
