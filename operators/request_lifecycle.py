"""How far a request is: triggered, ordered, acknowledged, shipped, received; or cancelled, rejected, or expired.

It follows from the newest version of each paper alone, so any order of arrival ends in the same state. A request may be
answered by several items of purchase orders, and each by parts; it is as far as the item that is least far. What the
supplier acknowledges is compared with the order (`operators.request_deviations`) and changes no expectation: the
purchase order is what is expected, until the ERP changes it. A request that the ERP or a person rejected expects
nothing and is held: it is not asked for anew before `Terms.again`, unless stock was above its limit meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from typing import Any

from operators.request_papers import ACKNOWLEDGED, ORDERED, POSTED, RECEIVED, REQUESTED, SHIPPED

Paper = Mapping[str, Any]


class Stage(IntEnum):
    """How far something is; the lower, the less."""

    TRIGGERED = 0
    ORDERED = 1
    ACKNOWLEDGED = 2
    SHIPPED = 3
    RECEIVED = 4
    CANCELLED = 5
    EXPIRED = 6
    REJECTED = 7


#: Nothing more is expected.
CLOSED = (Stage.RECEIVED, Stage.CANCELLED, Stage.EXPIRED, Stage.REJECTED)


@dataclass(frozen=True, slots=True)
class Terms:
    """How soon partners answer, and what may differ.

    Args:
        acknowledge: Time within which a supplier acknowledges an item of an order.
        order: Time after which a request that no order answers is given up, unless the ERP has it.
        quantity_percent: Acknowledged or received quantities may differ by this much of what they are compared with.
        price_percent: Acknowledged prices may differ by this much.
        late: Time after the date of delivery at which something is late.
        again: Time after its rejection at which a request is asked for anew; None: once `order` is over.
    """

    acknowledge: timedelta = timedelta(hours=24)
    order: timedelta = timedelta(days=14)
    quantity_percent: Decimal = Decimal(0)
    price_percent: Decimal = Decimal(0)
    late: timedelta = timedelta(days=1)
    again: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """An item of a purchase order with what was said and done about it; quantities in the base unit."""

    name: str
    order: Paper | None
    answer: Paper | None
    notices: tuple[Paper, ...]
    receipts: tuple[Paper, ...]

    @property
    def ordered(self) -> Decimal:
        """Quantity ordered; nothing of a cancelled item."""
        return _sum([self.order] if self.order else [])

    @property
    def shipped(self) -> Decimal:
        """Quantity of all notices that stand."""
        return _sum(self.notices)

    @property
    def received(self) -> Decimal:
        """Quantity of all receipts that stand."""
        return _sum(self.receipts)

    @property
    def stage(self) -> Stage:
        """How far the item is as a whole; parts are told by the quantities."""
        completed = any(paper["completed"] for paper in self.receipts) or self._ended
        if self.order is not None and not self.order["standing"]:
            return Stage.RECEIVED if self.received else Stage.CANCELLED
        if completed or (self.ordered and self.received >= self.ordered):
            return Stage.RECEIVED
        if self.shipped and max(self.shipped, self.received) >= self.ordered:
            return Stage.SHIPPED
        answered = self.answer is not None and self.answer["standing"]
        return Stage.ACKNOWLEDGED if answered or self.shipped or self.received else Stage.ORDERED

    @property
    def _ended(self) -> bool:
        return self.order is not None and bool(self.order["completed"]) and bool(self.order["standing"])

    def waits_for(self) -> str:
        """In words for a person."""
        supplier = (self.order or self.answer or {}).get("supplier") or "the supplier"
        match self.stage:
            case Stage.ORDERED if self.answer is not None:
                return f"an answer to the refusal of {self.name} by {supplier}"
            case Stage.ORDERED:
                return f"acknowledgement of {self.name} by {supplier}"
            case Stage.ACKNOWLEDGED:
                left = f"{plain(self.ordered - max(self.shipped, self.received))} " if self.ordered else ""
                return f"shipment of {left}of {self.name}{_by(self.answer or self.order)}"
            case Stage.SHIPPED:
                return f"receipt of {plain(self.shipped - self.received)} of {self.name}{_by(self._last_notice)}"
            case _:
                return ""

    @property
    def _last_notice(self) -> Paper | None:
        return max(self.notices, key=lambda paper: paper["time"], default=None)


@dataclass(frozen=True, slots=True)
class Progress:
    """A request, or items that answer none (`request` is null).

    Args:
        request: The request.
        lines: Items that answer it.
        expired: No order came in time.
        posted: The newest result says that the ERP has it, or may have it.
        rejection: Result that says that it was rejected; None while it stands.
        held_until: A rejected request is not asked for anew before; None where it may be, or was not rejected.
    """

    request: Paper | None
    lines: tuple[Line, ...]
    expired: bool = False
    rejection: Paper | None = None
    held_until: datetime | None = None
    posted: bool = False

    @property
    def unanswered(self) -> Decimal:
        """What of the request no item orders."""
        if self.request is None:
            return Decimal(0)
        return max(_sum([self.request]) - sum((line.ordered for line in self.lines), Decimal(0)), Decimal(0))

    @property
    def left_over(self) -> bool:
        """Part of it is ordered, and the rest was not in time."""
        if self.request is None or not self.expired or self.rejection is not None or self._over_delivered:
            return False
        part = any(line.order is not None and line.stage is not Stage.CANCELLED for line in self.lines)
        return bool(part and self.unanswered)

    @property
    def rest_expired(self) -> bool:
        """What was not ordered in time is given up; what was ordered stays. A rest that the ERP has stands there."""
        return self.left_over and not self.posted

    @property
    def settled(self) -> bool:
        """Nothing of what was asked for waits to be ordered, so the next crossing may ask."""
        withdrawn = self.request is not None and not self.request["standing"]
        return self.closed or self.rest_expired or withdrawn

    @property
    def stage(self) -> Stage:
        """How far the request is: as far as what is least far of it."""
        if self.request is not None and not self.request["standing"]:
            withdrawn = Stage.CANCELLED if self.lines else Stage.EXPIRED
            return min((line.stage for line in self.lines if line.ordered), default=withdrawn)
        stages = [line.stage for line in self.lines if line.order is not None or self.request is None]
        standing = [stage for stage in stages if stage is not Stage.CANCELLED]
        if stages and not standing:
            return Stage.CANCELLED
        if self.unanswered and not self._over_delivered:
            if self.rejection is not None:
                return min(standing, default=Stage.REJECTED)
            if not self.expired or (self.posted and not standing):
                return Stage.TRIGGERED
            return min(standing, default=Stage.EXPIRED)
        return min(standing, default=Stage.TRIGGERED)

    @property
    def _over_delivered(self) -> bool:
        received = sum((line.received for line in self.lines), Decimal(0))
        return self.request is not None and received >= _sum([self.request])

    @property
    def closed(self) -> bool:
        """Nothing more is expected of it; of a result that came before its request neither."""
        return self.stage in CLOSED or (self.request is None and not self.lines)

    @property
    def held(self) -> bool:
        """Rejected, and not to be asked for anew yet."""
        return self.stage is Stage.REJECTED and self.held_until is not None

    def waits_for(self) -> list[str]:
        """In words for a person."""
        if self.held:
            return [f"a person to try it again; asked for anew from {self.held_until:%Y-%m-%d %H:%M}Z on"]
        if self.closed:
            return []
        found = [line.waits_for() for line in self.lines]
        if self.unanswered and not self.rest_expired and self.rejection is None:
            found.insert(0, f"a purchase order for {plain(self.unanswered)}")
        return [each for each in found if each]


def progress(papers: Iterable[Paper], instant: datetime, terms: Terms) -> Progress:
    """How far a request is, or items that answer none.

    Args:
        papers: Of one request and the items that answer it, or of one item: rows of PAPER.
        instant: Time of looking; only waiting too long depends on it.
        terms: How long is too long.
    """
    lines: dict[str, list[Paper]] = {}
    request = result = None
    for paper in papers:
        if paper["kind"] == REQUESTED:
            request = paper
        elif paper["kind"] == POSTED:
            result = paper
        else:
            lines.setdefault(f"{paper['purchase_order']}/{paper['purchase_order_item']}", []).append(paper)
    expired = request is not None and instant >= request["time"] + terms.order
    items = tuple(_line(name, found) for name, found in sorted(lines.items()))
    if request is None or result is None or result["standing"]:
        return Progress(request, items, expired, posted=result is not None)
    until = request["time"] + terms.order if terms.again is None else result["time"] + terms.again
    return Progress(request, items, expired, result, until if instant < until else None)


def _line(name: str, papers: list[Paper]) -> Line:
    of = {kind: tuple(p for p in papers if p["kind"] == kind) for kind in (ORDERED, ACKNOWLEDGED, SHIPPED, RECEIVED)}
    return Line(
        name,
        next(iter(of[ORDERED]), None),
        next(iter(of[ACKNOWLEDGED]), None),
        tuple(sorted(of[SHIPPED], key=_record)),
        tuple(sorted(of[RECEIVED], key=_record)),
    )


def _record(paper: Paper) -> str:
    return str(paper["record_id"])


def _sum(papers: Iterable[Paper]) -> Decimal:
    return sum((paper["quantity"] for paper in papers if paper["standing"]), Decimal(0))


def _by(paper: Paper | None) -> str:
    return f" by {paper['due']}" if paper is not None and paper["due"] is not None else ""


def plain(quantity: Decimal) -> str:
    """A quantity for a person."""
    return f"{quantity.normalize():f}"


__all__ = ["CLOSED", "Line", "Paper", "Progress", "Stage", "Terms", "plain", "progress"]
