"""Dead letters and alerts as records of their contracts, with the origin and reason of what was given up."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

from millrace.ledger.healing import EmptiedTotal
from millrace.ledger.model import DeadLetter
from millrace.ledger.reasons import error_class
from operators.lane import Dead
from operators.replayed import Replayed
from operators.routes import origin_parts
from schemas.contracts import contracts

#: What a flow is for: its owner answers for what belongs to no single contract.
MAIN_CONTRACT = "ProductionConfirmation"


def record_letter(dead: Dead, flow: str, owner: str | None = None) -> DeadLetter:
    """A record that a lane gave up; its identity is its place, so that a repeat is the same letter.

    A record that was sent again keeps the letter of its first place; the number of the replay is the revision, so that
    a later failure replaces an earlier one and never the other way round.
    """
    place = f"{dead.topic}/{dead.partition}/{dead.offset}"
    return DeadLetter(
        event_id=dead.letter if isinstance(dead, Replayed) else place,
        event_time=_now(),
        plant="",
        source=flow,
        kind="RECORD",
        reason=dead.reason,
        detail=dead.detail,
        topic=dead.topic,
        partition=dead.partition,
        offset=dead.offset,
        payload=dead.payload,
        revision=dead.replay if isinstance(dead, Replayed) else 0,
        error_class=error_class(dead.reason),
        owner=owner_of(dead.contract, owner),
    )


def owner_of(name: str, owner: str | None) -> str:
    """Owner of the flow, or of the contract where the flow's settings name none."""
    known = contracts()
    return owner or (known[name] if name in known else known[MAIN_CONTRACT]).owner


def orphan(row: dict[str, Any]) -> Dead:
    """A row of TIMELINE that came after its window had left the state."""
    contract, partition = origin_parts(row["origin"])
    detail = f"work centre {row['work_center']}: the window of {row['event_time']} had left the state"
    payload = json.dumps(row, default=str).encode()
    return Dead(contract, contract, partition, row["offset"], "beyond_horizon", detail, payload)


def total_letter(total: dict[str, Any], flow: str, owner: str | None = None) -> DeadLetter:
    """A total that waited in vain; its identity is its document, a higher revision replaces a lower one."""
    key = _total_key(total)
    first = total["rows"][0]
    contract, partition = origin_parts(first["origin"]) if first["origin"] else ("", 0)
    return DeadLetter(
        event_id=f"total/{key}",
        event_time=_now(),
        plant=total["plant"],
        source=flow,
        kind="TOTAL",
        reason=total["reason"],
        detail=_detail(total),
        topic=contract,
        partition=partition,
        offset=first["first_offset"] or 0,
        payload=json.dumps({**total, "origins": _origins(total)}, default=str).encode(),
        document_key=key,
        revision=total["revises"],
        events=total["events"],
        error_class=error_class(total["reason"]),
        owner=owner_of(MAIN_CONTRACT, owner),
    )


def emptied_total(total: dict[str, Any]) -> EmptiedTotal:
    """A total without a job of which nothing is left: the letter that told of it may have healed."""
    return EmptiedTotal(_total_key(total), total["revises"])


def _origins(total: dict[str, Any]) -> list[dict[str, Any]]:
    """Where the events of a total stand, as its document would say it."""
    counted = [row for row in total["rows"] if row["events"]]
    places = [origin_parts(row["origin"]) for row in counted]
    return [
        {"topic": topic, "partition": partition, **{n: row[n] for n in ("first_offset", "last_offset", "events")}}
        for (topic, partition), row in zip(places, counted, strict=True)
    ]


def _detail(total: dict[str, Any]) -> str:
    order = f"order {total['order_id']} operation {total['operation']} of plant {total['plant']}"
    return {
        "order_unknown": f"{order} is not known",
        "no_active_job": f"no job was active on work centre {total['work_center']} of plant {total['plant']}",
        "unit_conversion_unknown": f"unit {total['unit']} can't be converted to the unit of {order}",
    }.get(total["reason"], f"{order} waits: {total['reason']}")


def _total_key(total: dict[str, Any]) -> str:
    if total.get("adjustment"):
        return f"late|{total['adjustment']}"
    start = int(total["window_start"].timestamp() * 1_000_000)
    names = ("plant", "order_id", "operation", "work_center", "shift")
    parts = [str(total[name]).replace("%", "%25").replace("|", "%7C") for name in names]
    return "|".join([*parts, str(start)])


def letter_record(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter as a record of the contract DeadLetter."""
    record = {name: getattr(letter, name) for name in contracts()["DeadLetter"].fields}
    return {**record, "event_time": _instant(letter.event_time)}


def alert_record(alert: dict[str, Any], flow: str) -> dict[str, Any]:
    """An alert as a record of the contract Alert."""
    now = _now()
    return {
        "event_id": f"{flow}/{alert['kind']}/{alert['subject']}/{now}",
        "event_time": _instant(now),
        "source": flow,
        "sequence": None,
        "correlation_id": None,
        **alert,
    }


def _now() -> int:
    return time.time_ns() // 1000


def _instant(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1_000_000, UTC)
