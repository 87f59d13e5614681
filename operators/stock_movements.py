"""Rows of MOVEMENT from the contracts that move stock: which status each kind of record takes from and gives to.

One flow takes either what was consumed or the documents that were made of it, never both: a movement counts once under
the identity of its record, and the two have different identities.
"""

from __future__ import annotations

import polars as pl

from operators.document_keys import document_key
from operators.frames import own_text
from operators.stock import MOVEMENT, STOCK_KEY
from operators.stock_moved import MOVED, by_status
from schemas.vectors import INLINE

#: What the names of movements that are receipts begin with.
RECEIPT = "receipt"
_VERSION_BITS = 41
_STATUS = "status"
_TYPES = {"UNRESTRICTED": "on_hand", "QUALITY": "quality_hold", "BLOCKED": "blocked"}

#: Effects by kind of what was consumed; without an order nothing was reserved.
_CONSUMED = {"ISSUE": "issue", "RETURN": "return", "SCRAP": "out", "BY_PRODUCT": "in"}
_ALONE = {**_CONSUMED, "ISSUE": "out", "RETURN": "in"}
_DECIDED = {"HOLD": "hold", "RELEASE": "release", "REJECT": "reject"}
_RECEIVED = {name: {status: 1} for name, status in _TYPES.items()}


def _movements(
    records: pl.DataFrame, by: str, movement_id: pl.Expr, revision: pl.Expr, time: str = "event_time"
) -> pl.DataFrame:
    """Records with the columns of MOVEMENT but `status`, and the column that says what they move.

    What a record becomes is made before it is doubled: a movement from one status to another has two rows.
    """
    named = {"movement_id": movement_id, "revision": revision, "time": pl.col(time)}
    columns = (
        named.get(name, pl.col(name)).cast(kind).alias(name) for name, kind in MOVEMENT.items() if name != _STATUS
    )
    return records.select(*columns, pl.col(by).cast(pl.String).alias("by"))


def _joined(kind: str, *names: str) -> pl.Expr:
    return pl.concat_str(pl.lit(kind), document_key(*names), separator="|")


def of_consumption(records: pl.DataFrame) -> pl.DataFrame:
    """Rows of MOVED from rows of the contract MaterialConsumption; only what an order takes was allocated."""
    effect, alone = _effect(records["kind"], _CONSUMED), records["order_id"] == ""
    if alone.any():
        effect = _effect(records["kind"], _ALONE).zip_with(alone, effect)
    return _moved(records, effect, "consumption")


def of_quality(records: pl.DataFrame) -> pl.DataFrame:
    """Rows of MOVED from rows of the contract QualityEvent: what one status loses the other gains."""
    return _moved(records, _effect(records["decision"], _DECIDED), "quality")


def _effect(column: pl.Series, table: dict[str, str]) -> pl.Series:
    """By the numbers of an enum's symbols; a look-up of each one's text costs seven times as much."""
    if not isinstance(column.dtype, pl.Enum):
        raise TypeError(f"{column.name} is {column.dtype}, no enum")
    effects = pl.Series([table.get(symbol) for symbol in column.dtype.categories], dtype=pl.String)
    return effects.gather(column.to_physical())


def _own_id(kind: str, event_ids: pl.Series) -> pl.Expr:
    """As `_joined`; hardly any has something in it to escape, and to look for that costs less than to replace it."""
    if event_ids.str.contains("[|%]").any():
        return _joined(kind, "event_id")
    return pl.concat_str(pl.lit(f"{kind}|"), "event_id")


def _moved(records: pl.DataFrame, effect: pl.Series, kind: str) -> pl.DataFrame:
    movement_id = _own_id(kind, records["event_id"])
    named = {"effect": pl.lit(effect), "movement_id": movement_id, "time": pl.col("event_time")}
    named |= {name: own_text(name) for name in STOCK_KEY if (records[name].str.len_bytes() > INLINE).any()}
    rows = records.select(named.get(name, pl.col(name)).cast(kind).alias(name) for name, kind in MOVED.items())
    return rows.filter(pl.col("effect").is_not_null()) if rows["effect"].null_count() else rows


def of_receipts(records: pl.DataFrame) -> pl.DataFrame:
    """Movements of rows of the contract GoodsReceipt; a cancelled item is a newer total of nothing."""
    stands = pl.col("status").cast(pl.String) == "RECEIVED"
    standing = records.with_columns(pl.when(stands).then(pl.col("quantity")).otherwise(0).alias("quantity"))
    receipt = _joined(RECEIPT, "receipt_id", "receipt_item")
    return by_status(_movements(standing, "stock_type", receipt, pl.col("version")), _RECEIVED, "by")


def said(name: str) -> pl.Expr:
    """A name that may be missing; some producers write an empty one instead of null."""
    return pl.when(pl.col(name) != "").then(name)


def _rank() -> pl.Expr:
    """One number that rises with the revision of a document, and among equal ones with its reference version.

    A corrected bill, factor or order makes another total of the same events. Milliseconds of a clock fit as a version.
    """
    revision = pl.col("revision").clip(0, (1 << 63 - _VERSION_BITS) - 1)
    return revision * (1 << _VERSION_BITS) + pl.col("reference_version").clip(0, (1 << _VERSION_BITS) - 1)


def of_documents(records: pl.DataFrame) -> pl.DataFrame:
    """Movements of rows of the contract GoodsMovement, such as receipts of production: totals with revisions.

    A document says which stock type it leaves and which it comes to; a transfer comes to another storage location.
    """
    wanted = pl.when(pl.col("withdrawn")).then(0).otherwise(pl.col("quantity")).alias("quantity")
    rows = records.with_columns(wanted)
    target = pl.coalesce(said("to_storage_location"), "storage_location").alias("storage_location")
    arriving = rows.with_columns(target, pl.coalesce(said("to_plant"), "plant").alias("plant"))
    leaving = {name: {status: -1} for name, status in _TYPES.items()}
    both = [("out", rows, "stock_type_from", leaving), ("in", arriving, "stock_type_to", _RECEIVED)]
    # One document may leave and reach the same key (a change of status), so the direction is part of the identity.
    parts = []
    for way, each, by, table in both:
        identity = _joined(f"document {way}", "document_key")
        parts.append(by_status(_movements(each, by, identity, _rank(), "last_event_time"), table, "by"))
    return pl.concat(parts)
