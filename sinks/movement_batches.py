"""What a flow of goods movements hands to its sinks: documents, dead letters, and an alert for what a person posts."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from millrace.ledger.healing import EmptiedTotal
from millrace.ledger.model import DeadLetter
from millrace.ledger.reasons import error_class
from millrace.ledger.withdrawals import NothingConfirmed
from operators.lane import LaneOutput
from operators.movement_documents import MovementsOutput
from operators.movement_open import BOOKED_ELSEWHERE, SERIALISED
from operators.movement_reference import MovementReference
from sinks.batches import Batch, of_lane
from sinks.dead_letter import owner_of, record_letter

CONTRACT = "GoodsMovement"
#: Reasons of which a person has to know at once: nothing that still comes would mend them.
_ALERTS = (SERIALISED, BOOKED_ELSEWHERE)
#: Kind of the alert about a component that the settings give to this flow and the order to the ERP.
OVERRULED = "backflush_overruled"


def of_movement_lane(output: LaneOutput, flow: str, owner: str | None = None) -> Batch:
    """Dead letters, gaps and counts of a lane, and an alert for each row that a person has to post."""
    batch = of_lane(output, flow, owner)
    for dead in output.dead:
        if dead.reason in _ALERTS:
            record = json.loads(dead.payload)
            subject = f"{record['material']} of order {record['order_id']}"
            told = owner_of(dead.contract, owner)
            batch.alerts.append(_alert(dead.reason, record["plant"], subject, dead.detail, told))
    return batch


def of_movement_reference(output: MovementReference, flow: str, owner: str | None = None) -> Batch:
    """Dead letters and counts of the reference lane."""
    letters = [record_letter(dead, flow, owner) for dead in output.dead]
    return Batch(letters=letters, counts={"reference": output.counts} if output.counts else {})


def of_movements(output: MovementsOutput, flow: str, owner: str | None = None) -> Batch:
    """Movements to book, open items given up or mended, and components that the ERP books against the rules."""
    told = owner_of(CONTRACT, owner)
    letters = [open_letter(item, flow, told) for item in output.given_up]
    alerts = [
        _alert(item["reason"], item["plant"], f"{item['material']} of order {item['order_id']}", detail(item), told)
        for item in output.given_up
        if item["reason"] in _ALERTS
    ]
    alerts += [_overruled(each, owner_of("WorkOrder", owner)) for each in output.overruled]
    known = [EmptiedTotal(each["document_key"], each["revision"], each["reason"]) for each in output.known]
    nothing = [NothingConfirmed(**each) for each in output.unconfirmed]
    return Batch(
        documents=output.movements,
        contract=CONTRACT,
        orders=output.orders,
        unconfirmed=nothing,
        letters=letters,
        emptied=known,
        alerts=alerts,
    )


def open_letter(item: Mapping[str, Any], flow: str, owner: str) -> DeadLetter:
    """An open item that was given up; its identity is its document, a higher revision replaces a lower one."""
    return DeadLetter(
        event_id=f"total/{item['document_key']}",
        event_time=time.time_ns() // 1000,
        plant=item["plant"],
        source=flow,
        kind="TOTAL",
        reason=item["reason"],
        detail=detail(item),
        topic=CONTRACT,
        payload=json.dumps(dict(item), default=str).encode(),
        document_key=item["document_key"],
        revision=item["revision"],
        events=item.get("events") or item["revision"],
        correlation_id=item["source"],
        error_class=error_class(item["reason"]),
        owner=owner,
    )


def detail(item: Mapping[str, Any]) -> str:
    """One sentence for a person."""
    order = f"order {item['order_id']} operation {item['operation']} of plant {item['plant']}"
    what = f"{item['movement']} of {item['quantity']} {item['unit']} of {item['material']} for {order}"
    return {
        "order_unknown": f"{order} is not known, so what its confirmation used is not either",
        "unit_conversion_unknown": f"{what}: unit {item['unit']} can't be converted to the material's base unit",
        "bill_of_material": f"{order}: component {item['material']} has a quantity that none can be",
        "booked_elsewhere": f"{what}: by its order it is backflushed, by the ERP or from what is confirmed",
        "serialised_material": f"{what}: it has serial numbers, a person posts it",
    }.get(item["reason"], f"{what} waits: {item['reason']}")


def _overruled(each: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """The same identity however often the order comes."""
    plant, order, component = each["plant"], each["order_id"], each["component"]
    says = f"the order says that the ERP backflushes {component}, the settings that this flow does (all)"
    text = f"{says}: the ERP books it"
    alert = _alert(OVERRULED, plant, f"{component} of order {order}", text, owner)
    return {**alert, "event_id": f"{OVERRULED}/{plant}/{order}/{component}"}


def _alert(kind: str, plant: str, subject: str, message: str, owner: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "severity": "WARNING",
        "plant": plant,
        "subject": subject,
        "message": message,
        "error_class": str(error_class(kind)),
        "owner": owner,
    }
