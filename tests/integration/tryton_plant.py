"""A plant that posts to a real Tryton: its documents, their plain sums, and a line between them that loses things."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from millrace.ledger import DesiredDocument
from tests.conformance.erp_world import World
from tests.conformance.faulty import Faulty
from tests.servers import Tryton

PLANT = "P1"
#: Components of one BRACKET, as the ERP's bill of material has them.
BRACKET = {"SHEET": Decimal(2), "COIL": Decimal("0.25")}
PLACES = ("STO", "STO2", "HOLD", "BLOCK", "SCRAP", "LOST")
Stock = dict[tuple[str, str], Decimal]


def wanted(kind: str, order: str, number: int, total: Mapping[str, str], revision: int = 1, **more: Any):
    """A desired total; measures as text."""
    return DesiredDocument(
        key=f"{kind}|{order}|{number}",
        kind=kind,
        plant=PLANT,
        order_id=order,
        sort_key=f"{number:04d}",
        tier=1,
        revision=revision,
        reference_version=1,
        quantities={name: Decimal(amount) for name, amount in total.items()},
        attributes={"unit": "C62", "posting_date": "2026-03-02", **more},
    )


def confirmed(order: str, revision: int = 1, material: str = "BRACKET", **total: str) -> DesiredDocument:
    """A confirmation; `scrap` without a reason."""
    named = {"scrap:" if name == "scrap" else name: amount for name, amount in total.items()}
    return wanted("ProductionConfirmation", order, 1, named, revision, material=material, operation="0010")


def moved(movement: str, order: str, quantity: str, revision: int = 1, **more: Any) -> DesiredDocument:
    """A goods movement of screws, with an order where one is named."""
    about = {"movement": movement, "role": movement.lower(), "material": "SCREW", "storage_location": "STO"}
    known = {"order_id": "" if order.startswith("stock:") else order}
    return wanted("GoodsMovement", order, 2, {"quantity": quantity}, revision, **{**about, **known, **more})


def decided(decision: str, number: int, quantity: str, come: str, go: str) -> DesiredDocument:
    """A hold or a release of screws."""
    about = {"decision": decision, "role": decision.lower(), "notification_id": "Q-1", "material": "SCREW"}
    status = {"storage_location": "STO", "stock_type_from": come, "stock_type_to": go, "order_id": ""}
    return wanted("QualityNotification", "stock:SCREW|STO", number, {"quantity": quantity}, **about, **status)


def asked(quantity: str, order: str = "stock:SCREW|", revision: int = 1) -> DesiredDocument:
    """A replenishment request for screws."""
    about = {"role": "request", "request_number": "R-17", "material": "SCREW", "delivery_date": "2026-04-01"}
    return wanted("ReplenishmentRequest", order, 3, {"quantity": quantity}, revision, **about)


def stock(erp: Tryton) -> Stock:
    """What the ERP says is there."""
    return {(code, place): amount for place in PLACES for code, amount in erp.stocks(place).items()}


def change(before: Stock, after: Stock) -> Stock:
    """What has changed, without what has not."""
    return {place: after[place] - before[place] for place in before if after[place] != before[place]}


def made(good: int, scrap: int = 0) -> Stock:
    """Plain effect of so many brackets on the stock."""
    effect = {(part, "STO"): -amount * (good + scrap) for part, amount in BRACKET.items()}
    return {("BRACKET", "STO"): Decimal(good), ("BRACKET", "SCRAP"): Decimal(scrap), **effect}


def total(*effects: Mapping[tuple[str, str], Decimal | int]) -> Stock:
    """Plain sum of effects, without what cancels out."""
    summed: Counter[tuple[str, str]] = Counter()
    for effect in effects:
        for place, amount in effect.items():
            summed[place] += Decimal(amount)  # type: ignore[assignment]
    return {place: Decimal(amount) for place, amount in summed.items() if amount}


class BadLine(httpx.AsyncBaseTransport):
    """Loses requests before they arrive and answers after they were given, by a seeded chance.

    Args:
        inner: The real way.
        seed: Of the chance.
        share: Of the exchanges that are lost.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, seed: int, share: float) -> None:
        self._inner = inner
        self._chance = random.Random(seed)
        self._share = share
        self.lost = Counter[str]()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        fate = self._chance.random()
        if fate < self._share / 2:
            self.lost["request"] += 1
            raise httpx.ReadTimeout("request lost")
        answer = await self._inner.handle_async_request(request)
        if fate < self._share:
            await answer.aread()
            await answer.aclose()
            self.lost["answer"] += 1
            raise httpx.ReadError("answer lost")
        return answer


def world(folder: Path, erp: Tryton, key: Path, wire: httpx.AsyncBaseTransport | None = None, **more: Any) -> World:
    """Ledger and poster on a clock moved by hand, Tryton over real HTTP."""
    options = {"company": erp.context["company"], "employee": erp.context["employee"], **more.pop("options", {})}
    return World(
        folder,
        transport=wire or Faulty(httpx.AsyncHTTPTransport(trust_env=False)),
        connector="tryton",
        base_url=erp.base_url,
        auth={"kind": "token", "token": {"file": str(key)}},
        options=options,
        **{"concurrency": 4, **more},
    )


def statuses(plant: World, orders: Iterable[str]) -> list[tuple[str, str, str | None]]:
    """(action, status, reason) of all postings of some orders."""
    return [
        (posting["action"], posting["status"], posting["reason"])
        for order in orders
        for report in plant.ledger.order_report(order)
        for posting in report.postings
    ]
