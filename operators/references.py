"""Reference data of a shard: the operations of its orders and the unit conversions of materials.

The newest version of an order or material counts, whatever arrives first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import polars as pl

from operators.frames import from_bytes, to_bytes
from operators.partials import INSTANT, QUANTITY

ORDER: dict[str, pl.DataType] = {
    "plant": pl.String(),
    "order_id": pl.String(),
    "operation": pl.String(),
    "version": pl.Int64(),
    "status": pl.String(),
    "material": pl.String(),
    "order_unit": pl.String(),
    "over_tolerance": QUANTITY,
    "under_tolerance": QUANTITY,
    "planned_work_center": pl.String(),
    "target": QUANTITY,
    "count_source": pl.String(),
    "time_source": pl.String(),
    "auto_final": pl.Boolean(),
    "changed": INSTANT,
}
ORDER_ID = ("plant", "order_id")
#: Status of an order that is withdrawn: nothing of it may stay booked.
CANCELLED = "CANCELLED"
_SIX = Decimal("0.000001")
_EXACT = Context(prec=80, rounding=ROUND_HALF_EVEN)
#: Totals are decimal(18,6).
_LIMIT = Decimal(10) ** 12
#: What stands for the operations of an order that comes without any.
_NO_OPERATION: dict[str, Any] = {
    "operation": "",
    "planned_work_center": "",
    "target": Decimal(0),
    "count_source": "MACHINE",
    "time_source": "MACHINE",
    "auto_final": False,
}


def order_operations(orders: pl.DataFrame) -> pl.DataFrame:
    """One row per operation (columns of ORDER) from rows of the contract WorkOrder.

    A cancelled order may come without operations: it is one row of the operation "", since it has to be heard.
    """
    kept = ["plant", "order_id", "version", "status", "material", "over_tolerance", "under_tolerance"]
    renamed = [pl.col("unit").alias("order_unit"), pl.col("event_time").alias("changed")]
    rows = orders.select(*kept, *renamed, "operations").explode("operations", empty_as_null=True)
    rows = rows.filter(pl.col("operations").is_not_null() | (pl.col("status") == CANCELLED)).unnest("operations")
    names = {"work_center": "planned_work_center", "target_quantity": "target"}
    typed = rows.rename(names).select(pl.col(name).cast(kind) for name, kind in ORDER.items())
    return typed.with_columns(pl.col(name).fill_null(value) for name, value in _NO_OPERATION.items())


@dataclass(slots=True)
class Conversions:
    """Factors between units per material, exact."""

    materials: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    _saved: str | None = None

    def version(self, plant: str, material: str) -> int:
        """Version of a material; 0 where it is not known."""
        return int(self.materials.get((plant, material), {"version": 0})["version"])

    def put(self, record: dict[str, Any]) -> None:
        """Take a record of the contract Material; an older version is ignored."""
        key = (record["plant"], record["material"])
        known = self.materials.get(key)
        if known is None or known["version"] < record["version"]:
            factors = {
                c["unit"]: (str(c["numerator"]), str(c["denominator"]))
                for c in record["conversions"]
                if c["denominator"] and c["numerator"]
            }
            self.materials[key] = {
                "version": record["version"],
                "base_unit": record["base_unit"],
                "factors": factors,
            }
            self._saved = None

    def put_kept(self, record: dict[str, Any]) -> bool:
        """Take a record as `put`, but in the base unit that is known: what was counted in it is never added to another.

        Returns:
            False where the record names another base unit and no conversion from the known one: nothing changes then.
        """
        key = (record["plant"], record["material"])
        known = self.materials.get(key)
        self.put(record)
        new = self.materials[key]
        if known is None or new["base_unit"] == known["base_unit"]:
            return True
        factors = {new["base_unit"]: ("1", "1"), **new["factors"]}
        former = factors.pop(known["base_unit"], None)
        if former is None:
            self.materials[key] = known
            return False
        up, down = (Decimal(text) for text in former)
        restated = {
            unit: (str(_EXACT.multiply(Decimal(each_up), down)), str(_EXACT.multiply(Decimal(each_down), up)))
            for unit, (each_up, each_down) in factors.items()
        }
        self.materials[key] = {**new, "base_unit": known["base_unit"], "factors": restated}
        return True

    def ratio(self, plant: str, material: str, unit: str) -> tuple[str, Decimal, Decimal] | None:
        """The base unit, and what one of a unit is in it as numerator and denominator; None where that is not known."""
        known = self.materials.get((plant, material))
        factors = {} if known is None else {known["base_unit"]: ("1", "1"), **known["factors"]}
        if known is None or unit not in factors:
            return None
        up, down = factors[unit]
        return known["base_unit"], Decimal(up), Decimal(down)

    def convert(self, plant: str, material: str, quantity: Decimal, unit: str, to: str) -> Decimal | None:
        """Quantity in another unit, rounded half-even to six decimals.

        None where no conversion is known, or where the quantity is too large for the other unit.
        """
        known = self.materials.get((plant, material))
        if known is None:
            return None
        factors = {known["base_unit"]: ("1", "1"), **known["factors"]}
        if unit not in factors or to not in factors:
            return None
        up, down = (Decimal(text) for text in factors[unit])
        to_up, to_down = (Decimal(text) for text in factors[to])
        multiply = _EXACT.multiply
        exact = _EXACT.divide(multiply(multiply(quantity, up), to_down), multiply(down, to_up))
        rounded = exact.quantize(_SIX, context=_EXACT)
        return rounded if abs(rounded) < _LIMIT else None

    def snapshot(self) -> str:
        """JSON text; made again only after a change, since every shard keeps all materials."""
        if self._saved is None:
            self._saved = json.dumps([[*key, value] for key, value in self.materials.items()])
        return self._saved

    @classmethod
    def of(cls, state: str) -> Conversions:
        """From a snapshot."""
        materials = {(plant, material): value for plant, material, value in json.loads(state)}
        return cls(materials, state)


class References:
    """Orders and conversions of one shard."""

    def __init__(self) -> None:
        self.orders = pl.DataFrame(schema=ORDER)
        self.conversions = Conversions()
        self._saved: bytes | None = None

    def put_orders(self, operations: pl.DataFrame) -> pl.DataFrame:
        """Take rows of ORDER; returns plant and order_id of the orders that are new or changed."""
        key = list(ORDER_ID)
        versions = self.orders.group_by(key).agg(pl.col("version").max().alias("known"))
        newest = operations.filter(pl.col("version") == pl.col("version").max().over(key))
        fresh = (
            newest.unique([*key, "operation"], keep="last")
            .join(versions, on=key, how="left")
            .filter(pl.col("known").is_null() | (pl.col("known") < pl.col("version")))
            .drop("known")
        )
        if fresh.height:
            fresh = pl.concat([fresh, self._still_of_cancelled(fresh)])
            self.orders = pl.concat([self.orders.join(fresh, on=key, how="anti"), fresh])
            self._saved = None
        return fresh.select(key).unique()

    def _still_of_cancelled(self, fresh: pl.DataFrame) -> pl.DataFrame:
        """Known operations that the cancelled version of an order does not name: they are cancelled with it."""
        head = ["version", "status", "changed"]
        cancelled = fresh.filter(pl.col("status") == CANCELLED).select(*ORDER_ID, *head).unique([*ORDER_ID])
        left = self.orders.join(fresh, on=[*ORDER_ID, "operation"], how="anti").drop(head)
        return left.join(cancelled, on=list(ORDER_ID), how="inner").select(list(ORDER))

    def drop(self, orders: pl.DataFrame) -> None:
        """Forget orders (plant, order_id)."""
        self.orders = self.orders.join(orders, on=list(ORDER_ID), how="anti")
        self._saved = None

    def snapshot(self) -> dict[str, Any]:
        """Plain values; unchanged orders are not serialised again."""
        if self._saved is None:
            self._saved = to_bytes(self.orders)
        return {"orders": self._saved, "materials": self.conversions.snapshot()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._saved = state["orders"]
        self.orders = from_bytes(state["orders"], ORDER)
        self.conversions = Conversions.of(state["materials"])
