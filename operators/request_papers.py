"""Papers of procurement: the newest version of each request, its posting, order, acknowledgement, notice and receipt.

State is one frame, a union in which order and repetition do not matter; `operators.supply` reads from it what is on its
way, `operators.request_lifecycle` how far each request is. Quantities and prices are in the material's base unit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from operators import supply
from operators.document_keys import document_key
from operators.partials import QUANTITY
from operators.supply import ORDERED, POSTED, RECEIVED, REQUESTED, SHIPPED, SUPPLY

ACKNOWLEDGED = "acknowledged"
#: SUPPLY and what people compare: dates, prices, who answers, which shipment a receipt is of.
PAPER: dict[str, pl.DataType] = {
    **SUPPLY,
    "standing": pl.Boolean(),
    "due": pl.Date(),
    "price": QUANTITY,
    "currency": pl.String(),
    "supplier": pl.String(),
    "over_tolerance": QUANTITY,
    "response": pl.String(),
    "shipment": pl.String(),
}
_SHIPMENT = document_key("shipment_id", "shipment_item")


def _acknowledgements(records: pl.DataFrame) -> pl.DataFrame:
    """Rows of SUPPLY from rows of OrderAcknowledgement; they are no supply: the order is what is expected."""
    told = {"kind": pl.lit(ACKNOWLEDGED), "record_id": pl.lit(""), "storage_location": pl.lit("")}
    said = {"revision": pl.col("version"), "time": pl.col("event_time"), "completed": pl.lit(False)}
    rows = records.with_columns(**told, **said, request_number=pl.lit(None))
    return rows.select(pl.col(name).cast(kind) for name, kind in SUPPLY.items())


def _results(records: pl.DataFrame) -> pl.DataFrame:
    """Rows of SUPPLY from rows of PostingResult about requests; they are no supply, and have neither quantity nor unit.

    The key of a request names its material and place (`operators.safety_stock.request_key`), by which they meet.
    """
    parts = pl.col("document_key").str.split("|")
    place = [_unescaped(parts.list.get(2)).alias("material"), _unescaped(parts.list.get(3)).alias("storage_location")]
    key = pl.col("document_key")
    told = {"kind": pl.lit(POSTED), "record_id": key, "request_number": key, "time": pl.col("event_time")}
    nothing = {"purchase_order": pl.lit(""), "purchase_order_item": pl.lit(""), "unit": pl.lit(None)}
    rows = records.with_columns(*place, quantity=pl.lit(0), completed=_status("rejected"), **told, **nothing)
    return rows.select(pl.col(name).cast(kind) for name, kind in SUPPLY.items())


def _unescaped(part: pl.Expr) -> pl.Expr:
    return part.str.replace_all("%7C", "|", literal=True).str.replace_all("%25", "%", literal=True)


def _status(value: str) -> pl.Expr:
    return pl.col("status").cast(pl.String) == value


_Made = tuple[Callable[[pl.DataFrame], pl.DataFrame], dict[str, pl.Expr]]
_PAPERS: dict[str, _Made] = {
    "PurchaseOrder": (
        supply.of_orders,
        {"standing": ~_status("CANCELLED"), "due": pl.col("delivery_date")},
    ),
    "OrderAcknowledgement": (
        _acknowledgements,
        {
            "standing": pl.col("response").cast(pl.String) != "REJECTED",
            "due": pl.col("delivery_date"),
            "response": pl.col("response").cast(pl.String),
        },
    ),
    "ShipmentNotice": (
        supply.of_notices,
        {"standing": _status("SHIPPED"), "due": pl.col("expected_at").dt.date(), "shipment": _SHIPMENT},
    ),
    "GoodsReceipt": (
        supply.of_receipts,
        {
            "standing": _status("RECEIVED"),
            "shipment": pl.when(pl.col("shipment_id").is_not_null()).then(_SHIPMENT),
        },
    ),
    "ReplenishmentRequest": (
        supply.of_requests,
        {"standing": ~pl.col("withdrawn"), "due": pl.col("delivery_date")},
    ),
    "PostingResult": (_results, {"standing": ~_status("rejected"), "response": pl.col("reason")}),
}
#: Contracts that papers are made of.
CONTRACTS = tuple(_PAPERS)
_SAME = ("price", "currency", "supplier", "over_tolerance")


def papers(contract: str, records: pl.DataFrame) -> pl.DataFrame:
    """Rows of PAPER from rows of a contract, one each, in their order; of results only those of requests."""
    make, more = _PAPERS[contract]
    if contract == "PostingResult":
        records = records.filter(_of_request())
    wanted = [name for name in PAPER if name not in SUPPLY]
    same = {name: pl.col(name) for name in _SAME if name in records.columns}
    known = {**same, **more}
    found = records.select(known.get(name, pl.lit(None)).cast(PAPER[name]).alias(name) for name in wanted)
    return make(records).hstack(found.get_columns())


def _of_request() -> pl.Expr:
    """Results of other documents have other keys, or another kind."""
    parts = pl.col("document_key").str.count_matches("|", literal=True) + 1
    return (pl.col("kind") == "ReplenishmentRequest") & (parts == 5)


def merge_papers(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Union: of each paper the highest revision, of a posting the newest result."""
    rows = pl.concat([pl.DataFrame(schema=PAPER), *frames])
    return supply.newest(rows, ["revision", "time", "quantity", "completed", "due", "price", "response"])


def supplies(known: pl.DataFrame, closed: pl.DataFrame) -> pl.DataFrame:
    """Rows of SUPPLY of papers, without requests that are closed (`plant`, `request_number`)."""
    asked = pl.col("kind") == REQUESTED
    rows = known.filter(~pl.col("kind").is_in([ACKNOWLEDGED, POSTED])).select(list(SUPPLY))
    if not closed.height:
        return rows
    open_ones = rows.filter(asked).join(closed, on=["plant", "request_number"], how="anti")
    return pl.concat([rows.filter(~asked), open_ones])


__all__ = [
    "ACKNOWLEDGED",
    "CONTRACTS",
    "ORDERED",
    "PAPER",
    "POSTED",
    "RECEIVED",
    "REQUESTED",
    "SHIPPED",
    "merge_papers",
    "papers",
]
