"""Stock by status: the newest balance of the ERP and the movements after its `as_of`, whatever arrives first.

State is two frames that only grow by union, so it is the same for every order, grouping and repetition of the same
records: `merge_balances` and `merge_movements` are associative, commutative and idempotent. `retain` takes away what is
older than the newest balance less a horizon; that is decided by each row's own time, so it may be called at any moment.

A movement may have revisions, each a total: what counts after `as_of` is the newest total less the total that the
balance had seen. Quantities are in the material's base unit (`operators.base_units`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import polars as pl

from operators.partials import INSTANT, QUANTITY

STOCK_KEY: dict[str, pl.DataType] = {
    "plant": pl.String(),
    "material": pl.String(),
    "storage_location": pl.String(),
}
_KEY = list(STOCK_KEY)
#: Statuses that a balance reports and movements change.
REPORTED = ("on_hand", "quality_hold", "blocked", "allocated")

BALANCE: dict[str, pl.DataType] = {
    **STOCK_KEY,
    "as_of": INSTANT,
    "counted_at": INSTANT,
    "event_id": pl.String(),
    "unit": pl.String(),
    **dict.fromkeys(REPORTED, QUANTITY),
}
#: One row per movement, revision and status that it changes; `quantity` is signed.
MOVEMENT: dict[str, pl.DataType] = {
    **STOCK_KEY,
    "movement_id": pl.String(),
    "status": pl.String(),
    "revision": pl.Int64(),
    "time": INSTANT,
    "unit": pl.String(),
    "quantity": QUANTITY,
}
STOCK: dict[str, pl.DataType] = {
    **STOCK_KEY,
    "as_of": INSTANT,
    "unit": pl.String(),
    **dict.fromkeys(REPORTED, QUANTITY),
}
_SPAN = [*_KEY, "since", "until"]
_MOVED = ["movement_id", "status"]
_MOVEMENT_ID = ["plant", "material", "movement_id"]
_SLOT = [*_MOVEMENT_ID, "storage_location", "status"]


#: Most that decimal(18,6) holds.
MOST = Decimal("999999999999.999999")


def fitting(quantity: pl.Expr) -> pl.Expr:
    """A sum as decimal(18,6), or the most that it holds: absurd records make an absurd stock, and stop no flow."""
    return quantity.clip(-MOST, MOST).cast(QUANTITY)


def balances(records: pl.DataFrame) -> pl.DataFrame:
    """Rows of BALANCE from rows of the contract InventoryBalance; nothing is allocated where the ERP does not say."""
    names = {"unrestricted": "on_hand", "quality": "quality_hold", "event_time": "counted_at"}
    rows = records.rename(names).with_columns(pl.col("allocated").fill_null(0))
    return rows.select(pl.col(name).cast(kind) for name, kind in BALANCE.items())


def merge_balances(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Union of balances: of two with one `as_of`, the one that was counted last."""
    rows = pl.concat([pl.DataFrame(schema=BALANCE), *frames])
    identity = [*_KEY, "as_of"]
    return rows.sort([*identity, "counted_at", "event_id"]).unique(identity, keep="last", maintain_order=True)


def merge_movements(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Union of movements: a repeated row counts once."""
    rows = pl.concat([pl.DataFrame(schema=MOVEMENT), *frames])
    identity = [*_KEY, *_MOVED, "revision"]
    # A producer that breaks its promise and reuses an identity must not make the result depend on the order.
    return rows.group_by(identity).agg(pl.col("time", "unit", "quantity").max()).select(list(MOVEMENT)).sort(identity)


def voided(movements: pl.DataFrame) -> pl.DataFrame:
    """Rows of MOVEMENT of nothing, for places and statuses that a newer revision of a movement has left.

    A receipt may be corrected to another storage location or stock type: a total that is newer counts nothing there.

    Args:
        movements: Rows of MOVEMENT, all that are known of their movements; such rows that are there are not repeated.
    """
    several = pl.struct("storage_location", "status").n_unique().over(_MOVEMENT_ID) > 1
    moved = movements.filter(several)
    slots = moved.group_by(_SLOT).agg(pl.col("unit").first(), pl.col("revision").min().alias("first"))
    revisions = moved.group_by([*_MOVEMENT_ID, "revision"]).agg(pl.col("time").max())
    left = slots.join(revisions, on=_MOVEMENT_ID).filter(pl.col("revision") > pl.col("first"))
    left = left.join(moved, on=[*_SLOT, "revision"], how="anti").with_columns(pl.lit(0).alias("quantity"))
    return left.select(pl.col(name).cast(kind) for name, kind in MOVEMENT.items())


def newest(known: pl.DataFrame) -> pl.DataFrame:
    """The balance with the latest `as_of` of each key."""
    return known.filter(pl.col("as_of") == pl.col("as_of").max().over(_KEY))


def retain(known: pl.DataFrame, movements: pl.DataFrame, horizon: timedelta) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What has to be kept: balances and movements after the newest balance less the horizon.

    Args:
        known: Rows of BALANCE.
        movements: Rows of MOVEMENT. Those of a key without a balance all stay, since nobody knows what it will count.
        horizon: Longer than a movement's revisions may come apart, and than the balances that are to be compared.
    """
    frontier = newest(known).select(*_KEY, (pl.col("as_of") - horizon).alias("frontier"))
    kept = known.join(frontier, on=_KEY, how="left").filter(pl.col("as_of") >= pl.col("frontier"))
    after = pl.col("frontier").is_null() | (pl.col("time") > pl.col("frontier"))
    moved = movements.join(frontier, on=_KEY, how="left").filter(after)
    return kept.drop("frontier"), moved.drop("frontier")


def changes(movements: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """What each movement changed within spans of time: `quantity` by span, movement and status.

    Args:
        movements: Rows of MOVEMENT.
        spans: Key, `since` (exclusive; null: from the beginning), `until` (inclusive; null: open).
    """
    rows = movements.join(spans, on=_KEY, how="inner")
    rows = rows.filter(pl.col("until").is_null() | (pl.col("time") <= pl.col("until")))
    before = pl.col("since").is_not_null() & (pl.col("time") <= pl.col("since"))
    rows = with_earlier(rows, before)
    names = [*_SPAN, *_MOVED]
    if rows.select(before.any()).item() or rows.select(names).is_duplicated().any():
        total = pl.col("quantity").sort_by("revision").last()
        seen = pl.col("quantity").filter(before).sort_by(pl.col("revision").filter(before)).last().fill_null(0)
        rows = rows.group_by(names).agg(fitting(total - seen).alias("quantity"))
    return rows.select(*names, "quantity").filter(pl.col("quantity") != 0)


def with_earlier(rows: pl.DataFrame, before: pl.Expr) -> pl.DataFrame:
    """Movements that are not `before`, and of the others those that they may be revisions of: the rest change nothing.

    Most of what is kept lies before the newest balance, and most movements are never revised.
    """
    later = rows.filter(~before)
    earlier = rows.filter(before).join(later.select("movement_id"), on="movement_id", how="semi")
    return pl.concat([later, earlier]) if earlier.height else later


def by_status(changed: pl.DataFrame) -> pl.DataFrame:
    """Changes of `changes` added up: one row per span, one column per status."""
    sums = [
        fitting(pl.col("quantity").filter(pl.col("status") == status).sum()).alias(f"{status}_change")
        for status in REPORTED
    ]
    return changed.group_by(_SPAN).agg(sums)


def levels(known: pl.DataFrame, movements: pl.DataFrame) -> pl.DataFrame:
    """As `stock`, but `allocated` may be below zero: what a later movement is added to.

    Args:
        known: Rows of BALANCE.
        movements: Rows of MOVEMENT; a repeated row counts once.
    """
    base = newest(known)
    units = [base.select(*_KEY, "unit"), movements.select(*_KEY, "unit").unique()]
    since = movements.join(base.select(*_KEY, "as_of"), on=_KEY, how="left")
    movements = merge_movements(
        [with_earlier(since, (pl.col("time") <= pl.col("as_of")).fill_null(value=False)).drop("as_of")]
    )
    keys = pl.concat(units).group_by(_KEY).agg(pl.col("unit").max())
    rows = keys.join(base.drop("unit"), on=_KEY, how="left")
    spans = rows.select(*_KEY, pl.col("as_of").alias("since"), pl.lit(None, INSTANT).alias("until"))
    moved = by_status(changes(movements, spans)).drop("since", "until")
    rows = rows.join(moved, on=_KEY, how="left").with_columns(
        fitting(pl.col(status).fill_null(0) + pl.col(f"{status}_change").fill_null(0)).alias(status)
        for status in REPORTED
    )
    return rows.select(list(STOCK)).sort(_KEY)


def shown(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of `levels` as rows of STOCK: less than nothing is never allocated."""
    free = pl.when(pl.col("allocated") < 0).then(pl.lit(0).cast(QUANTITY)).otherwise(pl.col("allocated"))
    return rows.with_columns(free.alias("allocated"))


def stock(known: pl.DataFrame, movements: pl.DataFrame) -> pl.DataFrame:
    """Stock of each key (rows of STOCK): its newest balance and the movements after it.

    `as_of` is null for a key of which no balance is known: what it shows is only what moved. Less than nothing is never
    allocated: issues that no reservation was made for take nothing away from it.
    """
    return shown(levels(known, movements))
