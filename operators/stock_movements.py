"""Rows of MOVEMENT from the contracts that move stock: which status each kind of record takes from and gives to.

One flow takes either what was consumed or the documents that were made of it, never both: a movement counts once under
the identity of its record, and the two have different identities.
"""

from __future__ import annotations

import polars as pl

from operators.confirmations import document_key
from operators.stock import MOVEMENT

#: What the names of movements that are receipts begin with.
RECEIPT = "receipt"
_TYPES = {"UNRESTRICTED": "on_hand", "QUALITY": "quality_hold", "BLOCKED": "blocked"}

#: What is issued to an order was reserved for it, so both fall; a return opens the reservation again.
_CONSUMED = {
    "ISSUE": {"on_hand": -1, "allocated": -1},
    "RETURN": {"on_hand": 1, "allocated": 1},
    "SCRAP": {"on_hand": -1},
    "BY_PRODUCT": {"on_hand": 1},
}
_DECIDED = {
    "HOLD": {"on_hand": -1, "quality_hold": 1},
    "RELEASE": {"quality_hold": -1, "on_hand": 1},
    "REJECT": {"quality_hold": -1, "blocked": 1},
}
_RECEIVED = {name: {status: 1} for name, status in _TYPES.items()}


def _effects(table: dict[str, dict[str, int]], by: str) -> pl.DataFrame:
    rows = [(kind, status, sign) for kind, effects in table.items() for status, sign in effects.items()]
    return pl.DataFrame(rows, schema={by: pl.String, "status": pl.String, "sign": pl.Int64}, orient="row")


def _rows(records: pl.DataFrame, table: dict[str, dict[str, int]], by: str) -> pl.DataFrame:
    plain = records.with_columns(pl.col(by).cast(pl.String)).drop("status", strict=False)
    return plain.join(_effects(table, by), on=by, how="inner").with_columns(pl.col("quantity") * pl.col("sign"))


def _movements(rows: pl.DataFrame, movement_id: pl.Expr, revision: pl.Expr, time: str = "event_time") -> pl.DataFrame:
    named = rows.with_columns(movement_id.alias("movement_id"), revision.alias("revision"), pl.col(time).alias("time"))
    return named.select(pl.col(name).cast(kind) for name, kind in MOVEMENT.items())


def _joined(kind: str, *names: str) -> pl.Expr:
    return pl.concat_str(pl.lit(kind), document_key(*names), separator="|")


def of_consumption(records: pl.DataFrame) -> pl.DataFrame:
    """Movements of rows of the contract MaterialConsumption; only what an order takes was allocated."""
    rows = _rows(records, _CONSUMED, "kind")
    rows = rows.filter((pl.col("status") != "allocated") | (pl.col("order_id") != ""))
    return _movements(rows, _joined("consumption", "event_id"), pl.lit(0))


def of_quality(records: pl.DataFrame) -> pl.DataFrame:
    """Movements of rows of the contract QualityEvent: what one status loses the other gains."""
    return _movements(_rows(records, _DECIDED, "decision"), _joined("quality", "event_id"), pl.lit(0))


def of_receipts(records: pl.DataFrame) -> pl.DataFrame:
    """Movements of rows of the contract GoodsReceipt; a cancelled item is a newer total of nothing."""
    stands = pl.col("status").cast(pl.String) == "RECEIVED"
    standing = records.with_columns(pl.when(stands).then(pl.col("quantity")).otherwise(0).alias("quantity"))
    rows = _rows(standing, _RECEIVED, "stock_type")
    return _movements(rows, _joined(RECEIPT, "receipt_id", "receipt_item"), pl.col("version"))


def of_documents(records: pl.DataFrame) -> pl.DataFrame:
    """Movements of rows of the contract GoodsMovement, such as receipts of production: totals with revisions.

    A document says which stock type it leaves and which it comes to; a transfer comes to another storage location.
    """
    wanted = pl.when(pl.col("withdrawn")).then(0).otherwise(pl.col("quantity")).alias("quantity")
    rows = records.with_columns(wanted)
    target = pl.coalesce("to_storage_location", "storage_location").alias("storage_location")
    arriving = rows.with_columns(target, pl.coalesce("to_plant", "plant").alias("plant"))
    leaving = {name: {status: -1} for name, status in _TYPES.items()}
    both = [_rows(rows, leaving, "stock_type_from"), _rows(arriving, _RECEIVED, "stock_type_to")]
    # One document may leave and reach the same key (a change of status), so the direction is part of the identity.
    parts = [
        _movements(each, _joined(f"document {way}", "document_key"), pl.col("revision"), "last_event_time")
        for way, each in zip(("out", "in"), both, strict=True)
    ]
    return pl.concat(parts)
