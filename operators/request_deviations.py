"""What of an order is not as it was agreed: conditions that stand or do not, decided anew from the newest papers.

Each condition has an identity that stays the same while it stands, so that it is told once, and closed once it is
mended (`operators.replenishment_alarms`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

from millrace.ledger.reasons import error_class
from operators.request_lifecycle import Line, Paper, Progress, Stage, Terms, plain

Condition = dict[str, Any]
#: Who answers: the supplier's side, or our own.
_PARTNER, _OURS = "partner_data", "application"


def deviations(found: Progress, instant: datetime, terms: Terms) -> list[Condition]:
    """Conditions that stand at an instant, as fields of Alert without its envelope; `event_id` is the identity."""
    conditions: list[Condition] = []
    unanswered = found.stage in (Stage.TRIGGERED, Stage.EXPIRED) or (found.left_over and not found.closed)
    if found.request is not None and found.expired and unanswered:
        conditions.append(_unanswered(found))
    if found.stage is Stage.REJECTED:
        conditions.append(_rejected(found))
    for line in found.lines:
        conditions += _of_line(line, instant, terms)
    return conditions


def _unanswered(found: Progress) -> Condition:
    request: Paper = found.request or {}
    asked = f"{plain(found.unanswered)} {request['unit']}, asked for at {_at(request['time'])}"
    stands = "it stands in the ERP, so it still counts and is not asked for anew: order it, or cancel it there by hand"
    given_up = "it is given up, and asked for anew when stock crosses its reorder point"
    text = f"no purchase order for {asked}; {stands if found.posted else given_up}"
    return _condition("request_unanswered", "CRITICAL", request, str(request["request_number"]), text, _OURS)


def _rejected(found: Progress) -> Condition:
    request, result = found.request or {}, found.rejection or {}
    reason = result["response"] or "no reason given"
    asked = f"{plain(request['quantity'])} {request['unit']}, asked for at {_at(request['time'])}, were rejected"
    text = f"{asked}: {reason}; nothing comes of it unless it is tried again"
    return _condition("request_rejected", "CRITICAL", request, str(request["request_number"]), text, _class(reason))


def _class(reason: str) -> str:
    return str(error_class(reason))


def _of_line(line: Line, instant: datetime, terms: Terms) -> Iterator[Condition]:
    paper = line.order or line.answer or next(iter((*line.notices, *line.receipts)))
    told = [
        *_silence(line, instant, terms),
        *_answer(line, terms),
        *_receipts(line, terms),
        *_over_delivery(line),
        *_late(line, instant, terms),
    ]
    for kind, severity, text in told:
        yield _condition(kind, severity, paper, line.name, text, _PARTNER)


_Told = tuple[str, str, str]


def _silence(line: Line, instant: datetime, terms: Terms) -> Iterator[_Told]:
    if line.stage is Stage.ORDERED and line.answer is None and line.order is not None:
        until = line.order["time"] + terms.acknowledge
        if instant >= until:
            supplier = line.order["supplier"]
            yield "acknowledgement_missing", "WARNING", f"{supplier} was to acknowledge it until {_at(until)}"


def _answer(line: Line, terms: Terms) -> Iterator[_Told]:
    """Quantity, date and price of the acknowledgement against the order."""
    order, answer = line.order, line.answer
    if order is None or answer is None or not order["standing"] or line.stage is Stage.RECEIVED:
        return
    if not answer["standing"]:
        yield "acknowledgement_rejected", "CRITICAL", f"{answer['supplier']} refuses it"
        return
    if _apart(answer["quantity"], order["quantity"], terms.quantity_percent):
        text = f"{plain(order['quantity'])} {order['unit']} ordered, {plain(answer['quantity'])} acknowledged"
        yield "acknowledgement_quantity", "WARNING", text
    if answer["due"] is not None and answer["due"] > order["due"]:
        yield "acknowledgement_date", "WARNING", f"{order['due']} ordered, {answer['due']} acknowledged"
    if None not in (order["price"], answer["price"]) and (
        order["currency"] != answer["currency"] or _apart(answer["price"], order["price"], terms.price_percent)
    ):
        yield "acknowledgement_price", "WARNING", f"{_price(order)} ordered, {_price(answer)} acknowledged"


def _receipts(line: Line, terms: Terms) -> Iterator[_Told]:
    """Receipts against the notice of their shipment."""
    for notice in line.notices:
        came = [each for each in line.receipts if each["shipment"] == notice["record_id"]]
        if not came or not notice["standing"]:
            continue
        received = sum((each["quantity"] for each in came if each["standing"]), Decimal(0))
        if _apart(received, notice["quantity"], terms.quantity_percent):
            text = f"{plain(notice['quantity'])} {notice['unit']} announced, {plain(received)} received"
            yield f"receipt_quantity/{notice['record_id']}", "WARNING", f"shipment {notice['record_id']}: {text}"


def _over_delivery(line: Line) -> Iterator[_Told]:
    order = line.order
    if order is None or order["over_tolerance"] is None or not order["standing"]:
        return
    most = order["quantity"] * (1 + order["over_tolerance"] / 100)
    if line.received > most:
        text = f"{plain(order['quantity'])} {order['unit']} ordered, {plain(line.received)} received"
        yield "over_delivery", "WARNING", f"{text}, at most {plain(most)} are taken"


def _late(line: Line, instant: datetime, terms: Terms) -> Iterator[_Told]:
    until = overdue(line, terms)
    if until is not None and instant >= until and _awaited(line):
        missing = f"{plain(_missing(line))} {(line.order or line.notices[0])['unit']}"
        told = f"were to arrive on {_due(line)}" if _due(line) is not None else f"have not arrived by {_at(until)}"
        unordered = "" if line.order is not None else ": they are in transit, and no purchase order for them is known"
        yield "delivery_late", "CRITICAL", f"{missing} {told}{unordered}"


def _awaited(line: Line) -> bool:
    """Something of it is still to come; of what nobody ordered, what was shipped."""
    under_way = line.stage in (Stage.ORDERED, Stage.ACKNOWLEDGED, Stage.SHIPPED)
    return under_way and (line.order is not None or _missing(line) > 0)


def _missing(line: Line) -> Decimal:
    return (line.shipped if line.order is None else line.ordered) - line.received


def overdue(line: Line, terms: Terms) -> datetime | None:
    """When what is left of the item is late; of a shipment without order and date once an order would be given up."""
    due = _due(line)
    if due is not None:
        return datetime.combine(due, time(), UTC) + terms.late
    times = [each["time"] for each in line.notices] if line.order is None else []
    return max(times) + terms.order if times else None


def _due(line: Line) -> Any:
    """The newest promise: of the acknowledgement, else of the order; of what nobody ordered, its last shipment's."""
    if line.order is None:
        shipments = [each["due"] for each in line.notices if each["standing"] and each["due"] is not None]
        return max(shipments, default=None)
    answer = line.answer["due"] if line.answer is not None else None
    return answer or (line.order["due"] if line.order is not None else None)


def next_look(found: Progress, instant: datetime, terms: Terms) -> datetime | None:
    """When a condition may change by time alone, or what is expected of the request."""
    times = [found.request["time"] + terms.order] if found.request is not None and not found.closed else []
    times += [found.held_until] if found.held and found.held_until is not None else []
    for line in found.lines:
        if _awaited(line):
            answered = line.order["time"] + terms.acknowledge if line.order is not None else instant
            times += [answered, overdue(line, terms) or instant]
    return min((each for each in times if each > instant), default=None)


def _apart(found: Decimal, agreed: Decimal, percent: Decimal) -> bool:
    return bool(abs(found - agreed) > abs(agreed) * percent / 100)


def _price(paper: Paper) -> str:
    return f"{plain(paper['price'])} {paper['currency']} per {paper['unit']}"


def _at(instant: datetime) -> str:
    return instant.isoformat(timespec="minutes")


def _condition(kind: str, severity: str, paper: Paper, subject: str, text: str, error_class: str) -> Condition:
    name, _, part = kind.partition("/")
    identity = "/".join(each for each in (name, paper["plant"], subject, part) if each)
    return {
        "event_id": identity,
        "kind": name,
        "severity": severity,
        "plant": paper["plant"],
        "subject": f"{paper['material']}|{subject}",
        "message": f"{subject} of {paper['material']}: {text}",
        "error_class": error_class,
    }


__all__ = ["Condition", "deviations", "next_look"]
