"""What movements refer to: orders with their components, materials, and the confirmations that imply backflush.

A confirmation is a total with a version, like an order: the newest counts, whatever comes twice or late. So it is read
here, where no clock waits for it: it comes a window after the events that it is made of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from operators.backflush import COMPONENT
from operators.confirmations import CONFIRMATION
from operators.lane import Dead, Decoder
from operators.master_checks import checked
from operators.partials import INSTANT
from operators.references import CANCELLED
from operators.stock import fitting
from schemas.batch import RawBatch

STATE_VERSION = 1
CONFIRMED_COLUMNS = (
    *("document_key", "plant", "order_id", "operation", "revision", "reference_version", "adjustment"),
    *("quantity_yield", "unit", "posting_date", "window_start", "window_end"),
    *("first_event_time", "last_event_time", "event_count", "origins"),
)
#: What of a confirmation a component's movement follows from.
CONFIRMED: dict[str, pl.DataType] = {
    **{name: CONFIRMATION[name] for name in CONFIRMED_COLUMNS},
    "withdrawn": pl.Boolean(),
}
ORDER_HEAD: dict[str, pl.DataType] = {
    **dict.fromkeys(("plant", "order_id"), pl.String()),
    "version": pl.Int64(),
    "order_material": pl.String(),
    "order_unit": pl.String(),
    "ended": pl.Boolean(),
    "cancelled": pl.Boolean(),
    "changed": INSTANT,
}
BILL: dict[str, pl.DataType] = {
    **COMPONENT,
    **dict.fromkeys(("component_item", "reservation", "reservation_item"), pl.String()),
    "erp_backflush": pl.Boolean(),
    "version": pl.Int64(),
}
_LINE = ["plant", "order_id", "version", "operation", "component_item", "component", "storage_location"]


@dataclass(slots=True)
class MovementReference:
    """Reference data of one batch.

    Args:
        orders: Rows of ORDER_HEAD.
        bill: Rows of BILL, the components of these orders.
        materials: Records of Material.
        remeasured: plant and material of known materials whose units changed.
        confirmed: Rows of CONFIRMED.
        dead: Records given up.
        counts: Running totals of this lane.
    """

    orders: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ORDER_HEAD))
    bill: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BILL))
    materials: list[dict[str, Any]] = field(default_factory=list)
    remeasured: list[tuple[str, str]] = field(default_factory=list)
    confirmed: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CONFIRMED))
    dead: list[Dead] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class MovementReferenceLane:
    """Rules and state of the reference lane.

    Args:
        contracts: Contract by topic.
        decoders: Decoder by topic.
    """

    contracts: Mapping[str, str]
    decoders: Mapping[str, Decoder]
    counts: Counter[str] = field(default_factory=Counter)
    _units: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)

    def process(self, raw: RawBatch) -> MovementReference:
        """Take one polled batch; a tombstone deletes nothing.

        Raises:
            Retriable: The registry is down; nothing has changed.
        """
        contract = self.contracts[raw.topic]
        decoded = checked(contract, self.decoders[raw.topic].decode(raw))
        self.counts[f"read:{contract}"] += len(raw.values)
        output = MovementReference()
        for reject in decoded.rejects:
            if reject.reason == "tombstone":
                self.counts[f"tombstones:{contract}"] += 1
                continue
            place = (int(raw.partitions[reject.row]), int(raw.offsets[reject.row]))
            self.counts[f"dead:{contract}:{reject.reason}"] += 1
            bytes_read = raw.values[reject.row] or b""
            output.dead.append(Dead(contract, raw.topic, *place, reject.reason, reject.detail, bytes_read))
        self.accept(output, contract, decoded.frame)
        return output

    def accept(self, output: MovementReference, contract: str, frame: pl.DataFrame) -> None:
        """Take decoded rows of WorkOrder, Material or ProductionConfirmation."""
        self.counts[f"accepted:{contract}"] += frame.height
        if contract == "WorkOrder" and frame.height:
            output.orders, output.bill = order_heads(frame), order_components(frame)
        elif contract == "ProductionConfirmation" and frame.height:
            output.confirmed = confirmed_rows(frame)
        elif contract == "Material":
            output.materials = frame.to_dicts()
            output.remeasured = [key for record in output.materials if (key := self._remeasured(record))]
        output.counts = dict(self.counts)

    def _remeasured(self, record: dict[str, Any]) -> tuple[str, str] | None:
        """The material, if it was known in a lower version, with other units."""
        key, version = (record["plant"], record["material"]), record["version"]
        factors = sorted((c["unit"], str(c["numerator"]), str(c["denominator"])) for c in record["conversions"])
        units, known = repr((record["base_unit"], factors)), self._units.get(key)
        if known is not None and known[0] >= version:
            return None
        self._units[key] = (version, units)
        return key if known is not None and known[1] != units else None

    def snapshot(self) -> dict[str, Any]:
        """Plain values."""
        units = [[*key, *value] for key, value in self._units.items()]
        return {"version": STATE_VERSION, "counts": dict(self.counts), "units": units}

    def restore(self, state: dict[str, Any] | None) -> None:
        """Go on from a snapshot; None is a fresh start."""
        if state is not None:
            self.counts = Counter(state["counts"])
            self._units = {(plant, name): (version, units) for plant, name, version, units in state["units"]}


def order_heads(orders: pl.DataFrame) -> pl.DataFrame:
    """One row per order (ORDER_HEAD) from rows of the contract WorkOrder."""
    rows = orders.select(
        *("plant", "order_id", "version"),
        pl.col("material").alias("order_material"),
        pl.col("unit").alias("order_unit"),
        (pl.col("status").cast(pl.String) != "RELEASED").alias("ended"),
        (pl.col("status").cast(pl.String) == CANCELLED).alias("cancelled"),
        pl.col("event_time").alias("changed"),
    )
    return rows.select(pl.col(name).cast(kind) for name, kind in ORDER_HEAD.items())


def order_components(orders: pl.DataFrame) -> pl.DataFrame:
    """One row per component (BILL) from rows of the contract WorkOrder.

    Lines of one version that nothing tells apart are one component: it needs what they need together. Where their units
    or ratios differ, no quantity can be told, which a denominator of nothing says.
    """
    once = orders.unique(["plant", "order_id", "version"], keep="last", maintain_order=True)
    rows = once.select("plant", "order_id", "version", "components").explode("components")
    rows = rows.filter(pl.col("components").is_not_null()).unnest("components").rename({"material": "component"})
    alike = pl.struct("unit", "denominator", "erp_backflush").n_unique() == 1
    lines = rows.group_by(_LINE, maintain_order=True).agg(
        pl.col("unit", "reservation", "reservation_item").first(),
        fitting(pl.col("numerator").sum()),
        pl.when(alike).then(pl.col("denominator").first()).otherwise(0).alias("denominator"),
        pl.col("erp_backflush").all(),
    )
    return lines.select(pl.col(name).cast(kind) for name, kind in BILL.items())


def confirmed_rows(confirmations: pl.DataFrame) -> pl.DataFrame:
    """Rows of CONFIRMED from rows of the contract ProductionConfirmation."""
    rows = confirmations
    if "withdrawn" not in rows.columns:
        rows = rows.with_columns(pl.lit(value=False).alias("withdrawn"))
    return rows.select(pl.col(name).cast(kind) for name, kind in CONFIRMED.items())
