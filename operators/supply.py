"""What is on its way: quantities in transit and asked for, by what was ordered, shipped and received.

State is one frame of the newest version of each record, a union in which order and repetition do not matter. What is
open is worked out per item of a purchase order: shipped and not received is in transit, ordered and neither shipped nor
received is open, and a request is open for what no purchase order answers yet. An item that is completed expects
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from operators.document_keys import document_key
from operators.partials import INSTANT, QUANTITY
from operators.stock import STOCK_KEY, fitting
from operators.stock_movements import said

ORDERED, SHIPPED, RECEIVED, REQUESTED, POSTED = "ordered", "shipped", "received", "requested", "posted"
_LINE = ["plant", "purchase_order", "purchase_order_item"]
SUPPLY: dict[str, pl.DataType] = {
    **STOCK_KEY,
    "purchase_order": pl.String(),
    "purchase_order_item": pl.String(),
    "request_number": pl.String(),
    "kind": pl.String(),
    "record_id": pl.String(),
    "revision": pl.Int64(),
    "time": INSTANT,
    "unit": pl.String(),
    "quantity": QUANTITY,
    "completed": pl.Boolean(),
}
#: Quantity in transit and asked for, per key.
EXPECTED: dict[str, pl.DataType] = {**STOCK_KEY, "in_transit": QUANTITY, "open_requests": QUANTITY}


def _supply(records: pl.DataFrame, kind: str, record_id: pl.Expr, stands: pl.Expr, completed: pl.Expr) -> pl.DataFrame:
    named = {"kind": pl.lit(kind), "record_id": record_id, "revision": pl.col("version"), "time": pl.col("event_time")}
    wanted = {"quantity": pl.when(stands).then(pl.col("quantity")).otherwise(0), "completed": completed}
    number = said("request_number") if "request_number" in records.columns else pl.lit(None)
    rows = records.with_columns(**named, **wanted, request_number=number)
    return rows.select(pl.col(name).cast(dtype) for name, dtype in SUPPLY.items())


def _status(value: str) -> pl.Expr:
    return pl.col("status").cast(pl.String) == value


def of_orders(records: pl.DataFrame) -> pl.DataFrame:
    """Rows of SUPPLY from rows of the contract PurchaseOrder."""
    return _supply(records, ORDERED, pl.lit(""), ~_status("CANCELLED"), ~_status("OPEN"))


def of_notices(records: pl.DataFrame) -> pl.DataFrame:
    """Rows of SUPPLY from rows of the contract ShipmentNotice."""
    shipment = document_key("shipment_id", "shipment_item")
    return _supply(records, SHIPPED, shipment, _status("SHIPPED"), pl.lit(False))


def of_receipts(records: pl.DataFrame) -> pl.DataFrame:
    """Rows of SUPPLY from rows of the contract GoodsReceipt."""
    receipt = document_key("receipt_id", "receipt_item")
    return _supply(records, RECEIVED, receipt, _status("RECEIVED"), pl.col("delivery_completed") & _status("RECEIVED"))


def of_requests(records: pl.DataFrame) -> pl.DataFrame:
    """Rows of SUPPLY from rows of the contract ReplenishmentRequest; a withdrawn one asks for nothing."""
    lines = {"purchase_order": pl.lit(""), "purchase_order_item": pl.lit(""), "version": pl.col("revision")}
    return _supply(
        records.with_columns(**lines), REQUESTED, pl.col("request_number"), ~pl.col("withdrawn"), pl.lit(False)
    )


def merge_supply(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Union: of each record the highest revision."""
    rows = pl.concat([pl.DataFrame(schema=SUPPLY), *frames])
    return newest(rows, ["revision", "time", "quantity", "completed"])


def newest(rows: pl.DataFrame, order: Sequence[str]) -> pl.DataFrame:
    """Of each record the last row by these columns.

    A receipt is one, whatever item a version of it is for; numbers of shipments are those of their suppliers.
    """
    for_item = pl.when(pl.col("kind") != RECEIVED).then(document_key("purchase_order", "purchase_order_item"))
    named = rows.with_columns(for_item.alias("for_item"))
    identity = ["plant", "for_item", "kind", "record_id"]
    ranked = named.sort([*identity, *order, *_LINE], nulls_last=False)
    return ranked.unique(identity, keep="last", maintain_order=True).drop("for_item")


def expected(supply: pl.DataFrame) -> pl.DataFrame:
    """Quantities in transit and asked for, rows of EXPECTED."""
    rows = [_of_lines(_lines(supply)), _requests(supply).select(list(EXPECTED))]
    return pl.concat(rows).group_by(list(STOCK_KEY)).agg(fitting(pl.col("in_transit", "open_requests").sum()))


def retain(supply: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """What has to be kept: a request leaves with the items that answer it, an item without a request by itself.

    They leave once nothing is expected of any of them and the last record is older than `until`. A record that is sent
    again after that has to be stopped by the de-duplication, whose horizon is shorter.
    """
    rows = supply.with_columns(together().alias("together"))
    lines = _lines(supply).filter((pl.col("in_transit") > 0) | (pl.col("open") > 0)).select(_LINE)
    requests = _requests(supply).filter(pl.col("open_requests") > 0).select("plant", "kind", "record_id")
    awaited = [rows.join(lines, on=_LINE, how="semi"), rows.join(requests, on=requests.columns, how="semi")]
    recent = rows.filter(pl.col("time") > until)
    kept = pl.concat([*awaited, recent]).select("plant", "together").unique()
    return rows.join(kept, on=["plant", "together"], how="semi").select(list(SUPPLY))


def together() -> pl.Expr:
    """Name of the request and its items, or of the item alone."""
    answers = pl.concat_str(pl.lit("request|"), pl.col("request_number").max().over(_LINE))
    alone = pl.concat_str(pl.lit("item|"), document_key("purchase_order", "purchase_order_item"))
    request = pl.concat_str(pl.lit("request|"), "record_id")
    return pl.when(pl.col("kind").is_in([REQUESTED, POSTED])).then(request).otherwise(pl.coalesce(answers, alone))


def _lines(supply: pl.DataFrame) -> pl.DataFrame:
    """Per item of a purchase order: where it goes, what is in transit, what is open."""
    sums = [
        pl.col("quantity").filter(pl.col("kind") == kind).sum().alias(kind) for kind in (ORDERED, SHIPPED, RECEIVED)
    ]
    place = [*_told("material"), *_told("storage_location"), pl.col("request_number").max()]
    rows = supply.filter(pl.col("kind") != REQUESTED).group_by(_LINE).agg(*place, *sums, pl.col("completed").any())
    # The purchase order says where it goes; where it names the plant as a whole, the request that it answers does.
    asked = supply.filter(pl.col("kind") == REQUESTED)
    asked = asked.select("plant", "request_number", pl.col("storage_location").alias("asked_for"))
    rows = rows.join(asked.unique(["plant", "request_number"]), on=["plant", "request_number"], how="left")
    where = pl.coalesce("storage_location ordered", "asked_for", "storage_location", pl.lit(""))
    rows = rows.with_columns(
        where.alias("storage_location"), pl.coalesce("material ordered", "material").alias("material")
    )
    under_way = pl.max_horizontal(pl.col(SHIPPED), pl.col(RECEIVED))
    return rows.with_columns(
        _left(pl.col(SHIPPED) - pl.col(RECEIVED)).alias("in_transit"),
        _left(pl.col(ORDERED) - under_way).alias("open"),
    )


def _told(name: str) -> list[pl.Expr]:
    """What the purchase order tells, and what any record does."""
    told = pl.when(pl.col(name) != "").then(pl.col(name))
    return [told.filter(pl.col("kind") == ORDERED).max().alias(f"{name} ordered"), told.max().alias(name)]


def _left(quantity: pl.Expr) -> pl.Expr:
    return fitting(pl.when((quantity > 0) & ~pl.col("completed")).then(quantity).otherwise(0))


def _of_lines(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.rename({"open": "open_requests"}).select(list(EXPECTED))


def _requests(supply: pl.DataFrame) -> pl.DataFrame:
    answers = supply.filter((pl.col("kind") == ORDERED) & pl.col("request_number").is_not_null())
    answered = answers.group_by("plant", "request_number").agg(pl.col("quantity").sum().alias("answered"))
    requests = supply.filter(pl.col("kind") == REQUESTED).join(answered, on=["plant", "request_number"], how="left")
    rest = pl.col("quantity") - pl.col("answered").fill_null(0)
    nothing = pl.lit(0).cast(QUANTITY).alias("in_transit")
    return requests.with_columns(nothing, _left(rest).alias("open_requests"))
