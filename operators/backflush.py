"""Backflush: the components that a confirmed yield implies by the order's bill of material.

A component is booked by one side alone: by this flow, by the ERP when it books the confirmation, or by what the plant
reports as consumed. Two of them for one component would be a double issue, and are refused when the rules are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from typing import Any

import polars as pl

from millrace.errors import Misconfigured
from operators.partials import QUANTITY

_EXACT = Context(prec=80, rounding=ROUND_HALF_EVEN)
_SIX = Decimal("0.000001")
_LIMIT = Decimal(10) ** 12
_OPERATION = ["plant", "order_id", "operation"]

#: A component of an operation: `numerator` of it, in `unit`, for `denominator` of the order's material.
COMPONENT: dict[str, pl.DataType] = {
    **dict.fromkeys((*_OPERATION, "component", "storage_location", "unit"), pl.String()),
    "numerator": QUANTITY,
    "denominator": QUANTITY,
}


class Policy(StrEnum):
    """Which components this flow books."""

    ALL = "all"
    NONE = "none"
    #: None of an operation of which the ERP backflushes any.
    NONE_IF_BACKFLUSHED = "none_if_backflushed"
    #: Those that the ERP does not backflush.
    ONLY_NON_BACKFLUSHED = "only_non_backflushed"


@dataclass(frozen=True, slots=True)
class Backflush:
    """Who books which component.

    Args:
        policy: Of every component that has none of its own.
        policies: By component.
        erp: Components that the ERP backflushes.
        reported: Components whose consumption the plant reports.
        serialised: Components with serial numbers: never booked here.

    Raises:
        Misconfigured: Two sides would book a component; it is named.
    """

    policy: Policy
    policies: Mapping[str, Policy] = field(default_factory=dict)
    erp: frozenset[str] = frozenset()
    reported: frozenset[str] = frozenset()
    serialised: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for component in sorted(self.erp):
            if self._of(component) is Policy.ALL and component not in self.serialised:
                raise Misconfigured(f"backflush: {component} would be booked by the flow and by the ERP")
        for component in sorted(self.reported):
            if component in self.erp:
                raise Misconfigured(f"backflush: {component} would be booked as reported and by the ERP")
            if self._of(component) is not Policy.NONE and component not in self.serialised:
                raise Misconfigured(f"backflush: {component} would be booked by the flow and as reported")

    def _of(self, component: str) -> Policy:
        return self.policies.get(component, self.policy)

    def booked(self, components: pl.DataFrame) -> pl.DataFrame:
        """The rows of COMPONENT that this flow books."""
        names = components["component"].unique().to_list()
        policies = {name: self._of(name).value for name in names}
        rows = components.with_columns(
            pl.col("component").replace_strict(policies, return_dtype=pl.String).alias("policy"),
            pl.col("component").is_in(self.erp).alias("erp"),
        )
        return booked_here(rows).filter(~pl.col("component").is_in(self.serialised)).drop("policy", "erp")


def booked_here(rows: pl.DataFrame) -> pl.DataFrame:
    """The components that this flow books by their policy.

    Args:
        rows: plant, order_id, operation, `policy` and `erp`: whether the ERP backflushes the component.
    """
    any_erp = pl.col("erp").any().over(_OPERATION)
    alone = (pl.col("policy") == Policy.NONE_IF_BACKFLUSHED.value) & ~any_erp
    rest = (pl.col("policy") == Policy.ONLY_NON_BACKFLUSHED.value) & ~pl.col("erp")
    return rows.filter((pl.col("policy") == Policy.ALL.value) | alone | rest)


def backflush(confirmed: pl.DataFrame, components: pl.DataFrame) -> pl.DataFrame:
    """What confirmed totals used: one row per total and component that is booked, `quantity` in the component's unit.

    The quantity follows from the whole total and is rounded half-even once, so a higher revision of a confirmation
    replaces what a lower one used and no rounding adds up. Scrap and rework use nothing here: they are consumption that
    the plant reports.

    Args:
        confirmed: Totals with plant, order_id, operation and `quantity_yield` in the order's unit; other columns stay.
        components: Rows of COMPONENT to book (`Backflush.booked`), with `up` and `down` where `unit` is another one
            than that of the numerator (`operators.base_units.with_ratio`).

    Returns:
        `quantity` is null where it is more than decimal(18,6) holds.
    """
    rows = confirmed.join(components, on=_OPERATION, how="inner")
    used = pl.Series("quantity", [_used(row) for row in rows.to_dicts()], QUANTITY)
    ratio = [name for name in ("numerator", "denominator", "up", "down") if name in rows.columns]
    return rows.with_columns(used, pl.lit("ISSUE").alias("movement")).drop(ratio)


def _used(row: dict[str, Any]) -> Decimal | None:
    needed = _EXACT.multiply(_EXACT.multiply(row["quantity_yield"], row["numerator"]), row.get("up", 1))
    divisor = _EXACT.multiply(row["denominator"], row.get("down", 1))
    used = _EXACT.divide(needed, divisor).quantize(_SIX, context=_EXACT)
    return used if abs(used) < _LIMIT else None
