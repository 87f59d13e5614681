"""Movements that are never revised, one row per record: what it does to each status of stock follows from its effect.

Kept so they take half the room and the time that a row per status would; `expanded` makes those rows where they are
looked at one by one.
"""

from __future__ import annotations

import polars as pl

from operators.partials import INSTANT, QUANTITY
from operators.stock import MOVEMENT, REPORTED, STOCK_KEY

_KEY = list(STOCK_KEY)
#: `quantity` is as the record has it; its sign is the effect's.
MOVED: dict[str, pl.DataType] = {
    **STOCK_KEY,
    "movement_id": pl.String(),
    "effect": pl.String(),
    "time": INSTANT,
    "unit": pl.String(),
    "quantity": QUANTITY,
}
#: What is issued to an order was reserved for it, so both fall; a return opens the reservation again.
EFFECTS: dict[str, dict[str, int]] = {
    "issue": {"on_hand": -1, "allocated": -1},
    "return": {"on_hand": 1, "allocated": 1},
    "out": {"on_hand": -1},
    "in": {"on_hand": 1},
    "hold": {"on_hand": -1, "quality_hold": 1},
    "release": {"quality_hold": -1, "on_hand": 1},
    "reject": {"quality_hold": -1, "blocked": 1},
}


def by_status(rows: pl.DataFrame, table: dict[str, dict[str, int]], by: str) -> pl.DataFrame:
    """Rows of MOVEMENT: one per status that what stands in the column `by` changes."""
    told = [(name, status, sign) for name, changes in table.items() for status, sign in changes.items()]
    schema: dict[str, pl.DataType] = {by: pl.String(), "status": pl.String(), "sign": pl.Int64()}
    moved = rows.join(pl.DataFrame(told, schema=schema, orient="row"), on=by, how="inner")
    signed = pl.when(pl.col("sign") < 0).then(-pl.col("quantity")).otherwise("quantity").alias("quantity")
    return moved.with_columns(signed).select(pl.col(name).cast(kind) for name, kind in MOVEMENT.items())


def expanded(moved: pl.DataFrame) -> pl.DataFrame:
    """Rows of MOVEMENT from rows of MOVED."""
    return by_status(moved.with_columns(pl.lit(0, pl.Int64).alias("revision")), EFFECTS, "effect")


def sums(moved: pl.DataFrame) -> pl.DataFrame:
    """Rows of MOVED added up by key: `unit`, and a column per status."""
    # Mostly all is of one plant: it is added afterwards, since each column to group by costs time.
    first = moved["plant"][0]
    keys = _KEY[1:] if (moved["plant"] == first).all() else _KEY
    present = set(moved["effect"].unique())
    changes = {status: _change(status, present) for status in REPORTED}
    told = [change.alias(status) for status, change in changes.items() if change is not None]
    found = (
        moved.select(*keys, "unit", *told)
        .group_by(keys)
        .agg(pl.col("unit").max(), pl.col([each.meta.output_name() for each in told]).sum())
    )
    still = [pl.lit(0).cast(QUANTITY).alias(status) for status, change in changes.items() if change is None]
    plant = [] if "plant" in keys else [pl.lit(first).alias("plant")]
    return found.with_columns(*plant, *still).select(*_KEY, "unit", *REPORTED)


def _change(status: str, present: set[str]) -> pl.Expr | None:
    """What a row changes of a status; None where no effect that is present does."""
    signs = {name: EFFECTS[name][status] for name in sorted(present) if status in EFFECTS[name]}
    if not signs:
        return None
    if signs.keys() == present and len(set(signs.values())) == 1:
        return -pl.col("quantity") if -1 in signs.values() else pl.col("quantity")
    up, down = ([name for name, sign in signs.items() if sign == wanted] for wanted in (1, -1))
    signed = pl.when(pl.col("effect").is_in(up)).then("quantity")
    return signed.when(pl.col("effect").is_in(down)).then(-pl.col("quantity")).otherwise(0).cast(QUANTITY)


__all__ = ["EFFECTS", "MOVED", "by_status", "expanded", "sums"]
