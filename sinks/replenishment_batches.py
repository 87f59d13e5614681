"""What the replenishment flow hands to its sinks."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import uuid5

import polars as pl

from millrace.ledger.healing import EmptiedTotal
from millrace.ledger.model import DeadLetter
from millrace.ledger.reasons import error_class
from millrace.ledger.rows import NAMESPACE
from operators import replenishment_request
from operators.replenishment_config import Announced
from operators.replenishment_crossings import SIGNAL
from operators.replenishment_missing import missing_key
from operators.replenishment_rows import CONSUMED, COUNTED, MOVEMENTS, PAPERED, PLAIN, REVISED
from operators.stock import STOCK_KEY
from operators.waiting import UNIT_UNKNOWN
from sinks.batches import Batch
from sinks.dead_letter import owner_of

#: Whose answers a kind of alert is about: its owner answers, unless the flow's settings name one.
_OWNERS = {
    "stock_mismatch": "InventoryBalance",
    "material_unknown": "Material",
    "base_unit_changed": "Material",
    "acknowledgement_missing": "OrderAcknowledgement",
    "acknowledgement_rejected": "OrderAcknowledgement",
    "acknowledgement_quantity": "OrderAcknowledgement",
    "acknowledgement_date": "OrderAcknowledgement",
    "acknowledgement_price": "OrderAcknowledgement",
    "receipt_quantity": "GoodsReceipt",
    "over_delivery": "GoodsReceipt",
    "delivery_late": "ShipmentNotice",
    "request_unanswered": "PurchaseOrder",
    "request_rejected": "PurchaseOrder",
}
#: Contract of what rows are made of, or the one that most of them are.
_ORIGINS = {
    COUNTED: "InventoryBalance",
    MOVEMENTS: "MaterialConsumption",
    PLAIN: "MaterialConsumption",
    CONSUMED: "MaterialConsumption",
    REVISED: "GoodsMovement",
    PAPERED: "PurchaseOrder",
}


def of_announced(announced: Announced, owner: str | None = None, flow: str = "replenishment") -> Batch:
    """Requests, alerts with class and owner, rows given up, projections, and how requests stand."""
    alerts = [{**alert, "owner": owner_of(_OWNERS.get(alert["kind"], ""), owner)} for alert in announced.alerts]
    requests = [replenishment_request.frame(announced.requests)] if announced.requests else []
    return Batch(
        documents=requests,
        contract=replenishment_request.CONTRACT,
        emptied=[EmptiedTotal(str(missing_key(each)), each["until"], UNIT_UNKNOWN) for each in announced.healed],
        letters=[row_letter(row, flow, owner_of("Material", owner)) for row in announced.given_up],
        alerts=alerts,
        projections=announced.projections,
        standings=[_standing(entry) for entry in announced.summaries.values()],
    )


def row_letter(row: Mapping[str, Any], flow: str, owner: str) -> DeadLetter:
    """A row of a material that is not known; its identity is what it says, so that a repeat is the same letter.

    The payload is the whole row; the record that it was made of is named in it (`event_id`, `movement_id`, or the
    numbers of a paper) and is in the history.
    """
    text = json.dumps(row, default=str, sort_keys=True)
    return DeadLetter(
        event_id=f"stock/{uuid5(NAMESPACE, text)}",
        event_time=time.time_ns() // 1000,
        plant=row["plant"],
        source=flow,
        kind="TOTAL",
        reason=UNIT_UNKNOWN,
        detail=f"unit {row['unit']} of {row['material']} can't be converted to its base unit, and it waits no longer: "
        "it is in no stock; a balance of the ERP that is newer than it has it",
        topic=_ORIGINS[row["rows"]],
        payload=text.encode(),
        document_key=missing_key(row),
        revision=row["at"],
        error_class=error_class(UNIT_UNKNOWN),
        owner=owner,
    )


def how_stock_stands(batches: Sequence[Batch]) -> list[dict[str, Any]]:
    """Entries of `stock_standings`: of places and of requests; made where they are kept, a few batches at a time."""
    projections = [frame for batch in batches for frame in batch.projections]
    return [*place_standings(projections), *(entry for batch in batches for entry in batch.standings)]


def place_standings(projections: Sequence[pl.DataFrame]) -> list[dict[str, Any]]:
    """Entries of `stock_standings`: of each place the newest of these rows of SIGNAL."""
    if not projections:
        return []
    newest = pl.concat(projections).unique(list(STOCK_KEY), keep="last", maintain_order=True)
    told = [_text(name, kind).alias(name) for name, kind in SIGNAL.items() if name not in (*STOCK_KEY, "instant")]
    rows = newest.select(
        *STOCK_KEY,
        pl.concat_str(pl.lit("stock"), "material", "storage_location", separator="|").alias("name"),
        pl.col("instant").to_physical().alias("instant"),
        pl.struct(told).struct.json_encode().alias("content"),
    )
    return rows.to_dicts()


def _text(name: str, kind: pl.DataType) -> pl.Expr:
    """A value of JSON: decimals as text without idle zeros, instants as ISO 8601."""
    if isinstance(kind, pl.Datetime):
        return pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%:z")
    if isinstance(kind, pl.Decimal):
        return pl.col(name).cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
    return pl.col(name)


def _standing(entry: Mapping[str, Any]) -> dict[str, Any]:
    content = entry["content"]
    text = None if content is None else json.dumps(content, default=_plain, ensure_ascii=False)
    return {**entry, "instant": int(entry["instant"].timestamp() * 1_000_000), "content": text}


def _plain(value: Any) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value.isoformat())
