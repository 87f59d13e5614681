"""What a ledger is told of orders and confirmations, since it holds movements that the flow has forgotten.

Movements leave the state with their window, and a cancelled order or a confirmation that is corrected to nothing may
come long after. The flow can't make their documents anew; the ledger finds them by order and confirmation.
"""

from __future__ import annotations

import polars as pl

from operators.cancellations import STANDING
from operators.references import ORDER_ID

_ORDER = list(ORDER_ID)
_UNCONFIRMED = [*_ORDER, "document_key", "revision", "reference_version"]


def movement_standings(known: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    """How orders stand (rows of STANDING) that are cancelled, released again, or were not known.

    Args:
        known: Rows of ORDER_HEAD with the newest version of each order.
        orders: Rows of ORDER_HEAD that come now.
    """
    before = known.select(*_ORDER, pl.col("version").alias("known"), pl.col("cancelled").alias("was"))
    newest = orders.sort("version").unique(_ORDER, keep="last").join(before, on=_ORDER, how="left")
    fresh = pl.col("known").is_null() | (pl.col("known") < pl.col("version"))
    follows = pl.col("cancelled") | pl.col("was").fill_null(value=True)
    return newest.filter(fresh & follows).select(list(STANDING)).sort(_ORDER)


def unconfirmed(known: pl.DataFrame, orders: pl.DataFrame, confirmed: pl.DataFrame) -> pl.DataFrame:
    """Confirmations that show nothing, of which the flow can't take back what they implied: key and versions.

    It can where it knows them with some yield and knows their order. An order that is forgotten has no bill here any
    more, even if a version of its confirmation came since.

    Args:
        known: Confirmations in the state, with `counted`.
        orders: Orders in the state.
        confirmed: Rows of CONFIRMED that come now.

    Returns:
        Rows of plant, order_id, document_key, revision, reference_version.
    """
    nothing = confirmed.filter((pl.col("quantity_yield") == 0) & ~pl.col("withdrawn"))
    ours = known.filter("counted").join(orders, on=_ORDER, how="semi")
    return nothing.join(ours, on="document_key", how="anti").select(_UNCONFIRMED)
