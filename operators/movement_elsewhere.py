"""Reported consumption of a component that another side books by the order: booking it too would be a double issue.

The order leaves the component to the ERP, or by `none_if_backflushed` to this flow's backflush.

What settings say of a component is known where rows are read (`operators.consumption_route`). What an order says is
known only when it comes, maybe after what it is about, and may change with its next version. So such a total is a
document that is withdrawn, which takes back what was booked before, and an open item that tells a person of it.
"""

from __future__ import annotations

import polars as pl

from millrace.ledger.goods_movement import LEFT
from operators.backflush_rules import BackflushRules
from operators.movement_open import BOOKED_ELSEWHERE, OPEN
from operators.partials import QUANTITY

#: What of an order's consumption a backflush implies; scrap and by-products it does not.
IMPLIED = ("ISSUE", "RETURN")
_COMPONENT = ["plant", "order_id", "component"]
_OPERATION = [*_COMPONENT, "operation"]


def judged(rows: pl.DataFrame, orders: pl.DataFrame, bill: pl.DataFrame, rules: BackflushRules) -> pl.DataFrame:
    """Documents of reported consumption with `elsewhere`: whether by their order another side books them.

    The order's version is added to `reference_version`, so that a newer one makes a newer document, either way.

    Args:
        rows: Fields of the contract GoodsMovement.
        orders: Rows of ORDER_HEAD, the newest of each order.
        bill: Rows of BILL; those of an older version than their order's do not count.
        rules: Who books which component.
    """
    heads = orders.select("plant", "order_id", pl.col("version").alias("order_version"))
    stands = bill.join(heads, left_on=["plant", "order_id", "version"], right_on=heads.columns, how="semi")
    ours = rules.implied(stands).select(*_OPERATION, ours=pl.lit(value=True)).unique()
    stands = stands.join(ours, on=_OPERATION, how="left")
    theirs = pl.col("erp_backflush") | pl.col("ours").fill_null(value=False)
    at_operation = stands.group_by(_OPERATION).agg(theirs.any().alias("here"))
    anywhere = stands.group_by(_COMPONENT).agg(theirs.any().alias("anywhere"))
    named = rows.with_columns(pl.col("material").alias("component"))
    for told, key in ((heads, ["plant", "order_id"]), (at_operation, _OPERATION), (anywhere, _COMPONENT)):
        named = named.join(told, on=key, how="left", maintain_order="left")
    # A booking at an operation that does not name the component is one of those that do.
    elsewhere = pl.coalesce("here", "anywhere").fill_null(value=False) & pl.col("movement").is_in(IMPLIED)
    return named.with_columns(
        elsewhere.alias("elsewhere"), pl.col("reference_version") + pl.col("order_version").fill_null(0)
    ).drop("component", "order_version", "here", "anywhere")


def taken_back(rows: pl.DataFrame) -> pl.DataFrame:
    """The documents to announce: nothing of those that are booked elsewhere."""
    nothing = pl.when("elsewhere").then(pl.lit(0, QUANTITY)).otherwise("quantity").alias("quantity")
    return rows.with_columns(nothing, pl.col("elsewhere").alias("withdrawn")).drop("elsewhere")


def left_items(rows: pl.DataFrame) -> pl.DataFrame:
    """Open items (OPEN) of the documents that are booked elsewhere."""
    told = rows.filter("elsewhere").with_columns(
        pl.col("document_key").alias("source"),
        letter_key().alias("document_key"),
        pl.lit(BOOKED_ELSEWHERE).alias("reason"),
        letter_revision().alias("revision"),
        pl.col("revision").alias("events"),
        pl.col("last_event_time").to_physical().alias("newest"),
    )
    return told.select(pl.col(name).cast(kind) for name, kind in OPEN.items())


def letter_revision() -> pl.Expr:
    """Version of the letter about a document: it rises with each event and with each version of the order.

    So one that was mended by a version of the order and is wrong again by the next is open again.
    """
    return pl.col("revision") + pl.col("reference_version")


def letter_key() -> pl.Expr:
    """Key of the letter about a document."""
    return pl.col("document_key") + LEFT
