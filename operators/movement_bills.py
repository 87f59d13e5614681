"""Who books a component changes with the versions of its order: what was booked by an earlier one is taken back.

A version may leave a component out, give it to the ERP, or give another one to the ERP, by which `none_if_backflushed`
leaves this one to the plant. Such components stay in the bill with the version that had them, and nothing is needed.
"""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from operators.backflush_rules import BackflushRules
from operators.partials import QUANTITY

_ORDER = ["plant", "order_id"]
ITEM = [*_ORDER, "operation", "component_item", "component", "storage_location"]
_NOTHING = pl.lit(Decimal(0), dtype=QUANTITY)


def left_out(known: pl.DataFrame, heard: pl.DataFrame, orders: pl.DataFrame, rules: BackflushRules) -> pl.DataFrame:
    """Rows of BILL of components that an earlier version had booked here and the newest has not.

    Args:
        known: Rows of BILL in the state: of the version that was the newest, and what it had left out already.
        heard: Rows of BILL that came now, of any version.
        orders: The newest of those that came: plant, order_id, version, cancelled, and the version before as `known`.
        rules: Who books which component.
    """
    known = known.join(orders.select(*_ORDER, "known"), on=_ORDER, how="inner")
    before, past = known.filter(pl.col("version") == pl.col("known")), known.filter(pl.col("version") < pl.col("known"))
    newest = orders.select(*_ORDER, newest="version")
    heard = heard.join(newest, on=_ORDER, how="inner")
    now = heard.filter(pl.col("version") == pl.col("newest")).drop("newest")
    between = heard.filter(pl.col("version") < pl.col("newest")).drop("newest")
    versions = pl.concat([before.drop("known"), between]).partition_by("version")
    booked = [rules.booked(each.unique(ITEM, keep="last")).drop("serialised") for each in versions]
    former = pl.concat([past.drop("known"), *(each.select(now.columns) for each in booked)])
    former = former.sort("version", maintain_order=True).unique(ITEM, keep="last")
    # A cancellation that names no component leaves none out: all are withdrawn, and come back as they were.
    bare = orders.filter("cancelled").join(now, on=_ORDER, how="anti").select(*_ORDER, bare=pl.lit(value=True))
    gone = former.join(rules.booked(now), on=ITEM, how="anti").join(bare, on=_ORDER, how="left")
    return gone.with_columns(pl.when("bare").then("numerator").otherwise(_NOTHING).alias("numerator")).drop("bare")


def booked(bill: pl.DataFrame, orders: pl.DataFrame, rules: BackflushRules) -> pl.DataFrame:
    """Components with `serialised` that confirmations imply here, and those of which nothing is needed any more.

    Args:
        bill: Rows of BILL.
        orders: plant, order_id, `order_version`.
        rules: Who books which component.
    """
    rows = bill.join(orders.select(*_ORDER, "order_version").unique(), on=_ORDER, how="inner")
    stands = rows.filter(pl.col("version") == pl.col("order_version"))
    left = rows.filter(pl.col("version") < pl.col("order_version"))
    numbered = [rules.is_serialised(*each) for each in left.select("plant", "component").rows()]
    left = left.with_columns(pl.Series("serialised", numbered, pl.Boolean))
    every = pl.concat([rules.booked(stands), left.select(*stands.columns, "serialised")])
    return every.drop("version", "order_version")
