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
    # Mostly all is of one plant and unit: they are added afterwards, since each column to group by costs time.
    alone = {name: moved[name][0] for name in ("plant", "unit") if (moved[name] == moved[name][0]).all()}
    keys = [name for name in _KEY if name not in alone]
    signs = _signs(set(moved["effect"].unique()))
    changes = {str(number): _change(each) for number, each in enumerate(dict.fromkeys(signs.values()))}
    number = {each: str(number) for number, each in enumerate(dict.fromkeys(signs.values()))}
    unit = [] if "unit" in alone else [pl.col("unit").max()]
    told = moved.select(*keys, *([] if "unit" in alone else ["unit"]), *(c.alias(n) for n, c in changes.items()))
    found = told.group_by(keys).agg(*unit, pl.col(list(changes)).sum())
    columns = [pl.col(number[signs[status]]).alias(status) for status in REPORTED]
    return found.with_columns(pl.lit(value).alias(name) for name, value in alone.items()).select(
        *_KEY, "unit", *columns
    )


def _signs(present: set[str]) -> dict[str, tuple[tuple[str, int], ...]]:
    """What the effects that are present do to each status."""
    return {status: tuple((each, EFFECTS[each].get(status, 0)) for each in sorted(present)) for status in REPORTED}


def _change(signs: tuple[tuple[str, int], ...]) -> pl.Expr:
    """What a row changes of a status; mostly all rows have one effect."""
    kinds = {sign for _, sign in signs}
    if kinds == {0}:
        return pl.lit(0).cast(QUANTITY)
    if len(kinds) == 1:
        return -pl.col("quantity") if -1 in kinds else pl.col("quantity")
    up, down = ([name for name, sign in signs if sign == wanted] for wanted in (1, -1))
    signed = pl.when(pl.col("effect").is_in(up)).then("quantity")
    return signed.when(pl.col("effect").is_in(down)).then(-pl.col("quantity")).otherwise(0).cast(QUANTITY)


__all__ = ["EFFECTS", "MOVED", "by_status", "expanded", "sums"]
