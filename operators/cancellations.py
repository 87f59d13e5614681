"""Cancelled orders: what was announced for them is withdrawn, and what is counted all the same is told to a person.

A document of a cancelled order keeps its total and is marked as withdrawn, so that it wants nothing; an order that is
released again in a later version announces the same totals as before. Windows that have left the state cannot be
announced again: for them the order's own standing goes along, and the ledger applies it to all that it holds.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from operators.completion import judge
from operators.references import CANCELLED, ORDER_ID, References
from operators.totals import OPERATION_KEY

#: How an order stands: `version` of the order, and whether its documents are withdrawn.
STANDING: dict[str, pl.DataType] = {
    "plant": pl.String(),
    "order_id": pl.String(),
    "version": pl.Int64(),
    "cancelled": pl.Boolean(),
}
_KEY = list(ORDER_ID)
#: Operation, version of the order, and whether the pieces came after it was cancelled.
Told = tuple[str, str, str, int, bool]


def standings(before: pl.DataFrame, after: pl.DataFrame, changed: pl.DataFrame) -> pl.DataFrame:
    """Orders among `changed` (plant, order_id) whose documents have to follow: columns of STANDING and `flipped`.

    That is each cancelled one, each that is released again, and each that was not known here: it may have been
    cancelled before it was forgotten.

    Args:
        before: Rows of ORDER before the change.
        after: Rows of ORDER after it.
        changed: The orders.
    """
    cancelled = (pl.col("status") == CANCELLED).any()
    now = after.join(changed, on=_KEY, how="semi").group_by(_KEY).agg(pl.col("version").max(), cancelled=cancelled)
    was = before.join(changed, on=_KEY, how="semi").group_by(_KEY).agg(was=cancelled)
    both = now.join(was, on=_KEY, how="left").filter(pl.col("cancelled") | pl.col("was").fill_null(value=True))
    flipped = pl.col("was").is_null() | (pl.col("was") != pl.col("cancelled"))
    return both.with_columns(flipped=flipped).select(*STANDING, "flipped").sort(_KEY)


def flipped_operations(judged: pl.DataFrame, flipped: pl.DataFrame | None) -> pl.Series:
    """Which judged operations were announced as complete or over-delivered, and belong to an order in `flipped`."""
    if flipped is None or not flipped.height:
        return pl.repeat(value=False, n=judged.height, eager=True)
    of_order = pl.struct(_KEY).is_in(flipped.select(pl.struct(_KEY)).to_series().implode())
    return judged.select((pl.col("final") | (pl.col("over") > 0)) & of_order).to_series()


class Cancellations:
    """Cancelled orders of a shard, and what was told of them; bounded by the orders in the state."""

    def __init__(self) -> None:
        self._orders = pl.DataFrame(schema={name: STANDING[name] for name in _KEY})
        self._told: set[Told] = set()

    def heard(self, orders: pl.DataFrame) -> None:
        """Take note of all orders of the shard (rows of ORDER)."""
        self._orders = orders.filter(pl.col("status") == CANCELLED).select(_KEY).unique()
        known = set(self._orders.iter_rows())
        self._told = {told for told in self._told if told[:2] in known}

    def alerts(
        self, progress: pl.DataFrame, references: References, touched: pl.DataFrame, *, after: bool
    ) -> list[dict[str, Any]]:
        """One alert for each operation and version of an order: before it was cancelled, and after.

        Args:
            progress: Rows of PROGRESS.
            references: Orders and conversions.
            touched: Operations to look at: OPERATION_KEY and what was counted, `machine` and `report`.
            after: The pieces came when the order was cancelled already.
        """
        if not (self._orders.height and touched.height):
            return []
        mine = touched.filter((pl.col("machine") != 0) | (pl.col("report") != 0)).join(
            self._orders, on=_KEY, how="semi"
        )
        counted = progress.join(mine, on=list(OPERATION_KEY), how="semi")
        if not counted.height:
            return []
        judged = judge(counted, references.orders, references.conversions).filter(pl.col("counted") != 0)
        return [_alert(row, after) for row in judged.sort(OPERATION_KEY).to_dicts() if self._is_new(row, after)]

    def _is_new(self, row: dict[str, Any], after: bool) -> bool:
        told = (row["plant"], row["order_id"], row["operation"], row["version"], after)
        new = told not in self._told
        self._told.add(told)
        return new

    def snapshot(self) -> list[Told]:
        """Plain values."""
        return sorted(self._told)

    def restore(self, state: list[Told], orders: pl.DataFrame) -> None:
        """Go on from a snapshot."""
        self._told = {(plant, order, operation, version, after) for plant, order, operation, version, after in state}
        self.heard(orders)


def _alert(row: dict[str, Any], after: bool) -> dict[str, Any]:
    counted = f"{row['counted'].normalize():f} {row['order_unit']}"
    if after:
        what = f"pieces came after version {row['version']} cancelled the order; {counted} in all are not confirmed"
    else:
        what = f"version {row['version']} cancelled the order; the confirmations of {counted} are withdrawn"
    return {
        "kind": "counted_after_cancellation" if after else "order_cancelled",
        "severity": "WARNING",
        "plant": row["plant"],
        "subject": row["order_id"],
        "message": f"operation {row['operation']}: {what}",
    }


__all__ = ["STANDING", "Cancellations", "flipped_operations", "standings"]
